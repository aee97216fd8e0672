#include "agent/pod/hooks.hpp"

#include "base/strings.hpp"
#include "probes/http_probe.hpp"
#include "probes/target.hpp"

namespace keelson::agent {
namespace {

// No hook lasts as long: what bounds it is the caller's grace period.
constexpr Nanoseconds kNoLimit = std::chrono::hours(24);

Awaitable<Result<void>> run_command(PodContext& context, std::vector<std::string> command, std::string id) {
  cri::v1::ExecSyncRequest request;
  request.set_container_id(id);
  for (auto& word : command) *request.add_cmd() = word;
  const auto reply = co_await context.runtime.exec_sync(std::move(request), cri::kNoTimeout);
  if (!reply) co_return reply.error();
  if (reply->exit_code() == 0) co_return Result<void>();
  co_return make_error(Errc::failed_precondition, "command '" + join(command, " ") + "' exited with " +
                                                      std::to_string(reply->exit_code()) + ": " + reply->stdout() +
                                                      reply->stderr());
}

// A server that answers HTTPS with plain HTTP is asked again in plain HTTP, as upstream does for older specs.
Awaitable<Result<void>> get(kube::HttpGetAction action, HookTarget target) {
  CO_TRY(const auto port, probes::resolve_port(action.port, target.container));
  CO_TRY(auto aim, probes::make_http_target(action, target.pod_ip, port, probes::kLifecycleUserAgent));
  auto answer = co_await probes::http_get(std::make_shared<const probes::HttpTarget>(std::move(aim)), kNoLimit);
  const bool plain =
      !answer && answer.error().message.find("server gave HTTP response to HTTPS client") != std::string::npos;
  if (!plain) co_return answer ? Result<void>() : Result<void>(answer.error());
  action.scheme = "HTTP";
  CO_TRY(auto again, probes::make_http_target(action, target.pod_ip, port, probes::kLifecycleUserAgent));
  answer = co_await probes::http_get(std::make_shared<const probes::HttpTarget>(std::move(again)), kNoLimit);
  co_return answer ? Result<void>() : Result<void>(answer.error());
}

}  // namespace

Awaitable<Result<void>> run_hook(PodContext& context, kube::LifecycleHandler hook, HookTarget target) {
  if (hook.exec) co_return co_await run_command(context, std::move(hook.exec->command), std::move(target.container_id));
  if (hook.http_get) co_return co_await get(std::move(*hook.http_get), std::move(target));
  if (hook.sleep) {
    co_await sleep_for(Seconds(hook.sleep->seconds));
    co_return Result<void>();
  }
  co_return make_error(Errc::invalid_argument,
                       "cannot run handler: exec, httpGet and sleep are the ones that there are");
}

}  // namespace keelson::agent
