// $(VAR) references in environment values, commands, arguments and subPathExpr.
// Follows kubernetes third_party/forked/golang/expansion and pkg/kubelet/container/helpers.go.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::spec {

// The value of a variable, or nullopt when it is not defined.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;
using Variables = std::map<std::string, std::string, std::less<>>;

// `text` with every $(NAME) replaced by its value. "$$" is a literal "$"; an unknown or unclosed reference and a "$"
// before anything else stay as written. Values are not expanded again.
[[nodiscard]] std::string expand(std::string_view text, const VariableLookup& lookup);
[[nodiscard]] std::string expand(std::string_view text, const Variables& variables);

// expand() over each element, for command and args.
[[nodiscard]] std::vector<std::string> expand_all(const std::vector<std::string>& texts, const Variables& variables);

// Expansion for volumeMounts[].subPathExpr, where every reference must have a non-empty value: otherwise
// Errc::invalid_argument "missing value for A, B" (names sorted).
Result<std::string> expand_strict(std::string_view text, const Variables& variables);

}  // namespace keelson::spec
