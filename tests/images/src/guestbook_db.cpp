// The guestbook's database: a list of lines, kept in one append-only file, behind a password.
//
//   guestbook-db            serve; DATA_DIR (/data), PASSWORD_FILE (/run/secrets/guestbook/password), PORT (6380)
//   guestbook-db check      authenticate at the own port and list; exit 0 when that works (readiness probe)
//
// Protocol, one line each way, after AUTH: AUTH PASSWORD -> OK | DENIED; ADD TEXT -> OK; LIST -> COUNT, then the lines.
#include <fcntl.h>
#include <signal.h>

#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "server.hpp"

namespace {

std::mutex mutex;
std::vector<std::string> entries;
int journal = -1;

std::string password() {
  std::ifstream file(image::env("PASSWORD_FILE", "/run/secrets/guestbook/password"));
  std::string text;
  std::getline(file, text);
  return text;
}

void open_journal() {
  const std::string path = image::env("DATA_DIR", "/data") + "/entries";
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) entries.push_back(line);
  journal = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (journal < 0) image::die(path);
  std::printf("%zu entries in %s\n", entries.size(), path.c_str());
}

bool add(const std::string& text) {
  std::lock_guard lock(mutex);
  const std::string line = text + "\n";
  if (write(journal, line.data(), line.size()) != static_cast<ssize_t>(line.size()) || fsync(journal) != 0)
    return false;
  entries.push_back(text);
  return true;
}

std::string list() {
  std::lock_guard lock(mutex);
  std::string text = std::to_string(entries.size()) + "\n";
  for (const auto& entry : entries) text += entry + "\n";
  return text;
}

void session(int fd) {
  std::string rest, line;
  bool known = false;
  while (image::read_line(fd, rest, line)) {
    std::string reply = "UNKNOWN\n";
    if (line.starts_with("AUTH ")) {
      const std::string expected = password();
      known = !expected.empty() && line.substr(5) == expected;
      reply = known ? "OK\n" : "DENIED\n";
    } else if (!known) {
      reply = "DENIED\n";
    } else if (line == "LIST") {
      reply = list();
    } else if (line.starts_with("ADD ")) {
      reply = add(line.substr(4)) ? "OK\n" : "FAILED\n";
    }
    if (!image::send_all(fd, reply)) return;
  }
}

int check(const std::string& port) {
  int fd = image::connect_to("127.0.0.1", port);
  std::string rest, line;
  if (fd < 0 || !image::send_all(fd, "AUTH " + password() + "\nLIST\n")) return 1;
  bool good = image::read_line(fd, rest, line) && line == "OK" && image::read_line(fd, rest, line) && line != "DENIED";
  std::printf("%s\n", line.c_str());
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string port = image::env("PORT", "6380");
  if (argc > 1 && std::string(argv[1]) == "check") return check(port);
  signal(SIGTERM, [](int) { _exit(0); });
  open_journal();
  image::serve_tcp(std::stoi(port), session);
}
