// What a YAML scalar means, as kubectl's YAML library has it (go-yaml v2, YAML 1.1 with its exceptions).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace keelson::kube {

// A plain (unquoted) scalar: null, boolean, integer, float or string. Whole floats become integers, as they do on the
// way through JSON; .inf and .nan become null with `finite` set to false.
[[nodiscard]] nlohmann::json resolve_plain_scalar(std::string_view text, bool& finite);

}  // namespace keelson::kube
