#include "agent/cluster/object_cache.hpp"

#include <nlohmann/json.hpp>

#include "agent/spec/references.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kPatience = Seconds(10);

}  // namespace

ObjectCache::ObjectCache(Executor executor, kube::Api& api,
                         std::function<void(const std::vector<std::string>& uids)> on_change)
    : executor_(executor), api_(api), on_change_(std::move(on_change)), services_known_(executor), tasks_(executor) {}

template <class T>
std::shared_ptr<WatchedObject<T>> ObjectCache::use(Objects<T>& objects, const std::string& ns, const std::string& name,
                                                   const std::string& uid) {
  auto& slot = objects[kube::object_key(ns, name)];
  if (!slot) {
    auto told = [this](const std::set<std::string>& users) { on_change_({users.begin(), users.end()}); };
    slot = std::make_shared<WatchedObject<T>>(executor_, api_, ns, name, std::move(told));
    tasks_.spawn(std::string("watch of ") + T::kKind + " " + kube::object_key(ns, name), WatchedObject<T>::run(slot));
  }
  slot->users.insert(uid);
  return slot;
}

template <class T>
Awaitable<Result<void>> ObjectCache::collect(Objects<T>& from, kube::ObjectMap<T>& to, std::string ns,
                                             std::set<std::string> names, std::string uid) {
  for (const auto& name : names) use(from, ns, name, uid);  // all watches begin before the first is waited for
  for (const auto& name : names) {
    const auto watched = use(from, ns, name, uid);
    const bool known = co_await watched->known(kPatience);
    if (!known) {
      co_return make_error(Errc::unavailable, std::string(T::kKind) + " " + kube::object_key(ns, name) +
                                                  ": the API server does not answer: " + watched->trouble());
    }
    if (watched->object()) to[kube::object_key(ns, name)] = watched->object();
  }
  co_return Result<void>();
}

// A Secret that a PersistentVolume names (CHAP of iscsi), as it is now.
Awaitable<Result<void>> ObjectCache::collect_secret(kube::ObjectSet& out, std::string ns, std::string name) {
  auto secret = co_await kube::get<kube::Secret>(api_, ns, name);
  if (!secret && secret.error().code == Errc::not_found) co_return Result<void>();
  if (!secret) co_return secret.error();
  out.secrets[kube::object_key(ns, name)] = std::make_shared<const kube::Secret>(std::move(*secret));
  co_return Result<void>();
}

Awaitable<Result<void>> ObjectCache::collect_claims(kube::ObjectSet& out, std::string ns, std::set<std::string> names) {
  for (const auto& name : names) {
    auto claim = co_await kube::get<kube::PersistentVolumeClaim>(api_, ns, name);
    if (!claim && claim.error().code == Errc::not_found) continue;
    if (!claim) co_return claim.error();
    const std::string volume_name = claim->spec.volume_name;
    out.claims[kube::object_key(ns, name)] = std::make_shared<const kube::PersistentVolumeClaim>(std::move(*claim));
    if (volume_name.empty()) continue;
    auto volume = co_await kube::get<kube::PersistentVolume>(api_, "", volume_name);
    if (!volume && volume.error().code == Errc::not_found) continue;
    if (!volume) co_return volume.error();
    if (volume->spec.iscsi && volume->spec.iscsi->secret_ref) {
      const kube::SecretReference ref = *volume->spec.iscsi->secret_ref;
      CO_CHECK_OK(co_await collect_secret(out, ref.ns.empty() ? ns : ref.ns, ref.name));
    }
    out.volumes[volume_name] = std::make_shared<const kube::PersistentVolume>(std::move(*volume));
  }
  co_return Result<void>();
}

Awaitable<Result<kube::ObjectSet>> ObjectCache::gather(std::shared_ptr<const kube::Pod> pod) {
  kube::ObjectSet out;
  const auto refs = spec::references(*pod);
  const auto& ns = pod->metadata.ns;
  const auto& uid = pod->metadata.uid;
  CO_CHECK_OK(co_await collect(config_maps_, out.config_maps, ns, refs.config_maps, uid));
  std::set<std::string> secrets = refs.secrets;
  secrets.insert(refs.image_pull_secrets.begin(), refs.image_pull_secrets.end());
  CO_CHECK_OK(co_await collect(secrets_, out.secrets, ns, std::move(secrets), uid));
  CO_CHECK_OK(co_await collect_claims(out, ns, refs.claims));
  const bool known = co_await services_known_.wait_for(kPatience);
  if (!known) {
    co_return make_error(Errc::unavailable, "services have not yet been read at least once, cannot construct envvars");
  }
  out.services = services_.visible_from(ns);
  co_return out;
}

template <class T>
void ObjectCache::release(Objects<T>& objects, const std::string& uid) {
  for (auto it = objects.begin(); it != objects.end();) {
    auto& watched = *it->second;
    watched.users.erase(uid);
    if (!watched.users.empty()) {
      ++it;
      continue;
    }
    watched.release();
    it = objects.erase(it);
  }
}

Awaitable<Result<std::optional<std::string>>> ObjectCache::runtime_handler(std::string runtime_class) {
  const std::string path = "/apis/node.k8s.io/v1/runtimeclasses/" + kube::url_encode(runtime_class);
  auto question = kube::api_request("GET", path);
  const auto answer = co_await api_.send(std::move(question));
  if (answer) {
    CO_TRY(const auto object, kube::parse_answer(*answer));
    runtime_handlers_[runtime_class] = object->value("handler", "");
  } else if (answer.error().code == Errc::not_found) {
    runtime_handlers_.erase(runtime_class);
    co_return make_error(Errc::not_found, "runtimeclass.node.k8s.io \"" + runtime_class + "\" not found");
  }
  const auto known = runtime_handlers_.find(runtime_class);
  if (known == runtime_handlers_.end()) {
    co_return answer.error().context("failed to get RuntimeClass " + runtime_class);
  }
  co_return std::optional(known->second);
}

void ObjectCache::pod_gone(const std::string& uid) {
  release(config_maps_, uid);
  release(secrets_, uid);
}

Awaitable<void> ObjectCache::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace keelson::agent
