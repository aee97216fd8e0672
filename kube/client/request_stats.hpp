// What was asked of the API server, for metrics. After client-go's rest_client_* (component-base metrics/restclient).
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/histogram.hpp"

namespace keelson::kube {

inline constexpr double kRequestBounds[] = {.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60};

struct RequestStats {
  std::string host;                                              // "10.0.0.1:6443"
  std::map<std::pair<int, std::string>, std::uint64_t> answers;  // by status (0: none came) and method; each try
  std::map<std::string, Histogram> seconds;                      // by method; watches are not among them
};

}  // namespace keelson::kube
