// Typed reads out of JSON objects with errors that name the field. For .cpp files only: it brings in all of json.hpp.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::cni {

using Json = nlohmann::json;

// A JSON value as a Result: Json converts to and from too much for the plain `return value`.
inline Result<Json> json_ok(Json value) { return Result<Json>(boost::system::in_place_value, std::move(value)); }

// Parsed text; the error says where the text is broken.
inline Result<Json> parse_json(std::string_view text) {
  try {
    return json_ok(Json::parse(text));
  } catch (const Json::exception& e) {
    std::string_view what = e.what();
    if (const auto at = what.find("] "); at != std::string_view::npos) what.remove_prefix(at + 2);
    return make_error(Errc::invalid_argument, "not valid JSON: " + std::string(what));
  }
}

inline Result<Json> parse_json_object(std::string_view text) {
  TRY(Json value, parse_json(text));
  if (!value.is_object()) {
    return make_error(Errc::invalid_argument, std::string("expected a JSON object, got ") + value.type_name());
  }
  return json_ok(std::move(value));
}

// Text that survives bytes which are not UTF-8.
inline std::string dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

inline Error wrong_type(std::string_view path, std::string_view expected, const Json& got) {
  return make_error(Errc::invalid_argument,
                    std::string(path) + ": expected " + std::string(expected) + ", got " + got.type_name());
}

// The member, or nullptr when it is absent or null.
inline const Json* member(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

inline Result<std::string> get_string(const Json& object, const char* key, std::string_view path = {}) {
  const Json* value = member(object, key);
  if (!value) return std::string();
  if (!value->is_string()) return wrong_type(std::string(path) + key, "string", *value);
  return value->get<std::string>();
}

inline Result<std::optional<int>> get_int(const Json& object, const char* key, std::string_view path = {}) {
  const Json* value = member(object, key);
  if (!value) return std::optional<int>();
  if (!value->is_number_integer()) return wrong_type(std::string(path) + key, "integer", *value);
  return std::optional<int>(value->get<int>());
}

// A JSON boolean, or the strings "true" and "false" in any case, as libcni takes them.
inline Result<bool> get_bool(const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (!value) return false;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_string()) {
    std::string text = value->get<std::string>();
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (text == "true") return true;
    if (text == "false") return false;
  }
  return wrong_type(key, "boolean", *value);
}

inline Result<std::vector<std::string>> get_strings(const Json& object, const char* key, std::string_view path = {}) {
  const Json* value = member(object, key);
  std::vector<std::string> out;
  if (!value) return out;
  const std::string where = std::string(path) + key;
  if (!value->is_array()) return wrong_type(where, "list", *value);
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Json& item = (*value)[i];
    if (!item.is_string()) return wrong_type(where + "[" + std::to_string(i) + "]", "string", item);
    out.push_back(item.get<std::string>());
  }
  return out;
}

// The list at `key`, every item an object; empty when absent.
inline Result<std::vector<const Json*>> get_objects(const Json& object, const char* key, std::string_view path = {}) {
  const Json* value = member(object, key);
  std::vector<const Json*> out;
  if (!value) return out;
  const std::string where = std::string(path) + key;
  if (!value->is_array()) return wrong_type(where, "list", *value);
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Json& item = (*value)[i];
    if (!item.is_object()) return wrong_type(where + "[" + std::to_string(i) + "]", "object", item);
    out.push_back(&item);
  }
  return out;
}

}  // namespace keelson::cni
