// A proxy that writes to the real kernel, in the calling thread's network namespace.
#pragma once

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/task_group.hpp"
#include "proxy/nft_kernel.hpp"
#include "proxy/proxier.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy::test {

inline constexpr const char* kNodeIp = "192.168.77.1";
inline const std::string kNftables = "nftables";

inline bool skip_unprivileged() {
  if (::geteuid() == 0) return false;
  WARN("skipped: needs root");
  return true;
}

// A proxy on a loop that runs only while something is waited for.
class Node {
 public:
  // `variant`: "-nft" or "-legacy" for iptables, or kNftables.
  explicit Node(const std::string& variant, const char* node_ip = kNodeIp, ProxyConfig config = {})
      : iptables_(variant == kNftables ? "-nft" : variant), nft_(pool_), conntrack_(pool_) {
    if (variant == kNftables) config.mode = ProxyMode::nftables;
    if (config.cluster_cidrs.empty()) config.cluster_cidrs = {"10.244.0.0/16", "fd00:244::/64"};
    config.tune_sysctls = false;  // some are the machine's, not the namespace's
    config.min_sync_period = config.nftables.min_sync_period = Milliseconds(0);
    proxier_ = std::make_unique<Proxier>(loop_.get_executor(), config, kNode, std::vector{*IpAddress::parse(node_ip)},
                                         system_clock(), iptables_, conntrack_, &nft_);
    proxier_->on_sync([this] { synced_ = true; });
    tasks_.spawn("proxier", proxier_->run());
  }
  ~Node() {
    tasks_.cancel();
    loop_.restart();
    loop_.run_for(std::chrono::seconds(5));
  }
  Proxier* operator->() { return proxier_.get(); }
  void start() {
    proxier_->services_synced();
    proxier_->slices_synced();
    settle();
  }
  // Until everything given so far is in the kernel, and conntrack has been looked at.
  void settle() {
    if (proxier_->status().pending) synced_ = false;
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while ((!synced_ || proxier_->status().pending || flows_pending()) && std::chrono::steady_clock::now() < limit) {
      loop_.restart();
      loop_.run_one_for(std::chrono::seconds(1));
    }
    REQUIRE_FALSE(proxier_->status().pending);
    REQUIRE(proxier_->status().families.at(0).last_error.empty());
  }
  // Runs the loop until the condition holds.
  template <class Condition>
  void wait_until(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < limit) {
      loop_.restart();
      loop_.run_one_for(Milliseconds(200));
    }
    REQUIRE(condition());
  }
  Result<void> cleanup() {
    Result<void> result;
    bool done = false;
    asio::co_spawn(loop_, clean(iptables_, nft_, result, done), asio::detached);
    while (!done) {
      loop_.restart();
      loop_.run_one_for(std::chrono::seconds(1));
    }
    return result;
  }
  [[nodiscard]] bool flows_pending() const {
    return proxier_->conntrack_status(Family::ipv4).pending || proxier_->conntrack_status(Family::ipv6).pending;
  }
  SystemIptables& iptables() { return iptables_; }
  NetlinkNft& nft() { return nft_; }
  FamilyStatus status() { return proxier_->status().families.at(0); }

 private:
  static Awaitable<void> clean(IptablesRunner& iptables, NftKernel& nft, Result<void>& result, bool& done) {
    result = co_await cleanup_rules(iptables, nft, false);
    done = true;
  }
  asio::io_context loop_;
  BlockingPool pool_{1};
  SystemIptables iptables_;
  NetlinkNft nft_;
  NetlinkConntrack conntrack_;
  std::unique_ptr<Proxier> proxier_;
  TaskGroup tasks_{loop_.get_executor()};
  bool synced_ = false;
};

}  // namespace keelson::proxy::test
