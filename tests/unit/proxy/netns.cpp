#include "tests/unit/proxy/netns.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace keelson::proxy::test {
namespace {

constexpr int kPort = 8080;
constexpr int kPatienceMs = 2000;

void check(int rc, const char* what) {
  if (rc < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in address(const std::string& ip, int port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, ip.c_str(), &a.sin_addr);
  return a;
}

std::string errno_word() {
  if (errno == ECONNREFUSED) return "refused";
  // EINPROGRESS: of a connect() that SO_SNDTIMEO ended.
  return errno == EAGAIN || errno == ETIMEDOUT || errno == EINPROGRESS ? "timeout" : std::strerror(errno);
}

std::string answer(const std::string& name, const sockaddr_in& from) {
  char ip[INET_ADDRSTRLEN];
  return name + ' ' + ::inet_ntop(AF_INET, &from.sin_addr, ip, sizeof ip);
}

// The pod's process: never returns.
[[noreturn]] void serve(const std::string& name, int ready) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
  const int tcp = ::socket(AF_INET, SOCK_STREAM, 0), udp = ::socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in any = address("0.0.0.0", kPort);
  const auto* to = reinterpret_cast<const sockaddr*>(&any);
  if (::bind(tcp, to, sizeof any) != 0 || ::listen(tcp, 16) != 0 || ::bind(udp, to, sizeof any) != 0) ::_exit(1);
  if (::write(ready, "x", 1) != 1) ::_exit(1);
  while (true) {
    pollfd fds[2] = {{tcp, POLLIN, 0}, {udp, POLLIN, 0}};
    ::poll(fds, 2, -1);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    char buffer[64];
    if ((fds[0].revents & POLLIN) != 0) {
      const int client = ::accept(tcp, reinterpret_cast<sockaddr*>(&from), &size);
      const std::string text = answer(name, from);
      if (::send(client, text.data(), text.size(), MSG_NOSIGNAL) < 0) std::perror("send");
      ::close(client);
    } else if (::recvfrom(udp, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) >= 0) {
      const std::string text = answer(name, from);
      ::sendto(udp, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
}

UniqueFd client_socket(const std::string& ip, int port, int type) {
  UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const timeval patience{kPatienceMs / 1000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const sockaddr_in to = address(ip, port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fd.reset();
  return fd;
}

std::string receive(const UniqueFd& fd) {
  char buffer[128];
  const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
  return n < 0 ? errno_word() : std::string(buffer, static_cast<std::size_t>(n));
}

}  // namespace

std::string shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::string out;
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  if (const int rc = ::pclose(pipe); rc != 0) throw std::runtime_error(command + ": " + out);
  return out;
}

NodeNamespace::NodeNamespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  check(before_.get(), "opening the namespace");
  check(::unshare(CLONE_NEWNET), "unshare");
  shell("ip link set lo up; ip addr add 192.168.77.1/32 dev lo; echo 1 > /proc/sys/net/ipv4/ip_forward");
}

NodeNamespace::~NodeNamespace() {
  if (::setns(before_.get(), CLONE_NEWNET) != 0) std::abort();  // going on in the wrong namespace helps nobody
}

Pod::Pod(std::string name, std::string ip) {
  int ready[2];
  check(::pipe2(ready, O_CLOEXEC), "pipe");
  pid_ = ::fork();
  check(pid_, "fork");
  if (pid_ == 0) serve(name, ready[1]);
  ::close(ready[1]);
  char byte;
  const ssize_t n = ::read(ready[0], &byte, 1);
  ::close(ready[0]);
  if (n != 1) throw std::runtime_error("the pod did not start");
  const std::string pid = std::to_string(pid_), in_pod = "nsenter -t " + pid + " -n ip ";
  shell("ip link add v" + name + " type veth peer name eth0 netns " + pid);
  shell("ip link set v" + name + " up; ip addr add 169.254.1.1/32 dev v" + name + "; ip route add " + ip + "/32 dev v" +
        name);
  shell(in_pod + "link set lo up; " + in_pod + "link set eth0 up; " + in_pod + "addr add " + ip + "/32 dev eth0");
  shell(in_pod + "route add 169.254.1.1 dev eth0 scope link; " + in_pod + "route add default via 169.254.1.1 dev eth0");
}

Pod::~Pod() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Pod::enter(const std::function<void()>& what) const {
  const UniqueFd ns(::open(("/proc/" + std::to_string(pid_) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  check(ns.get(), "the pod's namespace");
  std::thread([&] {
    if (::setns(ns.get(), CLONE_NEWNET) == 0) what();
  }).join();
}

std::string ask_tcp(const std::string& ip, int port) {
  const UniqueFd fd = client_socket(ip, port, SOCK_STREAM);
  return fd ? receive(fd) : errno_word();
}

UdpClient::UdpClient(const std::string& ip, int port) : fd_(client_socket(ip, port, SOCK_DGRAM)) {}

std::string UdpClient::ask() {
  if (::send(fd_.get(), "?", 1, 0) < 0) return errno_word();
  return receive(fd_);
}

}  // namespace keelson::proxy::test
