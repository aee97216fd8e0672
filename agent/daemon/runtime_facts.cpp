#include "agent/daemon/runtime_facts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "volumes/mounts.hpp"

namespace keelson::agent {
namespace {

std::string info_of(const cri::v1::StatusResponse& status, const std::string& key) {
  const auto it = status.info().find(key);
  return it == status.info().end() ? std::string() : it->second;
}

// containerd 1.x tells its whole configuration.
std::string sandbox_image_of(const std::string& config) {
  const auto json = nlohmann::json::parse(config, nullptr, false);
  if (!json.is_object()) return {};
  const auto it = json.find("sandboxImage");
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Awaitable<Result<cri::v1::StatusResponse>> verbose_status(cri::RuntimeService& runtime) {
  cri::v1::StatusRequest request;
  request.set_verbose(true);
  co_return co_await runtime.status(std::move(request), Seconds(10));
}

}  // namespace

Awaitable<Result<cni::RuntimeCni>> read_runtime_cni(cri::RuntimeService& runtime) {
  CO_TRY(const auto status, co_await verbose_status(runtime));
  co_return cni::runtime_cni(info_of(status, "cniconfig"));
}

Awaitable<Result<RuntimeFacts>> read_runtime_facts(cri::RuntimeService& runtime) {
  RuntimeFacts out;
  cri::v1::VersionRequest version_request;
  version_request.set_version("v1");
  CO_TRY(const auto version, co_await runtime.version(std::move(version_request), Seconds(10)));
  out.name = version.runtime_name();
  out.version = version.runtime_version();
  CO_TRY(const auto driver, co_await cri::cgroup_driver(runtime));
  if (driver) {
    out.cgroup_driver = *driver == cri::v1::SYSTEMD ? spec::CgroupDriver::systemd : spec::CgroupDriver::cgroupfs;
  }
  CO_TRY(const auto status, co_await verbose_status(runtime));
  out.cni = cni::runtime_cni(info_of(status, "cniconfig"));
  if (const auto dirs = cni::runtime_cni_dirs(info_of(status, "config"))) out.cni_conf_dir = dirs->conf_dir;
  out.sandbox_image = sandbox_image_of(info_of(status, "config"));
  const auto& handlers = status.runtime_handlers();
  out.recursive_read_only = std::any_of(handlers.begin(), handlers.end(), [](const auto& h) {
    return h.name().empty() && h.features().recursive_read_only_mounts();
  });
  out.image_volumes = volumes::has_image_volumes(out.name, out.version);
  co_return out;
}

}  // namespace keelson::agent
