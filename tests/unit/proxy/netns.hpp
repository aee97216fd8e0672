// Throwaway network namespaces for tests with a real kernel: the test's own thread becomes a small node, pods are
// processes in namespaces of their own behind a veth pair. Everything is gone when the objects are.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/unique_fd.hpp"

namespace keelson::proxy::test {

// Runs a shell command in the calling thread's namespace; throws with its output when it fails.
std::string shell(const std::string& command);

// Moves the calling thread into a new network namespace with "lo" up, and back at the end.
class NodeNamespace {
 public:
  NodeNamespace();
  ~NodeNamespace();

 private:
  UniqueFd before_;
};

// A pod at `ip`, reached through a veth of the current namespace; port 8080 answers TCP and UDP with "NAME SOURCE-IP".
class Pod {
 public:
  Pod(std::string name, std::string ip);
  ~Pod();
  // Runs `what` on a thread inside the pod's namespace.
  void enter(const std::function<void()>& what) const;

 private:
  pid_t pid_ = -1;
};

// What the server at the address answers: its text, or "refused", "timeout", "unreachable".
std::string ask_tcp(const std::string& ip, int port);

// One UDP client socket, kept over several questions.
class UdpClient {
 public:
  UdpClient(const std::string& ip, int port);
  std::string ask();

 private:
  UniqueFd fd_;
};

}  // namespace keelson::proxy::test
