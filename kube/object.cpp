#include "kube/object.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "base/strings.hpp"
#include "kube/defaults.hpp"
#include "kube/text_member.hpp"
#include "kube/validate.hpp"

namespace keelson::kube {
namespace {

using nlohmann::json;

struct Decoder {
  std::string_view api_version;
  std::string_view kind;
  Result<Object> (*decode)(const json&, Warnings*);
};

template <class T>
Result<Object> decode_as(const json& value, Warnings* warnings) {
  TRY(T object, decode<T>(value, warnings));
  return Object(std::move(object));
}

template <class T>
constexpr Decoder decoder() {
  return {T::kApiVersion, T::kKind, decode_as<T>};
}

// One entry per alternative of the variant, so that a kind cannot be forgotten.
template <class... Ts>
constexpr std::array<Decoder, sizeof...(Ts)> decoders_of(std::variant<Ts...>*) {
  return {decoder<Ts>()...};
}
constexpr auto kDecoders = decoders_of(static_cast<Object*>(nullptr));

// A field that nobody knows is a mistake of whoever wrote it. In a status it is none: nobody writes that, it was
// copied.
bool is_refused(std::string_view warning) {
  return warning.ends_with(": unknown field") && !warning.starts_with("status.");
}

bool is_namespaced(const Object& object) { return !std::holds_alternative<PersistentVolume>(object); }

}  // namespace

Result<Object> decode_object(const json& value, Warnings* warnings) {
  if (!value.is_object()) {
    return make_error(Errc::invalid_argument, "expected an object, got " + std::string(value.type_name()));
  }
  std::string kind = text_member(value, "kind");
  std::string api_version = text_member(value, "apiVersion");
  if (kind.empty()) return make_error(Errc::invalid_argument, "kind: Required value");
  if (api_version.empty()) return make_error(Errc::invalid_argument, "apiVersion: Required value");
  std::string instead;
  for (const Decoder& decoder : kDecoders) {
    if (decoder.kind != kind) continue;
    if (decoder.api_version == api_version) return decoder.decode(value, warnings);
    instead = ", use " + std::string(decoder.api_version);
  }
  return make_error(Errc::unimplemented,
                    "no kind \"" + kind + "\" of apiVersion \"" + api_version + "\" is supported here" + instead);
}

json encode_object(const Object& object) {
  return std::visit([](const auto& held) { return encode(held); }, object);
}

ObjectMeta& metadata_of(Object& object) {
  return std::visit([](auto& held) -> ObjectMeta& { return held.metadata; }, object);
}

const ObjectMeta& metadata_of(const Object& object) {
  return std::visit([](const auto& held) -> const ObjectMeta& { return held.metadata; }, object);
}

std::string_view kind_of(const Object& object) {
  return std::visit([](const auto& held) -> std::string_view { return held.kKind; }, object);
}

std::string describe(const Object& object) {
  return std::string(kind_of(object)) + ' ' + object_key(metadata_of(object));
}

std::string describe(const json& value) {
  std::string kind = text_member(value, "kind");
  json none = json::object();
  const json& metadata = value.is_object() && value.contains("metadata") ? value["metadata"] : none;
  std::string name = text_member(metadata, "name");
  return (kind.empty() ? "object" : kind) + ' ' +
         (name.empty() ? "?" : object_key(text_member(metadata, "namespace"), name));
}

void set_defaults(Object& object) {
  std::visit([](auto& held) { set_defaults(held); }, object);
}

std::vector<FieldError> validate(const Object& object) {
  return std::visit([](const auto& held) { return validate(held); }, object);
}

Result<Object> load_object(const json& value, Warnings* warnings) {
  Warnings passed_over;
  TRY(Object object, with_context(decode_object(value, &passed_over), describe(value)));
  if (is_namespaced(object) && metadata_of(object).ns.empty()) metadata_of(object).ns = "default";
  Warnings unknown;
  for (std::string& line : passed_over) {
    if (is_refused(line)) {
      unknown.push_back(std::move(line));
    } else if (warnings != nullptr) {
      warnings->push_back(std::move(line));
    }
  }
  if (!unknown.empty()) return make_error(Errc::invalid_argument, describe(object) + ": " + join(unknown, "; "));
  set_defaults(object);
  std::vector<FieldError> errors = validate(object);
  if (!errors.empty()) {
    return make_error(Errc::invalid_argument, describe(object) + ": " + to_string(errors));
  }
  return object;
}

}  // namespace keelson::kube
