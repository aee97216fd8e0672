#include "proxy/nft_objects.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

#include "base/strings.hpp"

namespace keelson::proxy {
namespace {

constexpr std::uint8_t number_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return IPPROTO_TCP;
    case Protocol::udp:
      return IPPROTO_UDP;
    case Protocol::sctp:
      return IPPROTO_SCTP;
  }
  return IPPROTO_TCP;
}

const char* protocol_name(std::uint8_t number) {
  return number == IPPROTO_TCP ? "tcp" : number == IPPROTO_UDP ? "udp" : number == IPPROTO_SCTP ? "sctp" : "?";
}

std::size_t total(const std::vector<NftField>& fields, Family family) {
  std::size_t size = 0;
  for (const NftField field : fields) size += size_of(field, family);
  return size;
}

std::string text_of(NftField field, std::string_view raw) {
  std::uint32_t number = 0;
  switch (field) {
    case NftField::address:
      return IpAddress::from_bytes(raw.data(), raw.size()).to_string();
    case NftField::protocol:
      return protocol_name(static_cast<std::uint8_t>(raw.front()));
    case NftField::port:
      return std::to_string(static_cast<std::uint8_t>(raw[0]) << 8 | static_cast<std::uint8_t>(raw[1]));
    case NftField::number:
      std::memcpy(&number, raw.data(), sizeof number);
      return fmt::format("0x{:08x}", number);
  }
  return {};
}

std::string text_of(const std::vector<NftField>& fields, std::string_view raw, Family family) {
  std::string text;
  for (const NftField field : fields) {
    const std::size_t size = size_of(field, family);
    if (raw.size() < size) return text + " (cut off)";
    if (!text.empty()) text += " . ";
    text += text_of(field, raw.substr(0, size));
    raw.remove_prefix(size);
  }
  return text;
}

}  // namespace

std::size_t size_of(NftField field, Family family) {
  return field == NftField::address && family == Family::ipv6 ? 16 : 4;
}

const NftSetInfo& info_of(NftSet set) {
  using enum NftField;
  static const std::array<NftSetInfo, kNftSets> kInfos{{
      {"service-frontends", {address, protocol, port}, {number, number, number, number}},
      {"nodeport-frontends", {protocol, port}, {number, number, number, number}},
      {"service-endpoints", {number, number, number}, {address, port}},
      {"sticky-choices", {number, number, number}, {number, address, port}},
      {"sticky-endpoints", {address, port, number, number}, {}},
      {"sticky-local-endpoints", {address, port, number, number}, {}},
      {"rejected-services", {address, protocol, port}, {}},
      {"rejected-nodeports", {protocol, port}, {}},
      {"dropped-services", {address, protocol, port}, {}},
      {"dropped-nodeports", {protocol, port}, {}},
      {"firewalled-services", {address, protocol, port}, {}},
      {"firewall-sources", {address, protocol, port, address, number}, {}},
      {"cluster-ips", {address}, {}},
      {"nodeport-ips", {address}, {}},
      {"hairpin-endpoints", {address, address}, {}},
      {"handlers", {number}, {}},
      {"affinity", {number, number, address}, {number, address, port}},
  }};
  return kInfos[static_cast<std::size_t>(set)];
}

std::size_t key_size(NftSet set, Family family) { return total(info_of(set).key, family); }
std::size_t data_size(NftSet set, Family family) { return total(info_of(set).data, family); }

NftElement take_element(std::string_view& records, Family family) {
  NftElement element;
  element.set = static_cast<NftSet>(records.front());
  const std::size_t key = key_size(element.set, family), data = data_size(element.set, family);
  element.key = records.substr(1, key);
  element.data = records.substr(1 + key, data);
  records.remove_prefix(1 + key + data);
  return element;
}

std::string describe(const NftElement& element, Family family) {
  const NftSetInfo& info = info_of(element.set);
  std::string text = std::string(info.name) + ' ' + text_of(info.key, element.key, family);
  if (!info.data.empty() && !element.data.empty()) text += " : " + text_of(info.data, element.data, family);
  return text;
}

NftRecord::NftRecord(std::string& out, NftSet set, Family family) : out_(out), family_(family) {
  out_.push_back(static_cast<char>(set));
}

NftRecord& NftRecord::address(const IpAddress& ip) {
  const std::size_t size = size_of(NftField::address, family_);
  out_.append(reinterpret_cast<const char*>(ip.bytes.data()) + ip.bytes.size() - size, size);
  return *this;
}

NftRecord& NftRecord::protocol(Protocol protocol) {
  out_.push_back(static_cast<char>(number_of(protocol)));
  out_.append(3, '\0');
  return *this;
}

NftRecord& NftRecord::port(std::uint16_t port) {
  out_.push_back(static_cast<char>(port >> 8));
  out_.push_back(static_cast<char>(port & 0xff));
  out_.append(2, '\0');
  return *this;
}

// In the host's order, as the kernel's numgen and immediate expressions leave numbers in registers.
NftRecord& NftRecord::number(std::uint32_t value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out_.append(raw, sizeof raw);
  return *this;
}

std::string NftHandler::chain() const {
  static constexpr std::array<const char*, 6> kNames{"internal",       "internal-local", "external",
                                                     "external-local", "nodeport",       "nodeport-local"};
  std::string name = kNames[static_cast<std::size_t>(kind) % kNames.size()];
  const bool uses_cluster = kind != Kind::internal_local;
  const bool uses_local = kind != Kind::internal && kind != Kind::external && kind != Kind::nodeport;
  if (uses_cluster) name += '-' + std::to_string(cluster);
  if (uses_local) name += '-' + std::to_string(local);
  if (affinity_seconds != 0) name += "-sticky-" + std::to_string(affinity_seconds);
  return name;
}

std::uint32_t NftHandlers::number(const NftHandler& handler) {
  const auto [it, added] = numbers_.try_emplace(handler, static_cast<std::uint32_t>(handlers_.size()));
  if (added) handlers_.push_back(handler);
  return it->second;
}

void NftHandlers::clear() {
  numbers_.clear();
  handlers_.clear();
}

NftServiceId nft_service_id(std::string_view port_name, Protocol protocol) {
  const std::string digest = sha256(std::string(port_name) + '/' + std::string(to_string(protocol)));
  NftServiceId id{};
  std::memcpy(id.data(), digest.data(), sizeof id);
  return id;
}

}  // namespace keelson::proxy
