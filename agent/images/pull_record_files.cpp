#include "agent/images/pull_record_files.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/images/pull_records.hpp"
#include "base/strings.hpp"
#include "kube/text_member.hpp"
#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr const char* kApiVersion = "kubelet.config.k8s.io/v1beta1";
constexpr std::string_view kPrefix = "sha256-";

// What an encoder of Go writes in place of these.
std::string escaped_for_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

PullAccess decode_access(const json& value) {
  PullAccess out;
  const auto everybody = value.find("nodePodsAccessible");
  out.every_pod = everybody != value.end() && everybody->is_boolean() && everybody->get<bool>();
  const auto secrets = value.find("kubernetesSecrets");
  if (secrets == value.end() || !secrets->is_array()) return out;
  for (const auto& secret : *secrets) {
    if (!secret.is_object()) continue;
    out.secrets.push_back({kube::text_member(secret, "uid"), kube::text_member(secret, "namespace"),
                           kube::text_member(secret, "name"), kube::text_member(secret, "credentialHash")});
  }
  return out;
}

json encode_access(const PullAccess& access) {
  if (access.every_pod) return {{"nodePodsAccessible", true}};
  auto secrets = json::array();
  for (const auto& s : access.secrets)
    secrets.push_back({{"uid", s.uid}, {"namespace", s.ns}, {"name", s.name}, {"credentialHash", s.hash}});
  return {{"kubernetesSecrets", std::move(secrets)}};
}

}  // namespace

std::filesystem::path record_path(const std::filesystem::path& dir, const std::string& key) {
  return dir / (std::string(kPrefix) + to_hex(sha256(key)));
}

std::vector<std::filesystem::path> record_files(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    const auto name = entry.path().filename().string();
    const bool whole = name.size() == kPrefix.size() + 64 && name.starts_with(kPrefix);
    if (whole && entry.is_regular_file(error)) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string encode_intent(const std::string& image) {
  return json{{"kind", "ImagePullIntent"}, {"apiVersion", kApiVersion}, {"image", image}}.dump();
}

std::string decode_intent(const std::string& text) {
  const auto value = json::parse(text, nullptr, false);
  return value.is_object() && kube::text_member(value, "kind") == "ImagePullIntent" ? kube::text_member(value, "image")
                                                                                    : std::string();
}

std::string encode_pulled(const PulledRecord& record) {
  auto mapping = json::object();
  for (const auto& [repository, access] : record.by_repository) mapping[repository] = encode_access(access);
  return json{{"kind", "ImagePulledRecord"},
              {"apiVersion", kApiVersion},
              {"lastUpdatedTime", kube::format_time(record.updated)},
              {"imageRef", record.ref},
              {"credentialMapping", std::move(mapping)}}
      .dump();
}

Result<PulledRecord> decode_pulled(const std::string& text) {
  const auto value = json::parse(text, nullptr, false);
  const auto refuse = [](const char* why) { return make_error(Errc::invalid_argument, why); };
  if (!value.is_object() || kube::text_member(value, "kind") != "ImagePulledRecord")
    return refuse("no ImagePulledRecord");
  PulledRecord out;
  out.ref = kube::text_member(value, "imageRef");
  if (out.ref.empty()) return refuse("imageRef: Required value");
  if (const auto time = kube::parse_time(kube::text_member(value, "lastUpdatedTime"))) out.updated = *time;
  const auto mapping = value.find("credentialMapping");
  if (mapping == value.end()) return out;
  if (!mapping->is_object()) return refuse("credentialMapping: expected an object");
  for (const auto& [repository, access] : mapping->items()) {
    if (access.is_object()) out.by_repository[repository] = decode_access(access);
  }
  return out;
}

std::string credential_hash(const std::string& username, const std::string& password) {
  std::string members;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    if (!members.empty()) members += ",";
    members += std::string("\"") + name +
               "\":" + escaped_for_html(json(value).dump(-1, ' ', false, json::error_handler_t::replace));
  };
  add("username", username);
  add("password", password);
  return to_hex(sha256("{" + members + "}"));
}

}  // namespace keelson::agent
