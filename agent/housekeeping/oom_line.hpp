// What the kernel's log says of processes that it killed for want of memory. Pure. After google/cadvisor
// utils/oomparser and upstream's pkg/kubelet/oom.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::agent {

struct OomKill {
  std::string process;
  int pid = 0;
  std::string cgroup;   // of the process
  bool system = false;  // the machine was out of memory, not one cgroup
  bool operator==(const OomKill&) const = default;
};

// A record of /dev/kmsg ("6,1234,5678,-;oom-kill:constraint=..."), or nothing where it tells of no such kill. Records
// that processes wrote themselves do not count.
[[nodiscard]] std::optional<OomKill> parse_oom_record(std::string_view record);

// The pod and the container that a cgroup is of: the last "podUID" in the path, and the last part, an ID or
// "cri-containerd-ID.scope". Empty where there is none.
struct CgroupOwner {
  std::string pod_uid, container_id;
  bool operator==(const CgroupOwner&) const = default;
};
[[nodiscard]] CgroupOwner owner_of_cgroup(std::string_view cgroup);

}  // namespace keelson::agent
