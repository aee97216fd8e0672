// What the kernel tells of others' changes to the tables kube-proxy. It keeps what we do ourselves back from us.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/async.hpp"
#include "base/unique_fd.hpp"
#include "proxy/ip.hpp"

namespace keelson::proxy {

struct NftForeignChanges {
  std::array<bool, 2> tables{};  // by family: the table was changed
  bool lost = false;             // messages were lost: any may have been

  [[nodiscard]] bool any() const { return tables[0] || tables[1] || lost; }
};

// The tables that the messages of one datagram are about. What clients' affinity holds is packets' business and left
// out. Pure.
[[nodiscard]] NftForeignChanges read_notifications(std::string_view datagram);

class NftWatch {
 public:
  // Subscribes in the caller's network namespace.
  static Result<NftWatch> open();
  // Leaves out what the netlink socket with this port does, in place of the one before. From any thread.
  void ignore(std::uint32_t port) const;
  // Hears nothing while it lives: the kernel makes a message of each element even if a filter drops it, which is most
  // of what writing many takes. From any thread.
  class Pause {
   public:
    explicit Pause(const NftWatch* watch);  // null: does nothing
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    const NftWatch* watch_;
  };
  // Waits on the loop for the next change that others make. Errors: the subscription has ended.
  Awaitable<Result<NftForeignChanges>> next() const;

 private:
  UniqueFd fd_;
};

}  // namespace keelson::proxy
