// The program inside the node tests' pods: does what its flags say, in their order, then serves until told to end.
//
//   testapp [--print TEXT] [--print-err TEXT] [--print-env] [--termination-message TEXT] [--touch PATH] [--alloc MIB]
//           [--sleep SECONDS] [--http PORT] [--tcp PORT] [--udp PORT] [--grpc PORT] [--fail health|ready|start]
//           [--ignore-term] [--term-delay SECONDS] [--exit CODE]
//   testapp dial tcp|udp IP PORT [TEXT]     one connection from inside a pod; prints the answer
//
// HTTP: /  /hostname /client /env /headers /status/CODE /slow/SECONDS /redirect/PATH /exit/CODE
//       /health /ready /start (200 or 503), switched by /switch/NAME/on|off
// TCP and UDP answer every message with: hostname, own address, client's address, the message.
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "grpc_health.hpp"
#include "server.hpp"

extern char** environ;

namespace {

using image::Request;
using image::Response;

std::map<std::string, std::atomic<bool>> switches;

std::string environment() {
  std::string all;
  for (char** entry = environ; *entry; ++entry) all += std::string(*entry) + "\n";
  return all;
}

void pause_for(double seconds) { usleep(static_cast<useconds_t>(seconds * 1e6)); }

// /switch/NAME/on|off
Response flip(const std::string& path) {
  size_t slash = path.find('/', 8);
  std::string name = path.substr(8, slash - 8);
  auto found = switches.find(name);
  if (slash == std::string::npos || found == switches.end()) return {404, "no such switch\n"};
  found->second = path.substr(slash + 1) == "on";
  return {200, name + (found->second ? " on\n" : " off\n")};
}

Response answer(const Request& request) {
  const std::string& path = request.path;
  auto rest = [&](const char* prefix) { return path.substr(std::strlen(prefix)); };
  if (path == "/hostname") return {200, image::hostname() + "\n"};
  if (path == "/client") return {200, request.client + "\n"};
  if (path == "/env") return {200, environment()};
  if (path == "/headers") return {200, request.head};
  if (path.starts_with("/switch/")) return flip(path);
  if (path.starts_with("/status/")) return {std::atoi(rest("/status/").c_str()), "as asked\n"};
  if (path.starts_with("/redirect/")) return {302, "", {{"Location", rest("/redirect")}}};
  if (path.starts_with("/slow/")) pause_for(std::atof(rest("/slow/").c_str()));
  if (path.starts_with("/exit/")) std::_Exit(std::atoi(rest("/exit/").c_str()));
  if (auto found = switches.find(path.substr(1)); found != switches.end()) {
    return found->second ? Response{200, "ok\n"} : Response{503, "switched off\n"};
  }
  return {200, image::hostname() + " " + request.local + " " + request.client + "\n"};
}

void serve_echo(int port) {
  image::serve_tcp(port, [](int fd) {
    std::string rest, line;
    while (image::read_line(fd, rest, line)) {
      image::send_all(fd, image::hostname() + " " + image::local_of(fd) + " " + image::peer_of(fd) + " " + line + "\n");
    }
  });
}

void serve_udp(int port) {
  int fd = image::bind_any(SOCK_DGRAM, port);
  char buffer[2048];
  for (;;) {
    sockaddr_storage client{};
    socklen_t size = sizeof client;
    ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&client), &size);
    if (n < 0) continue;
    std::string text = image::hostname() + " :" + std::to_string(port) + " " + image::address_of(client) + " " +
                       std::string(buffer, n);
    sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&client), size);
  }
}

int dial(const std::vector<std::string>& args) {
  if (args.size() < 4) return 64;
  int fd = image::connect_to(args[2], args[3], args[1] == "udp" ? SOCK_DGRAM : SOCK_STREAM);
  if (fd < 0 || !image::send_all(fd, (args.size() > 4 ? args[4] : "hello") + "\n")) {
    std::perror("connect");
    return 1;
  }
  char buffer[4096];
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    std::perror("receive");
    return 1;
  }
  return std::fwrite(buffer, 1, n, stdout) == static_cast<size_t>(n) ? 0 : 1;
}

void write_file(const std::string& path, const std::string& text) {
  FILE* file = std::fopen(path.c_str(), "we");
  if (!file || std::fputs(text.c_str(), file) < 0 || std::fclose(file) != 0) image::die(path);
}

// SIGTERM and SIGINT are waited for in a thread, so that PID 1 of a container ends by them too.
void handle_signals(bool ignore, double delay) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  for (int signo; sigwait(&signals, &signo) == 0;) {
    std::printf("got signal %d\n", signo);
    if (ignore) continue;
    pause_for(delay);
    std::_Exit(0);
  }
}

int run(const std::vector<std::string>& args) {
  static std::vector<char> held;
  bool ignore = false;
  double delay = 0;
  std::vector<std::thread> servers;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& flag = args[i];
    auto value = [&]() -> const std::string& {
      if (i + 1 >= args.size()) {
        std::fprintf(stderr, "testapp: %s needs a value\n", flag.c_str());
        std::exit(64);
      }
      return args[++i];
    };
    auto number = [&] { return std::atoi(value().c_str()); };
    if (flag == "--print")
      std::printf("%s\n", value().c_str());
    else if (flag == "--print-err")
      std::fprintf(stderr, "%s\n", value().c_str());
    else if (flag == "--print-env")
      std::fputs(environment().c_str(), stdout);
    else if (flag == "--termination-message")
      write_file(image::env("TERMINATION_LOG", "/dev/termination-log"), value());
    else if (flag == "--touch")
      write_file(value(), "");
    else if (flag == "--alloc")
      held.assign(static_cast<size_t>(number()) << 20, 'x');
    else if (flag == "--sleep")
      pause_for(std::atof(value().c_str()));
    else if (flag == "--http")
      servers.emplace_back(image::serve_http, number(), answer);
    else if (flag == "--tcp")
      servers.emplace_back(serve_echo, number());
    else if (flag == "--udp")
      servers.emplace_back(serve_udp, number());
    else if (flag == "--grpc") {
      static const std::function<bool()> serving = [] { return switches["health"].load(); };
      servers.emplace_back(image::serve_grpc_health, number(), std::cref(serving));
    } else if (flag == "--fail")
      switches[value()] = false;
    else if (flag == "--ignore-term")
      ignore = true;
    else if (flag == "--term-delay")
      delay = std::atof(value().c_str());
    else if (flag == "--exit")
      std::_Exit(number());
    else {
      std::fprintf(stderr, "testapp: unknown flag %s\n", flag.c_str());
      return 64;
    }
  }
  handle_signals(ignore, delay);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  std::vector<std::string> args(argv + 1, argv + argc);
  if (!args.empty() && args[0] == "dial") return dial(args);
  for (const char* name : {"health", "ready", "start"}) switches[name] = true;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return run(args);
}
