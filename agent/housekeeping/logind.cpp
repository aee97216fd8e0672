#include "agent/housekeeping/logind.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

#include "agent/housekeeping/shutdown_plan.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kService = "org.freedesktop.login1";
constexpr const char* kPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
constexpr const char* kDelay = "InhibitDelayMaxUSec";
constexpr int kReloadTries = 20;
constexpr auto kReloadPause = std::chrono::milliseconds(100);

// The functions of libsystemd that are used here.
struct Library {
  decltype(&::sd_bus_open_system) open_system = nullptr;
  decltype(&::sd_bus_flush_close_unref) close = nullptr;
  decltype(&::sd_bus_call_method) call_method = nullptr;
  decltype(&::sd_bus_get_property_trivial) get_property = nullptr;
  decltype(&::sd_bus_match_signal) match_signal = nullptr;
  decltype(&::sd_bus_message_read) read = nullptr;
  decltype(&::sd_bus_message_unref) unref = nullptr;
  decltype(&::sd_bus_error_free) free_error = nullptr;
  decltype(&::sd_bus_process) process = nullptr;
  decltype(&::sd_bus_get_fd) get_fd = nullptr;
  decltype(&::sd_bus_get_events) get_events = nullptr;
};

// Loaded once and kept: the library has threads' data of its own.
Result<const Library*> library() {
  static const Result<Library> loaded = []() -> Result<Library> {
    void* handle = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return make_error(Errc::unavailable, std::string("libsystemd: ") + ::dlerror());
    Library out;
    bool complete = true;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
      complete = complete && function != nullptr;
    };
    find(out.open_system, "sd_bus_open_system");
    find(out.close, "sd_bus_flush_close_unref");
    find(out.call_method, "sd_bus_call_method");
    find(out.get_property, "sd_bus_get_property_trivial");
    find(out.match_signal, "sd_bus_match_signal");
    find(out.read, "sd_bus_message_read");
    find(out.unref, "sd_bus_message_unref");
    find(out.free_error, "sd_bus_error_free");
    find(out.process, "sd_bus_process");
    find(out.get_fd, "sd_bus_get_fd");
    find(out.get_events, "sd_bus_get_events");
    if (!complete) return make_error(Errc::unavailable, "libsystemd lacks functions of sd-bus");
    return out;
  }();
  if (!loaded) return loaded.error();
  return &*loaded;
}

}  // namespace

struct Logind::State : std::enable_shared_from_this<Logind::State> {
  State(Executor e, LogindOptions o, std::function<void(bool)> f)
      : executor(std::move(e)), options(std::move(o)), on_shutdown(std::move(f)) {}

  // A call's failure, with what the bus said.
  Error failure(int code, sd_bus_error& error, const std::string& what) const {
    const auto message = what + ": " + (error.message != nullptr ? error.message : std::strerror(-code));
    lib->free_error(&error);
    return make_error(Errc::unavailable, message);
  }

  Result<Seconds> read_delay() const {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    std::uint64_t usec = 0;
    const int code = lib->get_property(bus, kService, kPath, kManager, kDelay, &error, 't', &usec);
    if (code < 0) return failure(code, error, "logind's InhibitDelayMaxUSec");
    return std::chrono::duration_cast<Seconds>(std::chrono::microseconds(usec));
  }

