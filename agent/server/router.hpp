// From method and path to the handler that answers.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/server/http.hpp"

namespace keelson::agent {

// One request on its way through a handler; lives until the handler has returned.
struct Exchange {
  HttpRequest& request;
  ResponseWriter& response;
  std::map<std::string, std::string, std::less<>> path;  // what the pattern's {names} matched, decoded

  [[nodiscard]] const std::string& operator[](std::string_view name) const { return path.find(name)->second; }
};

using Handler = std::function<Awaitable<void>(Exchange&)>;

class Router {
 public:
  // `methods`: "GET", or several with commas between. `pattern`: segments, of which "{name}" matches any one that is
  // not empty: "/exec/{namespace}/{pod}/{container}"; a last "{name...}" matches all that is left, be it nothing.
  // Patterns must not overlap.
  void add(std::string_view methods, std::string_view pattern, Handler handler);

  struct Match {
    const Handler* handler = nullptr;  // none: 404, or 405 where `allowed` says what would do
    std::string allowed;
    std::map<std::string, std::string, std::less<>> path;
  };
  [[nodiscard]] Match find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::vector<std::string> methods;
    std::vector<std::string> segments;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace keelson::agent
