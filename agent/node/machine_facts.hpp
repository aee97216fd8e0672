// Who this machine is: what Node.status.nodeInfo says of it. Sizes are spec::read_node_facts()'s.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace keelson::agent {

struct MachineFacts {
  std::string machine_id;      // /etc/machine-id
  std::string system_uuid;     // the firmware's, else the machine id
  std::string boot_id;         // another one after each boot
  std::string kernel_version;  // "6.1.0-18-amd64"
  std::string os_image;        // PRETTY_NAME of os-release; "Linux" when it has none
  std::string architecture;    // Go's name: "amd64"
  bool operator==(const MachineFacts&) const = default;
};

// Reads them from the files below `root` (tests: a fixture tree). A file that is missing leaves its field empty, as
// upstream does: a node without a firmware UUID is a node all the same. (cadvisor machine/info.go, utils/sysfs)
[[nodiscard]] MachineFacts read_machine_facts(const std::filesystem::path& root = "/");

// uname's machine name to Go's: "x86_64" -> "amd64". An unknown one stays as it is.
[[nodiscard]] std::string go_architecture(std::string_view machine);

// PRETTY_NAME of an os-release file, unquoted; "Linux" when there is none.
[[nodiscard]] std::string pretty_os_name(std::string_view os_release);

}  // namespace keelson::agent
