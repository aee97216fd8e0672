// The guestbook's front end: shows the entries of the database and the pod that served the page; POST / adds an entry.
//
// The database is found through its Service's variables (GUESTBOOK_DB_SERVICE_HOST and _PORT), its password comes as
// DB_PASSWORD, the page's title as TITLE, and a greeting is read at each request from GREETING_FILE.
// /healthz says that the process serves; /readyz that it reaches the database.
#include <signal.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "server.hpp"

namespace {

using image::Request;
using image::Response;

// Sends one command to the database after authenticating; the lines of the answer, or nothing when it cannot be had.
std::optional<std::vector<std::string>> ask_database(const std::string& command) {
  int fd = image::connect_to(image::env("GUESTBOOK_DB_SERVICE_HOST"), image::env("GUESTBOOK_DB_SERVICE_PORT"));
  if (fd < 0) return std::nullopt;
  std::string rest, line;
  std::vector<std::string> lines;
  bool good = image::send_all(fd, "AUTH " + image::env("DB_PASSWORD") + "\n" + command + "\n") &&
              image::read_line(fd, rest, line) && line == "OK" && image::read_line(fd, rest, line);
  if (good && command == "LIST") {
    for (int left = std::atoi(line.c_str()); left > 0 && (good = image::read_line(fd, rest, line)); --left) {
      lines.push_back(line);
    }
  } else if (good) {
    good = line == "OK";
  }
  close(fd);
  if (!good) return std::nullopt;
  return lines;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

// The value of entry= in a form, or the whole body when it is plain text; always a single line.
std::string entry_of(const Request& request) {
  std::string raw = request.body.starts_with("entry=") ? request.body.substr(6) : request.body, text;
  const bool form = raw.size() != request.body.size();
  for (size_t i = 0; i < raw.size(); ++i) {
    if (form && raw[i] == '+') {
      text += ' ';
    } else if (form && raw[i] == '%' && i + 2 < raw.size()) {
      text += static_cast<char>(std::strtol(raw.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      text += raw[i];
    }
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

std::string greeting() {
  std::ifstream file(image::env("GREETING_FILE", "/etc/guestbook/greeting"));
  std::string text;
  std::getline(file, text);
  return text;
}

Response page() {
  auto entries = ask_database("LIST");
  if (!entries) return {502, "the database does not answer\n"};
  std::string items;
  for (const auto& entry : *entries) items += "<li>" + escaped(entry) + "</li>\n";
  const std::string title = escaped(image::env("TITLE", "Guestbook"));
  return {200,
          "<!doctype html>\n<title>" + title + "</title>\n<h1>" + title + "</h1>\n<p>" + escaped(greeting()) +
              "</p>\n<ul>\n" + items +
              "</ul>\n<form method=post><input name=entry><button>Add</button></form>\n<p>served by " +
              image::env("POD_NAME", image::hostname().c_str()) + " on " + image::env("NODE_NAME", "?") + "</p>\n",
          {{"Content-Type", "text/html; charset=utf-8"}}};
}

Response answer(const Request& request) {
  if (request.path == "/healthz") return {200, "ok\n"};
  if (request.path == "/readyz") {
    return ask_database("LIST") ? Response{200, "ok\n"} : Response{503, "the database does not answer\n"};
  }
  if (request.path != "/") return {404, "not found\n"};
  if (request.method != "POST") return page();
  const std::string entry = entry_of(request);
  if (entry.empty()) return {400, "an entry is needed\n"};
  if (!ask_database("ADD " + entry)) return {502, "the database does not answer\n"};
  return {303, "added\n", {{"Location", "/"}}};
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  signal(SIGTERM, [](int) { _exit(0); });
  std::printf("serving on port 8080\n");
  image::serve_http(8080, answer);
}
