// A node of a test: its configuration, and what is so now.
#pragma once

#include "agent/node/node_object.hpp"

namespace keelson::agent::test {

inline const SystemTime kStart = SystemTime(std::chrono::seconds(1767225600));  // 2026-01-01T00:00:00Z

inline NodeConfig config() {
  NodeConfig config;
  config.name = "n1";
  config.resources.memory_available = *parse_eviction_threshold("100Mi");
  config.resources.nodefs_available = *parse_eviction_threshold("10%");
  return config;
}

inline NodeInput input(SystemTime now = kStart) {
  NodeInput in;
  in.now = now;
  in.ips = {"10.0.0.1", "fd00::1"};
  in.machine = {"machine", "system", "boot-1", "6.1.0", "Debian GNU/Linux 12 (bookworm)", "amd64"};
  in.size.cpu_millis = 2000;
  in.size.memory_bytes = std::int64_t{4} << 30;
  in.size.ephemeral_storage_bytes = 100'000'000'000;
  in.runtime_name = "containerd";
  in.runtime_version = "1.7.2";
  return in;
}

}  // namespace keelson::agent::test
