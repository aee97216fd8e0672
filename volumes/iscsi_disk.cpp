// The pure part of iscsi: from a source to the LUN that it names, and iscsi.json.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "volumes/iscsi.hpp"

namespace keelson::volumes {
namespace {

constexpr const char* kDefaultPort = ":3260";

Error refused(const std::string& field, const std::string& why) {
  return make_error(Errc::invalid_argument, "iscsi." + field + ": " + why);
}

// One path component of a device's link, and an argument: nothing else may be in it.
bool is_plain(const std::string& text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == ':' || c == '-' || c == '_' ||
           c == '[' || c == ']' || c == '%';
  });
}

// With upstream's default port where there is none; "[::1]" has none though it has colons.
std::string with_port(const std::string& portal) {
  const auto colon = portal.rfind(':');
  const bool bare = colon == std::string::npos || (portal.starts_with('[') && portal.ends_with(']'));
  return bare ? portal + kDefaultPort : portal;
}

}  // namespace

Result<IscsiDisk> iscsi_disk(const kube::IscsiVolumeSource& source, const kube::Secret* secret, bool read_only) {
  IscsiDisk disk;
  std::vector<std::string> portals = {source.target_portal};
  portals.insert(portals.end(), source.portals.begin(), source.portals.end());
  for (const std::string& portal : portals) {
    if (!is_plain(portal)) return refused("targetPortal", "\"" + portal + "\" is not an address");
    const std::string full = with_port(portal);
    if (std::find(disk.portals.begin(), disk.portals.end(), full) == disk.portals.end()) disk.portals.push_back(full);
  }
  if (!is_plain(source.iqn)) return refused("iqn", "\"" + source.iqn + "\" is not a name of a target");
  if (source.initiator_name) {
    return refused("initiatorName", "not supported by this node: the name in /etc/iscsi/initiatorname.iscsi is used");
  }
  disk.iqn = source.iqn;
  disk.lun = source.lun;
  if (!source.iscsi_interface.empty()) disk.interface = source.iscsi_interface;
  if (!is_plain(disk.interface)) return refused("iscsiInterface", "\"" + disk.interface + "\" is not a name");
  if (!source.fs_type.empty()) disk.fs_type = source.fs_type;
  if (!is_plain(disk.fs_type)) return refused("fsType", "\"" + disk.fs_type + "\" is not a file system");
  disk.read_only = read_only;
  disk.chap_discovery = source.chap_auth_discovery.value_or(false);
  disk.chap_session = source.chap_auth_session.value_or(false);
  if (!disk.chap_discovery && !disk.chap_session) return disk;
  if (!source.secret_ref) return refused("secretRef", "needed for CHAP");
  if (secret == nullptr) return make_error(Errc::not_found, "secret \"" + source.secret_ref->name + "\" not found");
  disk.secret.insert(secret->data.begin(), secret->data.end());
  return disk;
}

std::string iscsi_global_name(const IscsiDisk& disk) {
  return "iface-" + disk.interface + "/" + disk.portals.front() + "-" + disk.iqn + "-lun-" + std::to_string(disk.lun);
}

std::string encode_iscsi(const IscsiDisk& disk) {
  return nlohmann::json{{"Portals", disk.portals}, {"Iqn", disk.iqn}, {"Lun", disk.lun}, {"Iface", disk.interface}}
      .dump();
}

Result<IscsiDisk> decode_iscsi(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto invalid = [] { return make_error(Errc::invalid_argument, "iscsi.json: not what was written"); };
  if (!json.is_object()) return invalid();
  try {
    IscsiDisk disk;
    json.at("Portals").get_to(disk.portals);
    json.at("Iqn").get_to(disk.iqn);
    json.at("Lun").get_to(disk.lun);
    json.at("Iface").get_to(disk.interface);
    const bool plain = !disk.portals.empty() && std::all_of(disk.portals.begin(), disk.portals.end(), is_plain);
    if (!plain || !is_plain(disk.iqn) || !is_plain(disk.interface)) return invalid();
    return disk;
  } catch (const nlohmann::json::exception&) {
    return invalid();
  }
}

}  // namespace keelson::volumes
