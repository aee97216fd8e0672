// iscsi: a LUN of a target, logged in to by iscsiadm (upstream: pkg/volume/iscsi). What is supported:
//   targetPortal and portals (each logged in to; with multipathd the device mapper's device is used), CHAP for
//   discovery and session, fsType (a blank disk is formatted), readOnly, mountOptions, fsGroup, volumeMode Filesystem.
// What is not, and refused by name: initiatorName, interfaces other than of transport tcp, volumeMode Block.
//
// A device is mounted once, at plugins/kubernetes.io/iscsi/iface-IFACE/PORTAL-IQN-lun-N, and bound from there into the
// pods; iscsi.json in the mount point (under the mount) says how to let go of it. What nothing is bound from any more
// is unmounted, its device removed and, with the last LUN of a target, its session logged out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "volumes/kind.hpp"
#include "volumes/runner.hpp"

namespace keelson::volumes {

// A LUN, its source's fields checked and filled in.
struct IscsiDisk {
  std::vector<std::string> portals;  // "10.0.2.15:3260", targetPortal first
  std::string iqn;
  int lun = 0;
  std::string interface = "default";
  std::string fs_type = "ext4";
  bool read_only = false;
  bool chap_discovery = false;
  bool chap_session = false;
  std::map<std::string, std::string> secret;  // keys as iscsiadm names them
  bool operator==(const IscsiDisk&) const = default;
};

// From a volume's source; `secret` is the one it names, or null. Errors name the field.
Result<IscsiDisk> iscsi_disk(const kube::IscsiVolumeSource& source, const kube::Secret* secret, bool read_only);

// "iface-default/10.0.2.15:3260-iqn.x:y-lun-0", below the plugin's folder.
[[nodiscard]] std::string iscsi_global_name(const IscsiDisk& disk);

// Upstream's iscsi.json, without the secrets.
[[nodiscard]] std::string encode_iscsi(const IscsiDisk& disk);
Result<IscsiDisk> decode_iscsi(const std::string& text);

// Where the kernel shows sessions, hosts and disks; tests have their own.
struct IscsiSystem {
  std::string sys = "/sys";
  std::string dev = "/dev";
  Seconds device_patience{30};
};

// Logs in where there is no session yet, scans for the LUN, and returns its device. The sequence of commands for each
// portal is upstream's AttachDisk; a portal that fails is skipped while another one works. Errors never hold a secret.
Awaitable<Result<std::string>> attach_iscsi(Runner& runner, IscsiSystem system, IscsiDisk disk);

// Removes the LUN's devices; logs out of each portal that has no other LUN of the target.
Awaitable<Result<void>> detach_iscsi(Runner& runner, IscsiSystem system, IscsiDisk disk);

// Makes sure that there is a file system of that type on the device: checks it, or makes it on a blank disk (never
// when read-only).
Awaitable<Result<void>> prepare_file_system(Runner& runner, std::string device, std::string fs_type, bool read_only);

// `runner` lives as long as the process.
[[nodiscard]] std::unique_ptr<VolumeKind> make_iscsi_kind(KindContextPtr context, Jobs& jobs, Runner& runner,
                                                          IscsiSystem system = {});

}  // namespace keelson::volumes
