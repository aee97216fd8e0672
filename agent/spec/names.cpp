#include "agent/spec/names.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "base/unique_fd.hpp"
#include "kube/codec.hpp"

namespace keelson::spec {
namespace {

constexpr std::size_t kMaxFileName = 255;
constexpr std::string_view kLogSuffix = ".log";

std::string to_hex_number(std::uint32_t value) {
  std::array<char, 16> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 16).ptr;
  return {text.data(), end};
}

// A JSON string as Go's encoding/json writes it: besides the usual escapes, <, >, & and the two Unicode line
// separators are escaped, because its output may end up in HTML.
std::string go_json_string(std::string_view text) {
  auto out = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  out = replace_all(out, "<", "\\u003c");
  out = replace_all(out, ">", "\\u003e");
  out = replace_all(out, "&", "\\u0026");
  out = replace_all(out, "\xe2\x80\xa8", "\\u2028");
  return replace_all(out, "\xe2\x80\xa9", "\\u2029");
}

std::string value_of(const kube::StringMap& map, std::string_view key) {
  const auto it = map.find(std::string(key));
  return it == map.end() ? std::string() : it->second;
}

template <class T>
std::optional<T> number_of(const kube::StringMap& map, std::string_view key, int base = 10) {
  const auto text = value_of(map, key);
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The codec knows whole containers only: the handler travels inside one.
std::string encode_pre_stop(const kube::LifecycleHandler& handler) {
  kube::Container carrier;
  carrier.lifecycle.emplace().pre_stop = handler;
  return kube::encode(carrier)["lifecycle"]["preStop"].dump();
}

std::optional<kube::LifecycleHandler> decode_pre_stop(const std::string& text) {
  const auto handler = nlohmann::json::parse(text, nullptr, false);
  if (!handler.is_object()) return std::nullopt;
  const nlohmann::json carrier = {{"name", "x"}, {"lifecycle", {{"preStop", handler}}}};
  auto container = kube::decode<kube::Container>(carrier);
  if (!container || !container->lifecycle) return std::nullopt;
  return container->lifecycle->pre_stop;
}

}  // namespace

std::string pod_description(const kube::Pod& pod) {
  return pod.metadata.name + '_' + pod.metadata.ns + '(' + pod.metadata.uid + ')';
}

kube::StringMap sandbox_labels(const kube::Pod& pod) {
  auto labels = pod.metadata.labels;
  labels[std::string(kPodNameLabel)] = pod.metadata.name;
  labels[std::string(kPodNamespaceLabel)] = pod.metadata.ns;
  labels[std::string(kPodUidLabel)] = pod.metadata.uid;
  return labels;
}

kube::StringMap container_labels(const kube::Pod& pod, const kube::Container& container) {
  return {{std::string(kPodNameLabel), pod.metadata.name},
          {std::string(kPodNamespaceLabel), pod.metadata.ns},
          {std::string(kPodUidLabel), pod.metadata.uid},
          {std::string(kContainerNameLabel), container.name}};
}

kube::StringMap container_annotations(const kube::Pod& pod, const kube::Container& container,
                                      std::uint32_t restart_count) {
  kube::StringMap out = {{std::string(kContainerHash), to_hex_number(container_hash(container))},
                         {std::string(kRestartCount), std::to_string(restart_count)},
                         {std::string(kTerminationMessagePath), container.termination_message_path},
                         {std::string(kTerminationMessagePolicy), container.termination_message_policy}};
  if (const auto seconds = pod.metadata.deletion_grace_period_seconds) {
    out[std::string(kPodDeletionGracePeriod)] = std::to_string(*seconds);
  }
  if (const auto seconds = pod.spec.termination_grace_period_seconds) {
    out[std::string(kPodTerminationGracePeriod)] = std::to_string(*seconds);
  }
  if (container.lifecycle && container.lifecycle->pre_stop) {
    out[std::string(kPreStopHandler)] = encode_pre_stop(*container.lifecycle->pre_stop);
  }
  if (!container.ports.empty()) {
    kube::Container carrier;
    carrier.ports = container.ports;
    out[std::string(kContainerPorts)] = kube::encode(carrier)["ports"].dump();
  }
  return out;
}

std::uint32_t container_hash(const kube::Container& container) {
  const auto json =
      R"({"image":)" + go_json_string(container.image) + R"(,"name":)" + go_json_string(container.name) + '}';
  std::string print = "([]uint8)[";
  for (const char c : json) print += std::to_string(static_cast<unsigned char>(c)) + ' ';
  print.back() = ']';
  return fnv32a(print);
}

ContainerIdentity container_identity(const kube::StringMap& labels, const kube::StringMap& annotations) {
  ContainerIdentity out;
  out.pod_name = value_of(labels, kPodNameLabel);
  out.pod_namespace = value_of(labels, kPodNamespaceLabel);
  out.pod_uid = value_of(labels, kPodUidLabel);
  out.name = value_of(labels, kContainerNameLabel);
  out.hash = number_of<std::uint64_t>(annotations, kContainerHash, 16);
  out.restart_count = number_of<std::uint32_t>(annotations, kRestartCount).value_or(0);
  out.termination_message_path = value_of(annotations, kTerminationMessagePath);
  out.termination_message_policy = value_of(annotations, kTerminationMessagePolicy);
  out.deletion_grace_period_seconds = number_of<std::int64_t>(annotations, kPodDeletionGracePeriod);
  out.termination_grace_period_seconds = number_of<std::int64_t>(annotations, kPodTerminationGracePeriod);
  out.pre_stop = decode_pre_stop(value_of(annotations, kPreStopHandler));
  return out;
}

std::filesystem::path pod_log_dir(const NodeFacts& node, const kube::Pod& pod) {
  return node.pod_log_dir / (pod.metadata.ns + '_' + pod.metadata.name + '_' + pod.metadata.uid);
}

std::filesystem::path container_log_dir(const NodeFacts& node, const kube::Pod& pod, std::string_view container) {
  return pod_log_dir(node, pod) / container;
}

std::string container_log_path(std::string_view container, std::uint32_t restart_count) {
  return std::string(container) + '/' + std::to_string(restart_count) + std::string(kLogSuffix);
}

std::filesystem::path container_log_link(const NodeFacts& node, const kube::Pod& pod, std::string_view container,
                                         std::string_view container_id) {
  std::string name = pod.metadata.name + '_' + pod.metadata.ns + '_';
  name.append(container).append("-").append(container_id);
  if (name.size() > kMaxFileName - kLogSuffix.size()) name.resize(kMaxFileName - kLogSuffix.size());
  return node.container_log_dir / name.append(kLogSuffix);
}

std::filesystem::path pods_dir(const NodeFacts& node) { return node.root_dir / "pods"; }
std::filesystem::path pod_dir(const NodeFacts& node, std::string_view uid) { return pods_dir(node) / uid; }
std::filesystem::path pod_volumes_dir(const NodeFacts& node, std::string_view uid) {
  return pod_dir(node, uid) / "volumes";
}
std::filesystem::path pod_plugins_dir(const NodeFacts& node, std::string_view uid) {
  return pod_dir(node, uid) / "plugins";
}
std::filesystem::path pod_etc_hosts(const NodeFacts& node, std::string_view uid) {
  return pod_dir(node, uid) / "etc-hosts";
}
std::filesystem::path container_dir(const NodeFacts& node, std::string_view uid, std::string_view container) {
  return pod_dir(node, uid) / "containers" / container;
}
std::filesystem::path seccomp_dir(const NodeFacts& node) { return node.root_dir / "seccomp"; }

Result<std::filesystem::path> create_termination_log(const NodeFacts& node, std::string_view uid,
                                                     std::string_view container) {
  const auto dir = container_dir(node, uid, container);
  CHECK_OK(make_dirs(dir, 0750));
  std::random_device random;
  for (;;) {
    std::array<char, 9> name{};
    std::snprintf(name.data(), name.size(), "%08x", static_cast<unsigned>(random()));
    auto path = dir / name.data();
    const UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file && errno == EEXIST) continue;
    if (!file) return errno_error(errno, "create " + path.string());
    // The container's user, whoever that is, must be able to write it: no umask.
    if (::fchmod(file.get(), 0666) != 0) return errno_error(errno, "chmod " + path.string());
    return path;
  }
}

}  // namespace keelson::spec
