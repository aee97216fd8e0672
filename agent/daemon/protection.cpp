#include "agent/daemon/protection.hpp"

#include "agent/spec/names.hpp"

namespace keelson::agent {

Protection::Protection(ProtectionNeeds needs)
    : needs_(needs),
      logs_(needs.executor, needs.pool, needs.cri, needs.clock, needs.options.protection.logs,
            [this] { return log_targets(); }),
      tasks_(needs.executor) {}

void Protection::start() {
  needs_.pods.on_change([this] { logs_.changed(); });
  tasks_.spawn("log rotation", logs_.run());
}

Awaitable<void> Protection::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await logs_.stop();
}

std::vector<LogTarget> Protection::log_targets() const {
  std::vector<LogTarget> out;
  for (const auto& view : needs_.pods.pods()) {
    for (const auto& c : view.observed->containers) {
      if (c.state != RunState::running) continue;
      const auto path = c.log_path.empty() ? spec::pod_log_dir(needs_.facts, *view.pod) /
                                                 spec::container_log_path(c.name, c.attempt)
                                           : std::filesystem::path(c.log_path);
      out.push_back({c.id, path});
    }
  }
  return out;
}

}  // namespace keelson::agent
