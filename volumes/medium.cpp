// The pure part of emptyDir: sizes of memory-backed volumes.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "volumes/empty_dir.hpp"

namespace keelson::volumes {
namespace {

constexpr std::string_view kHugePagesResource = "hugepages-";
constexpr std::string_view kHugePagesMedium = "HugePages";

std::optional<std::int64_t> limit_of(const kube::ResourceList& limits) {
  const auto found = limits.find("memory");
  if (found == limits.end() || found->second.sign() <= 0) return std::nullopt;
  return found->second.value();
}

bool restartable(const kube::Container& container) { return container.restart_policy == "Always"; }

std::set<std::int64_t> requested_page_sizes(const kube::Pod& pod) {
  std::set<std::int64_t> sizes;
  const auto collect = [&](const kube::ResourceList& list) {
    for (const auto& [name, amount] : list) {
      if (!name.starts_with(kHugePagesResource) || amount.sign() <= 0) continue;
      if (auto size = kube::Quantity::parse(std::string_view(name).substr(kHugePagesResource.size()))) {
        sizes.insert(size->value());
      }
    }
  };
  for (const auto* containers : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const kube::Container& container : *containers) {
      collect(container.resources.requests);
      collect(container.resources.limits);
    }
  }
  if (pod.spec.resources) collect(pod.spec.resources->requests);
  return sizes;
}

std::string readable(std::int64_t bytes) {
  return kube::Quantity::of(bytes, kube::Quantity::Format::binary_si).to_string();
}

Result<std::int64_t> wanted_page_size(const std::string& medium, const kube::Pod& pod) {
  if (medium == kHugePagesMedium) {
    const auto sizes = requested_page_sizes(pod);
    if (sizes.empty()) {
      return make_error(Errc::invalid_argument, "medium HugePages: no container of the pod requests huge pages");
    }
    if (sizes.size() > 1) {
      return make_error(Errc::invalid_argument,
                        "medium HugePages: the pod requests huge pages of several sizes, name one as HugePages-SIZE");
    }
    return *sizes.begin();
  }
  const std::string_view size = std::string_view(medium).substr(kHugePagesMedium.size());
  auto parsed = kube::Quantity::parse(size.empty() ? size : size.substr(1));
  if (size.empty() || size.front() != '-' || !parsed || parsed->sign() <= 0) {
    return make_error(Errc::invalid_argument, "medium \"" + medium + "\": not a huge page size");
  }
  return parsed->value();
}

}  // namespace

std::optional<std::int64_t> pod_memory_limit(const kube::Pod& pod) {
  std::int64_t overhead = 0;
  if (const auto found = pod.spec.overhead.find("memory"); found != pod.spec.overhead.end()) {
    overhead = found->second.value();
  }
  if (pod.spec.resources) {
    if (const auto limit = limit_of(pod.spec.resources->limits)) return *limit + overhead;
  }
  std::int64_t running = 0;   // containers and sidecars, which run together
  std::int64_t sidecars = 0;  // those started so far, beside which an init container runs
  std::int64_t peak = 0;
  for (const kube::Container& container : pod.spec.init_containers) {
    const auto limit = limit_of(container.resources.limits);
    if (!limit) return std::nullopt;
    if (restartable(container)) sidecars += *limit;
    peak = std::max(peak, restartable(container) ? sidecars : sidecars + *limit);
  }
  for (const kube::Container& container : pod.spec.containers) {
    const auto limit = limit_of(container.resources.limits);
    if (!limit) return std::nullopt;
    running += *limit;
  }
  return std::max(running + sidecars, peak) + overhead;
}

std::int64_t memory_volume_size(const kube::Pod& pod, const std::optional<kube::Quantity>& size_limit,
                                std::int64_t allocatable_memory) {
  std::int64_t size = std::max<std::int64_t>(allocatable_memory, 0);
  const auto bound = [&size](std::int64_t limit) {
    if (limit > 0 && (size == 0 || limit < size)) size = limit;
  };
  if (const auto limit = pod_memory_limit(pod)) bound(*limit);
  if (size_limit) bound(size_limit->value());
  return size;
}

std::vector<std::string> tmpfs_options(std::int64_t size) {
  if (size <= 0) return {};
  return {"size=" + std::to_string(size)};
}

Result<std::int64_t> huge_page_size(const std::string& medium, const kube::Pod& pod,
                                    const std::vector<std::int64_t>& node_sizes) {
  TRY(const std::int64_t size, wanted_page_size(medium, pod));
  if (std::find(node_sizes.begin(), node_sizes.end(), size) != node_sizes.end()) return size;
  return make_error(Errc::failed_precondition,
                    "medium \"" + medium + "\": this node has no huge pages of size " + readable(size));
}

std::vector<std::int64_t> detect_huge_page_sizes(const std::string& sysfs) {
  std::vector<std::int64_t> sizes;
  auto names = list_dir(sysfs);
  if (!names) return sizes;                 // a kernel without huge pages
  for (const std::string& name : *names) {  // hugepages-2048kB
    std::int64_t kib = 0;
    if (!name.starts_with(kHugePagesResource)) continue;
    std::from_chars(name.data() + kHugePagesResource.size(), name.data() + name.size(), kib);
    auto total = read_file(std::filesystem::path(sysfs) / name / "nr_hugepages");
    if (kib > 0 && total && trim(*total) != "0") sizes.push_back(kib * 1024);
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

}  // namespace keelson::volumes