  // By a drop-in and SIGHUP, as upstream does.
  Result<void> raise_delay() {
    CHECK_OK(make_dirs(options.drop_in.parent_path()));
    CHECK_OK(write_file_atomic(options.drop_in, logind_drop_in(options.delay)));
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const int code = lib->call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                      "org.freedesktop.systemd1.Manager", "KillUnit", &error, nullptr, "ssi",
                                      "systemd-logind.service", "all", SIGHUP);
    if (code < 0) return failure(code, error, "reload logind");
    for (int i = 0; i < kReloadTries && !stopping; ++i) {
      TRY(delay, read_delay());
      if (delay >= options.delay) break;
      std::this_thread::sleep_for(kReloadPause);
    }
    return {};
  }

  Result<void> take_lock() {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* reply = nullptr;
    const int code = lib->call_method(bus, kService, kPath, kManager, "Inhibit", &error, &reply, "ssss", "shutdown",
                                      "keelson", "Keelson needs time to end pods", "delay");
    if (code < 0) return failure(code, error, "logind's Inhibit");
    int fd = -1;
    const int got = lib->read(reply, "h", &fd);
    // The message owns its descriptor.
    UniqueFd copy(got < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    lib->unref(reply);
    if (!copy) return make_error(Errc::unavailable, "logind's Inhibit: no lock in its answer");
    const std::lock_guard guard(mutex);
    lock = std::move(copy);
    return {};
  }

  static int prepare_for_shutdown(sd_bus_message* message, void* data, sd_bus_error*) {
    auto* self = static_cast<State*>(data);
    int begins = 0;
    if (self->lib->read(message, "b", &begins) < 0) return 0;
    self->told.push_back(begins != 0);
    return 0;
  }

  // The thread: until stopped, or the bus is gone.
  void listen() {
    while (!stopping) {
      int done = 0;
      while ((done = lib->process(bus, nullptr)) > 0) {
      }
      if (done < 0) {
        log_warn("logind is not listened to any more", {{"error", std::strerror(-done)}});
        return;
      }
      const auto news = std::exchange(told, {});
      for (const bool begins : news) tell(begins);
      if (!news.empty()) continue;  // a call may have taken in more than its answer
      pollfd fds[] = {{lib->get_fd(bus), static_cast<short>(lib->get_events(bus)), 0}, {wake.get(), POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    }
  }

  void tell(bool begins) {
    if (!begins) {
      // Called off: the next one is to be held up, too.
      if (const auto taken = take_lock(); !taken) log_warn("shutdown is not held up", {{"error", taken.error()}});
    }
    asio::post(executor, [self = weak_from_this(), begins] {
      if (const auto state = self.lock(); state && !state->stopping) state->on_shutdown(begins);
    });
  }

  Executor executor;
  LogindOptions options;
  std::function<void(bool)> on_shutdown;
  const Library* lib = nullptr;
  sd_bus* bus = nullptr;
  UniqueFd wake;
  Seconds delay{0};
  std::vector<bool> told;  // of the thread
  std::mutex mutex;
  UniqueFd lock;
  std::atomic<bool> stopping{false};
  std::thread thread;
};

Logind::Logind(Executor executor, LogindOptions options, std::function<void(bool)> on_shutdown)
    : state_(std::make_shared<State>(std::move(executor), std::move(options), std::move(on_shutdown))) {}

Logind::~Logind() {
  auto& s = *state_;
  s.stopping = true;
  if (s.thread.joinable()) {
    const std::uint64_t one = 1;
    static_cast<void>(::write(s.wake.get(), &one, sizeof one));
    s.thread.join();
  }
  release();
  if (s.bus != nullptr) s.lib->close(s.bus);
}

Result<void> Logind::start() {
  auto& s = *state_;
  TRY(s.lib, library());
  s.wake = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!s.wake) return errno_error(errno, "eventfd");
  if (const int code = s.lib->open_system(&s.bus); code < 0) {
    return make_error(Errc::unavailable, std::string("system bus: ") + std::strerror(-code));
  }
  TRY(s.delay, s.read_delay());
  if (s.delay < s.options.delay) {
    if (const auto raised = s.raise_delay(); !raised) {
      log_warn("logind's limit not raised", {{"delay_s", s.delay.count()}, {"error", raised.error()}});
    }
  }
  if (s.delay < s.options.delay) {
    log_warn("logind holds a shutdown up for less than shutdownGracePeriod",
             {{"delay_s", s.delay.count()}, {"wanted_s", s.options.delay.count()}});
  }
  const int matched = s.lib->match_signal(s.bus, nullptr, kService, kPath, kManager, "PrepareForShutdown",
                                          &State::prepare_for_shutdown, &s);
  if (matched < 0) return make_error(Errc::unavailable, std::string("PrepareForShutdown: ") + std::strerror(-matched));
  CHECK_OK(s.take_lock());
  s.thread = std::thread([&s] { s.listen(); });
  return {};
}

void Logind::release() {
  const std::lock_guard guard(state_->mutex);
  state_->lock.reset();
}

Seconds Logind::delay() const { return state_->delay; }

}  // namespace keelson::agent
