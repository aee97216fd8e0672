#include "agent/spec/user_namespaces.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "agent/spec/security.hpp"
#include "base/files.hpp"

namespace keelson::spec {
namespace {

constexpr const char* kFile = "userns";

Error bad_file(const std::string& uid, const std::string& why) {
  return make_error(Errc::invalid_argument, "user namespace of pod " + uid + ": invalid mappings file: " + why);
}

// The one mapping of a list: root of the pod to the first id of a block.
std::optional<std::uint32_t> host_id_of(const nlohmann::json& file, const char* field) {
  const auto list = file.find(field);
  if (list == file.end() || !list->is_array() || list->size() != 1 || !list->front().is_object()) return std::nullopt;
  const auto number = [&](const char* name) -> std::optional<std::uint64_t> {
    const auto it = list->front().find(name);
    if (it == list->front().end() || !it->is_number_unsigned()) return std::nullopt;
    return it->get<std::uint64_t>();
  };
  const auto host = number("hostId");
  const bool whole = number("containerId") == 0U && number("length") == kUserNamespaceLength;
  if (!host || !whole || *host % kUserNamespaceLength != 0 || *host >= 1ULL << 32) return std::nullopt;
  return static_cast<std::uint32_t>(*host);
}

Result<std::optional<std::uint32_t>> read_mapping(const std::filesystem::path& file, const std::string& uid) {
  const auto text = read_file(file);
  if (!text && text.error().code == Errc::not_found) return std::optional<std::uint32_t>();
  if (!text) return text.error();
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) return bad_file(uid, "it is no JSON object");
  const auto users = host_id_of(json, "uidMappings"), groups = host_id_of(json, "gidMappings");
  if (!users || users != groups) return bad_file(uid, "it must map root to one block of ids, users and groups alike");
  return users;
}

std::string mapping_text(std::uint32_t first) {
  const nlohmann::json one = {{"hostId", first}, {"containerId", 0}, {"length", kUserNamespaceLength}};
  return nlohmann::json{{"uidMappings", {one}}, {"gidMappings", {one}}}.dump();
}

}  // namespace

Result<IdRange> parse_subids(const std::string& text) {
  std::istringstream words(text);
  std::string index, user, rest;
  IdRange range;
  if (!(words >> index >> user >> range.first >> range.count) || (words >> rest)) {
    return make_error(Errc::invalid_argument,
                      "getsubids: expected one line \"0: USER FIRST COUNT\", got \"" + text + '"');
  }
  const bool whole = range.first % kUserNamespaceLength == 0 && range.count % kUserNamespaceLength == 0;
  if (!whole || range.first < kUserNamespaceLength || range.count == 0 || range.first + range.count > 1ULL << 32) {
    return make_error(Errc::invalid_argument,
                      "getsubids: the range must begin at a multiple of 65536 other than 0, and hold whole blocks of "
                      "65536 ids; got \"" +
                          text + '"');
  }
  return range;
}

Result<std::optional<std::uint32_t>> UserNamespaces::find(const std::string& uid) const {
  return read_mapping(pods_dir_ / uid / kFile, uid);
}

Result<std::uint32_t> UserNamespaces::ensure(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  TRY(const auto own, find(uid));
  if (own) return *own;
  std::set<std::uint64_t> taken;
  std::error_code ec;
  for (std::filesystem::directory_iterator it(pods_dir_, ec), end; !ec && it != end; it.increment(ec)) {
    TRY(const auto other, find(it->path().filename().string()));
    if (other) taken.insert(*other);
  }
  if (ec) return make_error(Errc::io, "read " + pods_dir_.string() + ": " + ec.message());
  for (auto first = range_.first; first + kUserNamespaceLength <= range_.first + range_.count;
       first += kUserNamespaceLength) {
    if (taken.count(first) > 0) continue;
    CHECK_OK(write_file_atomic(pods_dir_ / uid / kFile, mapping_text(static_cast<std::uint32_t>(first)), 0600));
    return static_cast<std::uint32_t>(first);
  }
  return make_error(Errc::resource_exhausted, "could not find an empty slot to allocate a user namespace");
}

}  // namespace keelson::spec
