// probe_floor: the CPU that HTTP probes cost with no agent at all. Asks each address as a probe does (a connection of
// its own, one GET, read to the end, close) with blocking calls in one thread, evenly over each period, and prints
//   {"attempts": N, "answered": N, "cpu_seconds": S}
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Flags {
  std::vector<std::string> addresses;
  std::vector<std::string> paths;
  std::uint16_t port = 8080;
  double period = 10, seconds = 30;
};

double cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

bool ask(const std::string& address, std::uint16_t port, const std::string& path) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const timeval patience{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  bool answered = false;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
    char answer[4096];
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      while (::recv(fd, answer, sizeof answer, 0) > 0) answered = true;
    }
  }
  ::close(fd);
  return answered;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app{"probe_floor: the CPU that HTTP probes cost with no agent at all"};
  app.add_option("--address", flags.addresses)->required();
  app.add_option("--path", flags.paths)->required();
  app.add_option("--port", flags.port);
  app.add_option("--period", flags.period);
  app.add_option("--seconds", flags.seconds);
  CLI11_PARSE(app, argc, argv);

  using Clock = std::chrono::steady_clock;
  const auto total = flags.addresses.size() * flags.paths.size();
  const std::chrono::duration<double> step(flags.period / static_cast<double>(total));
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(flags.seconds));
  const double before = cpu_seconds();
  std::size_t attempts = 0, answered = 0;
  for (auto at = begin; at < end;
       ++attempts, at = begin + std::chrono::duration_cast<Clock::duration>(step * attempts)) {
    std::this_thread::sleep_until(at);
    const auto number = attempts % total;
    if (ask(flags.addresses[number / flags.paths.size()], flags.port, flags.paths[number % flags.paths.size()]))
      ++answered;
  }
  std::printf("{\"attempts\": %zu, \"answered\": %zu, \"cpu_seconds\": %.6f}\n", attempts, answered,
              cpu_seconds() - before);
  return 0;
}
