// What to read for a sample; the caller knows it from the pods and the runtime.
#pragma once

#include <filesystem>

#include "agent/stats/sample.hpp"

namespace keelson::stats {

enum class Detail {
  resource,  // CPU and memory
  full,
};

struct CgroupMount {
  std::filesystem::path path = "/sys/fs/cgroup";  // v1: one folder below it per controller
  int version = 2;
};

struct ContainerTarget {
  std::string name, id, image;
  SystemTime started_at{};
  std::filesystem::path log_dir;                           // empty: not looked at
  std::optional<std::uint64_t> layer_bytes, layer_inodes;  // of its writable layer, as the runtime tells
};

struct PodTarget {
  std::string name, ns, uid;
  SystemTime started_at{};
  std::string cgroup;      // "/kubepods/burstable/podUID"
  std::string sandbox_id;  // running, or empty
  bool host_network = false;
  std::vector<ContainerTarget> containers;  // running ones
  std::vector<VolumeSample> volumes;        // measured beforehand
};

struct NodeTarget {
  std::string name;
  CgroupMount mount;
  std::filesystem::path proc = "/proc";
  std::string pods_cgroup = "/kubepods";
  std::map<std::string, std::string> system_cgroups;  // "kubelet", "runtime" -> cgroup
  std::filesystem::path fs;        // a folder on the node's main filesystem; empty: not looked at
  std::filesystem::path image_fs;  // the same of the images'
  std::optional<std::uint64_t> images_bytes, images_inodes;  // used by images, as the runtime tells
};

}  // namespace keelson::stats
