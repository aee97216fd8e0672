#include "agent/config/config_file.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/config/fields.hpp"
#include "base/files.hpp"
#include "kube/yaml.hpp"

namespace keelson::agent {
namespace {

using Json = nlohmann::json;

struct Where {
  std::string file;
  std::string kind;
};

std::string text_of(const Where& where, const std::string& path) {
  return where.file + ": " + where.kind + ": " + path;
}

// What Go's encoder writes of a field that was never set.
bool is_unset(const Json& value) {
  if (value.is_object()) return std::all_of(value.begin(), value.end(), is_unset);
  if (value.is_string()) return value == "" || value == "0" || value == "0s";
  return value.is_null() || value == false || value == 0 || (value.is_array() && value.empty());
}

Result<void> apply_object(const ConfigKind& kind, const Where& where, const Json& object, const std::string& prefix,
                          Options& options, std::vector<std::string>& warnings) {
  for (const auto& [name, value] : object.items()) {
    const std::string path = prefix + name;
    if (prefix.empty() && (name == "apiVersion" || name == "kind" || name == "metadata")) continue;
    if (value.is_null()) continue;  // as if it were not there
    if (const auto it = kind.fields.find(path); it != kind.fields.end()) {
      CHECK_OK(with_context(it->second(value, options), text_of(where, path)));
    } else if (kind.without_effect.count(path) > 0) {
      if (!kind.written_whole || !is_unset(value)) warnings.push_back(text_of(where, path) + ": has no effect");
    } else if (value.is_object() && kind.fields.lower_bound(path + ".") != kind.fields.end() &&
               kind.fields.lower_bound(path + ".")->first.starts_with(path + ".")) {
      CHECK_OK(apply_object(kind, where, value, path + ".", options, warnings));
    } else {
      warnings.push_back(text_of(where, path) + ": unknown field");
    }
  }
  return {};
}

Result<void> apply_document(const Json& document, const std::string& file, Options& options,
                            std::vector<std::string>& warnings) {
  if (!document.is_object()) return make_error(Errc::invalid_argument, file + ": expected an object");
  const auto kind_name = document.value("kind", Json()).is_string() ? document.at("kind").get<std::string>() : "";
  const auto it = config_kinds().find(kind_name);
  if (it == config_kinds().end()) {
    return make_error(Errc::invalid_argument,
                      file + ": kind \"" + kind_name +
                          "\": one of KubeletConfiguration, KubeProxyConfiguration, KeelsonConfiguration");
  }
  const auto version =
      document.value("apiVersion", Json()).is_string() ? document.at("apiVersion").get<std::string>() : "";
  if (!version.starts_with(it->second.api_group + "/")) {
    return make_error(Errc::invalid_argument, file + ": " + kind_name + ": apiVersion \"" + version + "\": expected " +
                                                  it->second.api_group + "/...");
  }
  return apply_object(it->second, {file, kind_name}, document, "", options, warnings);
}

}  // namespace

Result<void> apply_config(std::string_view text, std::string_view file, Options& options,
                          std::vector<std::string>& warnings) {
  const auto parsed = kube::parse_yaml(text, file);
  if (!parsed.errors.empty()) return parsed.errors.front();
  for (const auto& document : parsed.documents) {
    CHECK_OK(apply_document(*document.json, std::string(file), options, warnings));
  }
  return {};
}

Result<void> apply_config_file(const std::filesystem::path& path, Options& options,
                               std::vector<std::string>& warnings) {
  TRY(const auto text, read_file(path));
  return apply_config(text, path.string(), options, warnings);
}

}  // namespace keelson::agent
