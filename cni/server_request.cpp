// One request of the shim into a call of the manager and back into what the shim prints.
#include "base/log.hpp"
#include "cni/json_util.hpp"
#include "cni/server.hpp"
#include "cni/version.hpp"

namespace keelson::cni {
namespace {

struct Input {
  std::string command;
  std::string version;  // the one that the runtime negotiated: results and errors are told in it
  Attachment attachment;
  std::vector<AttachmentId> valid;  // GC
};

std::string variable(const ShimRequest& request, const char* name) {
  const auto found = request.env.find(name);
  return found == request.env.end() ? std::string() : found->second;
}

Result<std::vector<AttachmentId>> parse_valid_attachments(const Json& object) {
  std::vector<AttachmentId> out;
  const char* key = object.contains("cni.dev/valid-attachments") ? "cni.dev/valid-attachments" : "cni.dev/attachments";
  TRY(auto items, get_objects(object, key));
  for (const Json* item : items) {
    AttachmentId id;
    TRY(id.container_id, get_string(*item, "containerID"));
    TRY(id.ifname, get_string(*item, "ifname"));
    out.push_back(std::move(id));
  }
  return out;
}

CniResult<Input> parse_input(const ShimRequest& request) {
  Input input;
  input.command = variable(request, "CNI_COMMAND");
  auto config = parse_json_object(request.stdin_data);
  if (!config) return CniError(code::kDecode, "network configuration: " + config.error().message);
  TRY(input.version, get_string(*config, "cniVersion"));
  if (input.version.empty()) input.version = kImplicitVersion;
  if (!is_supported(input.version)) {
    return CniError(code::kIncompatibleVersion, "cniVersion \"" + input.version + "\" is not supported");
  }
  auto args = parse_args(variable(request, "CNI_ARGS"));
  if (!args) return CniError(code::kInvalidEnvironment, args.error().message);
  input.attachment.args = std::move(*args);
  input.attachment.container_id = variable(request, "CNI_CONTAINERID");
  input.attachment.netns = variable(request, "CNI_NETNS");
  input.attachment.ifname = variable(request, "CNI_IFNAME");
  if (const Json* runtime_config = member(*config, "runtimeConfig")) {
    if (!runtime_config->is_object()) return CniError(wrong_type("runtimeConfig", "object", *runtime_config));
    input.attachment.runtime_config = dump(*runtime_config);
  }
  TRY(input.valid, parse_valid_attachments(*config));
  return input;
}

Awaitable<CniResult<std::string>> status_output(Manager& manager) {
  const NetworkStatus now = co_await manager.status();
  if (!now.ready) co_return CniError(code::kNotAvailable, now.message);
  co_return std::string();
}

CniResult<std::string> without_output(const CniResult<void>& result) {
  if (!result) return result.error();
  return std::string();
}

Awaitable<CniResult<std::string>> run(Manager& manager, Input input) {
  if (input.command == "ADD") {
    auto added = co_await manager.add(std::move(input.attachment));
    if (!added) co_return added.error();
    co_return render_result(*added, input.version);
  }
  if (input.command == "DEL") {
    const auto done = co_await manager.del(std::move(input.attachment));
    co_return without_output(done);
  }
  if (input.command == "CHECK") {
    const auto done = co_await manager.check(std::move(input.attachment));
    co_return without_output(done);
  }
  if (input.command == "GC") {
    const auto done = co_await manager.gc(std::move(input.valid));
    co_return without_output(done);
  }
  if (input.command == "STATUS") co_return co_await status_output(manager);
  co_return CniError(code::kInvalidEnvironment, "unknown CNI_COMMAND: " + input.command);
}

}  // namespace

Awaitable<ShimReply> handle_request(Manager& manager, ShimRequest request) {
  auto input = parse_input(request);
  std::string version(kCurrentVersion);
  std::string command = variable(request, "CNI_COMMAND");
  std::string container = variable(request, "CNI_CONTAINERID");
  CniResult<std::string> out = std::string();
  if (input) {
    version = input->version;
    out = co_await run(manager, std::move(*input));
  } else {
    out = input.error();
  }
  ShimReply reply;
  if (out) {
    reply.stdout_data = std::move(*out);
  } else {
    log_warn("CNI request failed", {{"command", command}, {"container", container}, {"error", out.error().text()}});
    reply.exit_code = 1;
    reply.stdout_data = render_error(out.error(), version);
  }
  co_return reply;
}

}  // namespace keelson::cni
