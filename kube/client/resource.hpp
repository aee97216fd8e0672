// Paths of the API server, and the JSON that goes with them. Pure; objects.hpp puts types on it.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::kube {

// "EndpointSlice" -> "endpointslices", "NetworkPolicy" -> "networkpolicies" (apimachinery's UnsafeGuessKindToResource).
[[nodiscard]] std::string resource_of(std::string_view kind);

// "/api/v1/namespaces/NS/pods/NAME/status". Without a namespace: a cluster's object, or the list of all namespaces.
// Without a name: the list. The parts are percent-encoded.
[[nodiscard]] std::string api_path(std::string_view api_version, std::string_view resource, std::string_view ns = {},
                                   std::string_view name = {}, std::string_view subresource = {});

// Percent-encodes what is not unreserved (RFC 3986).
[[nodiscard]] std::string url_encode(std::string_view text);
// PATH with "?NAME=VALUE" or "&NAME=VALUE" after it; PATH itself when the value is empty.
[[nodiscard]] std::string with_query(std::string path, std::string_view name, std::string_view value);

struct DeleteOptions {
  std::optional<std::int64_t> grace_period_seconds;
  std::string uid;                 // precondition: only the object with this UID
  std::string resource_version;    // precondition
  std::string propagation_policy;  // Foreground, Background, Orphan; empty: the kind's default
};

// The DeleteOptions as a request's body.
[[nodiscard]] std::string encode_delete_options(const DeleteOptions& options);

// JSON of a server's answer, not yet an object of ours; internal for text that is not JSON.
Result<std::shared_ptr<const nlohmann::json>> parse_answer(const std::string& text);
// Compact JSON; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string to_text(const nlohmann::json& json);

}  // namespace keelson::kube
