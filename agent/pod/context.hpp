// What every pod worker works with: one of each, owned by the wiring.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/images/image_manager.hpp"
#include "agent/journal/journal.hpp"
#include "agent/pod/start_pace.hpp"
#include "agent/spec/cgroups.hpp"
#include "agent/spec/node_facts.hpp"
#include "agent/spec/user_namespaces.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/semaphore.hpp"
#include "cri/runtime_service.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"
#include "probes/manager.hpp"
#include "volumes/manager.hpp"

namespace keelson::agent {

// Where the objects that pods refer to come from: the manifest folder, or the API server.
class ObjectSource {
 public:
  virtual ~ObjectSource() = default;
  // The ConfigMaps, Secrets, claims, volumes and Services that the pod refers to; one that does not exist is left out,
  // and what needs it says so. Errors: the source cannot be asked.
  virtual Awaitable<Result<kube::ObjectSet>> gather(std::shared_ptr<const kube::Pod> pod) = 0;
  // The runtime's handler for a RuntimeClass; nothing where classes are no objects: then the configuration says, or the
  // class is named as its handler. Errors: there is no such class; the source cannot be asked.
  virtual Awaitable<Result<std::optional<std::string>>> runtime_handler(std::string runtime_class) {
    static_cast<void>(runtime_class);
    co_return std::optional<std::string>();
  }
};

struct PodContext {
  Executor executor;
  const Clock& clock;
  BlockingPool& pool;
  cri::RuntimeService& runtime;
  ImageManager& images;
  volumes::VolumeManager& volumes;
  probes::ProbeManager& probes;
  ObjectSource& objects;
  spec::NodeFacts& facts;
  spec::Cgroups& cgroups;
  spec::UserNamespaces& user_namespaces;
  Semaphore& starts;  // how many pods start at the same time
  StartPace pace{};   // and how long one takes
  Journal& journal;
  std::string runtime_name = "containerd";
  bool service_hosts = false;                           // put Service names into /etc/hosts: no cluster DNS here
  bool recursive_read_only = false;                     // the runtime has it
  bool image_volumes = false;                           // the runtime mounts images as volumes
  std::map<std::string, std::string> runtime_handlers;  // RuntimeClass name -> handler; absent: the name itself

  // worker -> manager: the pod's status changed.
  std::function<void(const std::string& uid, std::shared_ptr<const kube::PodStatus>)> publish;
  // worker -> manager: this container or sandbox belongs to that pod, so that events find their worker.
  std::function<void(const std::string& id, const std::string& uid)> learn_id;
};

}  // namespace keelson::agent
