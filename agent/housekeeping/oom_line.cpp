#include "agent/housekeeping/oom_line.hpp"

#include <algorithm>
#include <charconv>

#include "agent/spec/cgroup_name.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kStart = "oom-kill:";

// The value of ",key=" up to the next comma.
std::string_view value_of(std::string_view fields, std::string_view key) {
  const auto at = fields.find(key);
  if (at == std::string_view::npos) return {};
  const auto begin = at + key.size();
  return fields.substr(begin, fields.find(',', begin) - begin);
}

// Whether the record's prefix "PRIORITY+8*FACILITY,..." names the kernel, facility 0.
bool is_of_kernel(std::string_view prefix) {
  unsigned level = 0;
  const auto [end, ec] = std::from_chars(prefix.data(), prefix.data() + prefix.size(), level);
  return ec == std::errc() && level < 8;
}

}  // namespace

std::optional<OomKill> parse_oom_record(std::string_view record) {
  const auto semicolon = record.find(';');
  if (semicolon == std::string_view::npos || !is_of_kernel(record.substr(0, semicolon))) return std::nullopt;
  auto text = record.substr(semicolon + 1);
  text = text.substr(0, text.find('\n'));
  if (!text.starts_with(kStart)) return std::nullopt;
  OomKill out;
  out.system = value_of(text, "constraint=") != "CONSTRAINT_MEMCG";
  out.cgroup = value_of(text, ",task_memcg=");
  out.process = value_of(text, ",task=");
  const auto pid = value_of(text, ",pid=");
  const auto [end, ec] = std::from_chars(pid.data(), pid.data() + pid.size(), out.pid);
  if (ec != std::errc() || out.pid <= 0) return std::nullopt;
  return out;
}

CgroupOwner owner_of_cgroup(std::string_view cgroup) {
  CgroupOwner out;
  for (const auto& part : split(cgroup, '/')) {
    for (const auto driver : {spec::CgroupDriver::cgroupfs, spec::CgroupDriver::systemd}) {
      if (auto uid = spec::pod_uid_of_cgroup(part, driver)) {
        out = {std::move(*uid), {}};
        break;
      }
    }
    if (out.pod_uid.empty()) continue;
    auto name = part;
    if (name.ends_with(".scope")) name.resize(name.size() - std::string_view(".scope").size());
    if (const auto dash = name.rfind('-'); dash != std::string::npos) name = name.substr(dash + 1);
    const bool is_id = name.size() == 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                       });
    if (is_id) out.container_id = name;
  }
  return out;
}

}  // namespace keelson::agent
