// connector: how many new TCP connections a second the way to a server takes.
//   connector serve PORT               accepts and closes, until killed; prints "ready"
//   connector dial SECONDS IP:PORT...  connects to each in turn and resets at once, one connection at a time per
//   thread;
//                                      prints {"connections": N, "failures": N, "seconds": S}
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Steady = std::chrono::steady_clock;

int serve(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 4096) != 0) {
    std::perror("connector: serve");
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    const int peer = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer >= 0) ::close(peer);
  }
}

bool connect_once(const sockaddr_in& to) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const linger reset{1, 0};  // no TIME_WAIT: ports would run out
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const int patience_ms = 2000;
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  ::close(fd);
  return connected;
}

bool parse(const std::string& text, sockaddr_in& out) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
  return ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &out.sin_addr) == 1;
}

int dial(double seconds, int threads, const std::vector<std::string>& targets) {
  std::vector<sockaddr_in> to(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (!parse(targets[i], to[i])) {
      std::fprintf(stderr, "connector: not IP:PORT: %s\n", targets[i].c_str());
      return 2;
    }
  }
  std::atomic<long> connections = 0, failures = 0;
  const auto start = Steady::now();
  const auto end = start + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(seconds));
  const auto work = [&](std::size_t first) {
    for (std::size_t i = first; Steady::now() < end; ++i) ++(connect_once(to[i % to.size()]) ? connections : failures);
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(work, static_cast<std::size_t>(i) * 7);
  for (auto& worker : workers) worker.join();
  const std::chrono::duration<double> took = Steady::now() - start;
  std::printf("{\"connections\": %ld, \"failures\": %ld, \"seconds\": %.3f}\n", connections.load(), failures.load(),
              took.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("New TCP connections per second.");
  app.require_subcommand(1);
  int port = 0, threads = 2;
  double seconds = 0;
  std::vector<std::string> targets;
  auto* server = app.add_subcommand("serve", "accepts and closes");
  server->add_option("port", port)->required();
  auto* client = app.add_subcommand("dial", "connects and resets");
  client->add_option("--threads", threads);
  client->add_option("seconds", seconds)->required();
  client->add_option("targets", targets)->required();
  CLI11_PARSE(app, argc, argv);
  return *server ? serve(port) : dial(seconds, threads, targets);
}
