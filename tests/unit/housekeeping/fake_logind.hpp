// A system bus of its own, with a logind and a systemd that do what the delay lock needs of them.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "base/files.hpp"
#include "base/unique_fd.hpp"

namespace keelson::testing {

class FakeLogind {
 public:
  // dbus-daemon is not everywhere.
  [[nodiscard]] static bool possible() { return std::filesystem::exists("/usr/bin/dbus-daemon"); }

  FakeLogind() {
    std::string text = "/tmp/keelson-bus-XXXXXX";
    folder_ = ::mkdtemp(text.data());
    const auto address = "unix:path=" + (folder_ / "bus").string();
    daemon_ = ::fork();
    if (daemon_ == 0) {
      const auto argument = "--address=" + address;
      ::execl("/usr/bin/dbus-daemon", "dbus-daemon", "--session", "--nofork", "--nopidfile", "--syslog-only",
              argument.c_str(), nullptr);
      ::_exit(127);
    }
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
    for (int i = 0; i < 500 && ::sd_bus_open_system(&bus_) < 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    REQUIRE(bus_ != nullptr);
    REQUIRE(::sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                                       manager_table(), this) >= 0);
    REQUIRE(::sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                       systemd_table(), this) >= 0);
    REQUIRE(::sd_bus_request_name(bus_, "org.freedesktop.login1", 0) >= 0);
    REQUIRE(::sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0) >= 0);
    thread_ = std::thread([this] { serve(); });
  }

  ~FakeLogind() {
    stop_ = true;
    thread_.join();
    ::sd_bus_flush_close_unref(bus_);
    ::kill(daemon_, SIGTERM);
    ::waitpid(daemon_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }

  void shut_down(bool begins) { signal_ = begins ? 1 : 0; }
  [[nodiscard]] int locks() const { return locks_; }
  // Whether the newest lock is still held.
  [[nodiscard]] bool held() const { return held_; }
  [[nodiscard]] std::filesystem::path drop_in() const { return folder_ / "logind.conf.d" / "99-keelson.conf"; }
  std::atomic<std::uint64_t> delay_usec{5'000'000};

 private:
  static int inhibit(sd_bus_message* call, void* data, sd_bus_error*) {
    auto* self = static_cast<FakeLogind*>(data);
    const char *what = nullptr, *who = nullptr, *why = nullptr, *mode = nullptr;
    if (::sd_bus_message_read(call, "ssss", &what, &who, &why, &mode) < 0) return -EINVAL;
    if (std::string(what) != "shutdown" || std::string(mode) != "delay") return -EINVAL;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    self->watched_ = UniqueFd(ends[0]);
    const UniqueFd given(ends[1]);
    ++self->locks_;
    self->held_ = true;
    return ::sd_bus_reply_method_return(call, "h", given.get());
  }

  static int delay(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data, sd_bus_error*) {
    return ::sd_bus_message_append(reply, "t", static_cast<FakeLogind*>(data)->delay_usec.load());
  }

  static int kill_unit(sd_bus_message* call, void* data, sd_bus_error*) {
    auto* self = static_cast<FakeLogind*>(data);
    const auto text = read_file(self->drop_in());
    const std::string key = "InhibitDelayMaxSec=";
    const auto at = text ? text->find(key) : std::string::npos;
    if (at != std::string::npos) self->delay_usec = std::stoull(text->substr(at + key.size())) * 1'000'000;
    return ::sd_bus_reply_method_return(call, "");
  }

  static const sd_bus_vtable* manager_table() {
    static const sd_bus_vtable table[] = {SD_BUS_VTABLE_START(0),
                                          SD_BUS_METHOD("Inhibit", "ssss", "h", &inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
                                          SD_BUS_PROPERTY("InhibitDelayMaxUSec", "t", &delay, 0, 0),
                                          SD_BUS_SIGNAL("PrepareForShutdown", "b", 0), SD_BUS_VTABLE_END};
    return table;
  }
  static const sd_bus_vtable* systemd_table() {
    static const sd_bus_vtable table[] = {SD_BUS_VTABLE_START(0),
                                          SD_BUS_METHOD("KillUnit", "ssi", "", &kill_unit, SD_BUS_VTABLE_UNPRIVILEGED),
                                          SD_BUS_VTABLE_END};
    return table;
  }

  void serve() {
    while (!stop_) {
      while (::sd_bus_process(bus_, nullptr) > 0) {
      }
      if (const int begins = signal_.exchange(-1); begins >= 0) {
        ::sd_bus_emit_signal(bus_, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForShutdown",
                             "b", begins);
      }
      char byte = 0;
      if (watched_ && ::read(watched_.get(), &byte, 1) == 0) held_ = false;
      ::sd_bus_wait(bus_, 5000);
    }
  }

  std::filesystem::path folder_;
  pid_t daemon_ = -1;
  sd_bus* bus_ = nullptr;
  UniqueFd watched_;
  std::atomic<int> locks_{0}, signal_{-1};
  std::atomic<bool> held_{false}, stop_{false};
  std::thread thread_;
};

}  // namespace keelson::testing
