// The JSON codec: decode<T> and encode<T> for every type of kube/ that travels by itself. Both run over one field list
// per type (fields_*.cpp), so they cannot drift apart.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace keelson::kube {

// What was passed over while decoding, one line each: "spec.containers[0].imagee: unknown field".
using Warnings = std::vector<std::string>;

// Reads a T. Wrong types are errors that name the path and what was found, several of them in one message:
// `spec.containers[1].ports[0].containerPort: expected integer, got string "x"`. Unknown fields are appended to
// `warnings` (when given) and otherwise ignored. Where T is a kind of its own, a differing `kind` is an error.
// For: every type with kKind; also ObjectMeta, LabelSelector, Container, PodSpec, PodTemplateSpec, PodStatus.
template <class T>
[[nodiscard]] Result<T> decode(const nlohmann::json& json, Warnings* warnings = nullptr);

// The object as the API shows it: empty fields are left out, apiVersion and kind are there where T has them.
template <class T>
[[nodiscard]] nlohmann::json encode(const T& object);

// The same as compact text, for callers that have no need of json.hpp. Bytes that are no UTF-8 become U+FFFD.
template <class T>
[[nodiscard]] std::string encode_text(const T& object);

}  // namespace keelson::kube
