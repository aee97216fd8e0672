#include "volumes/payload.hpp"

#include <set>

#include "base/strings.hpp"
#include "volumes/paths.hpp"

namespace keelson::volumes {
namespace {

// The values of one object by key, without copies; later maps win, as upstream lets binaryData win over data.
using Values = std::map<std::string_view, const std::string*>;

struct Selection {
  const std::vector<kube::KeyToPath>& items;
  mode_t default_mode;
  bool optional;
  const char* missing_key;  // what the error says before the key
};

void add_values(Values& values, const kube::StringMap& map) {
  for (const auto& [key, value] : map) values[key] = &value;
}

mode_t file_mode(const std::optional<std::int32_t>& mode, mode_t otherwise) {
  return mode ? static_cast<mode_t>(*mode) & 07777 : otherwise;
}

Result<Payload> select(const Values& values, const Selection& selection) {
  Payload payload;
  if (selection.items.empty()) {
    for (const auto& [key, value] : values) {
      payload[std::string(key)] = PayloadFile{*value, selection.default_mode, std::nullopt};
    }
    return checked_payload(std::move(payload));
  }
  for (const kube::KeyToPath& item : selection.items) {
    const auto found = values.find(item.key);
    if (found == values.end()) {
      if (selection.optional) continue;
      return make_error(Errc::not_found, std::string(selection.missing_key) + item.key);
    }
    payload[item.path] = PayloadFile{*found->second, file_mode(item.mode, selection.default_mode), std::nullopt};
  }
  return checked_payload(std::move(payload));
}

Error missing_object(const char* kind, const std::string& name) {
  return make_error(Errc::not_found, std::string(kind) + " \"" + name + "\" not found");
}

std::string normal(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string& part : split(path, '/')) {
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
  }
  return join(parts, "/");
}

// A file at "a" leaves no room for one at "a/b".
Result<void> check_no_file_is_a_folder(const Payload& payload) {
  for (const auto& [path, file] : payload) {
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      if (payload.contains(path.substr(0, slash))) {
        return make_error(Errc::invalid_argument,
                          "path \"" + path + "\" needs a folder where \"" + path.substr(0, slash) + "\" is a file");
      }
    }
  }
  return {};
}

}  // namespace

Result<Payload> config_map_payload(const kube::ConfigMapVolumeSource& source, const kube::ConfigMap* object) {
  const bool optional = source.optional.value_or(false);
  if (object == nullptr) {
    if (optional) return Payload();
    return missing_object("configmap", source.name);
  }
  Values values;
  add_values(values, object->data);
  add_values(values, object->binary_data);
  return select(values, {source.items, file_mode(source.default_mode, kDefaultFileMode), optional,
                         "references non-existent config key: "});
}

Result<Payload> secret_payload(const kube::SecretVolumeSource& source, const kube::Secret* object) {
  const bool optional = source.optional.value_or(false);
  if (object == nullptr) {
    if (optional) return Payload();
    return missing_object("secret", source.secret_name);
  }
  Values values;
  add_values(values, object->data);
  add_values(values, object->string_data);
  return select(values, {source.items, file_mode(source.default_mode, kDefaultFileMode), optional,
                         "references non-existent secret key: "});
}

Result<Payload> downward_api_payload(const std::vector<kube::DownwardApiFile>& items,
                                     const std::optional<std::int32_t>& default_mode, const kube::Pod& pod,
                                     const FieldSource& fields) {
  Payload payload;
  std::vector<Error> errors;
  for (const kube::DownwardApiFile& item : items) {
    auto value = fields(pod, item);
    if (!value) {
      errors.push_back(value.error());
      continue;
    }
    const mode_t mode = file_mode(item.mode, file_mode(default_mode, kDefaultFileMode));
    payload[item.path] = PayloadFile{std::move(*value), mode, std::nullopt};
  }
  if (!errors.empty()) return aggregate(errors);
  return checked_payload(std::move(payload));
}

Error aggregate(const std::vector<Error>& errors) {
  if (errors.size() == 1) return errors.front();
  std::vector<std::string> texts;
  for (const Error& error : errors) texts.push_back(error.message);
  return make_error(errors.front().code, "[" + join(texts, ", ") + "]", errors.front().reason);
}

Result<Payload> checked_payload(Payload payload) {
  Payload out;
  for (auto& [path, file] : payload) {
    CHECK_OK(check_relative_path("path", path));
    std::string clean = normal(path);
    if (clean.empty()) return make_error(Errc::invalid_argument, "path: \"" + path + "\" names no file");
    if (clean.starts_with("..")) {
      return make_error(Errc::invalid_argument, "path: \"" + path + "\" must not start with '..'");
    }
    out[std::move(clean)] = std::move(file);
  }
  CHECK_OK(check_no_file_is_a_folder(out));
  return out;
}

PayloadDiff diff_payload(const Payload& wanted, const DiskContent& actual) {
  PayloadDiff diff;
  for (const auto& [path, file] : wanted) {
    const auto found = actual.find(path);
    if (found == actual.end() || found->second != file.data) diff.write.push_back(path);
  }
  for (const auto& [path, content] : actual) {
    if (!wanted.contains(path)) diff.remove.push_back(path);
  }
  return diff;
}

std::vector<std::string> top_level_names(const Payload& payload) {
  std::set<std::string> names;
  for (const auto& [path, file] : payload) names.insert(path.substr(0, path.find('/')));
  return {names.begin(), names.end()};
}

}  // namespace keelson::volumes
