// Setters of configuration fields, by the JSON type that they take. For the files of this folder that list fields.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "agent/config/fields.hpp"
#include "base/chrono.hpp"
#include "kube/time.hpp"

namespace keelson::agent {

using Json = nlohmann::json;

inline constexpr std::int64_t kMax32 = 2147483647;

// The place of an option, for the setters below: AT(cluster.serving.port).
#define AT(member) \
  [](Options & o) -> auto& { return o.member; }

inline Error wrong_type(const char* expected, const Json& value) {
  return make_error(Errc::invalid_argument, std::string("expected ") + expected + ", got " + value.dump());
}

inline Result<std::string> as_string(const Json& value) {
  if (!value.is_string()) return wrong_type("string", value);
  return value.get<std::string>();
}

inline Result<std::vector<std::string>> as_strings(const Json& value) {
  if (!value.is_array()) return wrong_type("list of strings", value);
  std::vector<std::string> out;
  for (const auto& item : value) {
    TRY(auto text, as_string(item));
    out.push_back(std::move(text));
  }
  return out;
}

// A Go duration such as "1h2m3.5s" or "300ms".
inline Result<Nanoseconds> as_duration(const Json& value) {
  TRY(const auto text, as_string(value));
  const auto duration = kube::parse_duration(text);
  if (!duration) return wrong_type("duration such as \"30s\"", value);
  return *duration;
}

// Setters that store a value of one JSON type into one place.
template <class Place>
ApplyField text(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    TRY(auto value, as_string(v));
    place(o) = std::move(value);
    return {};
  };
}

template <class Place>
ApplyField texts(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    TRY(auto values, as_strings(v));
    auto& target = place(o);
    target.clear();
    for (auto& value : values) target.emplace_back(std::move(value));
    return {};
  };
}

template <class Place>
ApplyField flag(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    if (!v.is_boolean()) return wrong_type("boolean", v);
    place(o) = v.get<bool>();
    return {};
  };
}

template <class Place>
ApplyField number(Place place, std::int64_t min, std::int64_t max) {
  return [place, min, max](const Json& v, Options& o) -> Result<void> {
    if (!v.is_number_integer()) return wrong_type("integer", v);
    const auto n = v.get<std::int64_t>();
    if (n < min || n > max) {
      return make_error(Errc::invalid_argument,
                        std::to_string(n) + " is not within " + std::to_string(min) + " and " + std::to_string(max));
    }
    using Target = std::remove_reference_t<decltype(place(o))>;
    place(o) = static_cast<Target>(n);
    return {};
  };
}

template <class Place>
ApplyField duration(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    TRY(const auto value, as_duration(v));
    using Target = std::remove_reference_t<decltype(place(o))>;
    place(o) = std::chrono::duration_cast<Target>(value);
    return {};
  };
}

// An object of names to texts.
template <class Place>
ApplyField text_map(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    if (!v.is_object()) return wrong_type("object", v);
    auto& target = place(o);
    target.clear();
    for (const auto& [name, value] : v.items()) {
      TRY(target[name], as_string(value));
    }
    return {};
  };
}

template <class Place>
ApplyField quantities(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    if (!v.is_object()) return wrong_type("object of resource names to quantities", v);
    auto& target = place(o);
    target.clear();
    for (const auto& [name, value] : v.items()) {
      TRY(const auto words, as_string(value));
      TRY(target[name], kube::Quantity::parse(words));
    }
    return {};
  };
}

}  // namespace keelson::agent
