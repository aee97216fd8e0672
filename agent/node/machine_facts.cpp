#include "agent/node/machine_facts.hpp"

#include <sys/utsname.h>

#include <array>
#include <initializer_list>
#include <utility>

#include "base/files.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

// The first of the files that can be read, trimmed; some of the device tree's end in a NUL.
std::string first_of(const std::filesystem::path& root, std::initializer_list<const char*> files) {
  for (const char* file : files) {
    auto text = read_file(root / file, 1 << 16);
    if (!text) continue;
    while (text->ends_with('\0')) text->pop_back();
    return std::string(trim(*text));
  }
  return {};
}

}  // namespace

std::string go_architecture(std::string_view machine) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames = {{{"x86_64", "amd64"},
                                                                                           {"aarch64", "arm64"},
                                                                                           {"armv7l", "arm"},
                                                                                           {"armv6l", "arm"},
                                                                                           {"i686", "386"},
                                                                                           {"ppc64le", "ppc64le"},
                                                                                           {"s390x", "s390x"},
                                                                                           {"riscv64", "riscv64"}}};
  for (const auto& [ours, go] : kNames) {
    if (machine == ours) return std::string(go);
  }
  return std::string(machine);
}

std::string pretty_os_name(std::string_view os_release) {
  constexpr std::string_view kKey = "PRETTY_NAME=";
  for (const auto& line : split(os_release, '\n')) {
    if (!line.starts_with(kKey)) continue;
    std::string_view value = trim(std::string_view(line).substr(kKey.size()));
    while (value.starts_with('"') || value.starts_with('\'')) value.remove_prefix(1);
    while (value.ends_with('"') || value.ends_with('\'')) value.remove_suffix(1);
    return std::string(value);
  }
  return "Linux";
}

MachineFacts read_machine_facts(const std::filesystem::path& root) {
  MachineFacts facts;
  facts.machine_id = first_of(root, {"etc/machine-id", "var/lib/dbus/machine-id"});
  facts.boot_id = first_of(root, {"proc/sys/kernel/random/boot_id"});
  facts.system_uuid = first_of(root, {"sys/class/dmi/id/product_uuid", "proc/device-tree/system-id",
                                      "proc/device-tree/vm,uuid", "etc/machine-id"});
  facts.kernel_version = first_of(root, {"proc/sys/kernel/osrelease"});
  facts.os_image = pretty_os_name(first_of(root, {"etc/os-release", "usr/lib/os-release"}));
  utsname name{};
  if (::uname(&name) == 0) facts.architecture = go_architecture(name.machine);
  return facts;
}

}  // namespace keelson::agent
