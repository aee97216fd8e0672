#include "agent/cluster/csi_node.hpp"

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/apis/storage.k8s.io/v1/csinodes";
// In-tree plugins whose volumes CSI drivers serve, as every node of this release says: the scheduler counts by it.
constexpr const char* kMigrated =
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,"
    "kubernetes.io/gce-pd,kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume";
constexpr Nanoseconds kFirstRetry = Seconds(1), kLastRetry = std::chrono::minutes(1);

json csi_node(const std::string& node, const std::string& uid) {
  const json owner = {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}, {"uid", uid}};
  return {{"apiVersion", "storage.k8s.io/v1"},
          {"kind", "CSINode"},
          {"metadata",
           {{"name", node},
            {"annotations", {{"storage.alpha.kubernetes.io/migrated-plugins", kMigrated}}},
            {"ownerReferences", json::array({owner})}}},
          {"spec", {{"drivers", json::array()}}}};
}

bool is_owned_by(const json& object, const std::string& uid) {
  const auto owners = object.value(json::json_pointer("/metadata/ownerReferences"), json::array());
  return std::any_of(owners.begin(), owners.end(), [&](const json& owner) {
    return owner.value("kind", "") == "Node" && owner.value("uid", "") == uid;
  });
}

}  // namespace

Awaitable<Result<void>> ensure_csi_node(kube::Api& api, std::string node, std::string node_uid) {
  const std::string path = std::string(kPath) + "/" + kube::url_encode(node);
  auto question = kube::api_request("GET", path);
  auto found = co_await api.send(std::move(question));
  if (!found && found.error().code != Errc::not_found) co_return found.error();
  if (found) {
    CO_TRY(const auto object, kube::parse_answer(*found));
    if (is_owned_by(*object, node_uid)) co_return Result<void>();
    kube::DeleteOptions options;
    CO_CHECK_OK(co_await kube::remove(api, path, std::move(options)));
  }
  auto creation = kube::api_request("POST", kPath, csi_node(node, node_uid).dump());
  const auto made = co_await api.send(std::move(creation));
  if (!made) co_return made.error();
  log_info("CSINode created", {{"node", node}});
  co_return Result<void>();
}

Awaitable<void> publish_csi_node(kube::Api& api, std::string node, std::string node_uid) {
  for (Nanoseconds delay = kFirstRetry;; delay = std::min(delay * 2, kLastRetry)) {
    const auto done = co_await ensure_csi_node(api, node, node_uid);
    if (done) co_return;
    const bool forbidden = done.error().code == Errc::permission_denied;
    log_warn(forbidden ? "CSINode not made: it is forbidden" : "CSINode not made, trying again",
             {{"node", node}, {"error", done.error()}});
    if (forbidden) co_return;
    co_await sleep_for(delay);
  }
}

}  // namespace keelson::agent
