#include "agent/node/node_resources.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using kube::Quantity;
using kube::ResourceList;
using Format = Quantity::Format;

constexpr const char* kMemory = "memory";
constexpr const char* kStorage = "ephemeral-storage";
constexpr std::string_view kHugePages = "hugepages-";

void add(const ResourceList& from, const std::string& name, Quantity& to) {
  if (const auto found = from.find(name); found != from.end()) to += found->second;
}

Quantity reservation(const ResourceConfig& config, const std::string& name, const Quantity& capacity) {
  Quantity reserved;
  add(config.system_reserved, name, reserved);
  add(config.kube_reserved, name, reserved);
  if (name == kMemory && config.memory_available) reserved += config.memory_available->of(capacity);
  if (name == kStorage && config.nodefs_available) reserved += config.nodefs_available->of(capacity);
  return reserved;
}

// `amount` less `by`, in amount's format, never below zero.
Quantity less(Quantity amount, const Quantity& by) {
  const Format format = amount.format();
  amount -= by;
  return amount.sign() < 0 ? Quantity::of(0, format) : amount;
}

}  // namespace

Quantity EvictionThreshold::of(const Quantity& capacity) const {
  if (!share) return amount;
  return Quantity::of(static_cast<std::int64_t>(static_cast<double>(capacity.value()) * *share), Format::binary_si);
}

Result<EvictionThreshold> parse_eviction_threshold(std::string_view text) {
  text = trim(text);
  EvictionThreshold out;
  if (!text.ends_with('%')) {
    TRY(out.amount, Quantity::parse(text));
    if (out.amount.sign() < 0) return make_error(Errc::invalid_argument, std::string(text) + " is below zero");
    return out;
  }
  text.remove_suffix(1);
  double percent = 0;
  const char* end = text.data() + text.size();
  const auto [stop, ec] = std::from_chars(text.data(), end, percent);
  if (ec != std::errc() || stop != end || !(percent >= 0 && percent <= 100)) {
    return make_error(Errc::invalid_argument, "\"" + std::string(text) + "%\" is no percentage between 0% and 100%");
  }
  out.share = percent / 100;
  return out;
}

ResourceList node_capacity(const ResourceConfig& config, const MachineSize& size) {
  ResourceList capacity = size.huge_pages;
  capacity["cpu"] = Quantity::of_milli(size.cpu_millis);
  capacity[kMemory] = Quantity::of(size.memory_bytes, Format::binary_si);
  if (size.ephemeral_storage_bytes > 0) {
    capacity[kStorage] = Quantity::of(size.ephemeral_storage_bytes, Format::binary_si);
  }
  std::int64_t pods = config.max_pods;
  if (config.pods_per_core > 0) pods = std::min(pods, size.cpu_millis / 1000 * config.pods_per_core);
  capacity["pods"] = Quantity::of(pods);
  return capacity;
}

ResourceList node_allocatable(const ResourceConfig& config, const ResourceList& capacity) {
  ResourceList out;
  Quantity huge;
  for (const auto& [name, amount] : capacity) {
    out[name] = less(amount, reservation(config, name, amount));
    if (name.starts_with(kHugePages)) huge += amount;
  }
  if (const auto memory = out.find(kMemory); memory != out.end()) memory->second = less(memory->second, huge);
  return out;
}

Result<void> check_reservations(const ResourceConfig& config, const ResourceList& capacity) {
  std::string wrong;
  for (const auto& [name, amount] : capacity) {
    const Quantity reserved = reservation(config, name, amount);
    if (reserved <= amount) continue;
    wrong += " Resource \"" + name + "\" has a reservation of " + reserved.to_string() + " but capacity of " +
             amount.to_string() + ". Expected capacity >= reservation.";
  }
  if (wrong.empty()) return {};
  return make_error(Errc::invalid_argument, "invalid Node Allocatable configuration." + wrong);
}

}  // namespace keelson::agent
