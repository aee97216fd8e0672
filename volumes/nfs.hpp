// nfs: an export of a server, mounted by mount.nfs into the pod's folder (upstream: pkg/volume/nfs/nfs.go). fsGroup is
// not applied, and nothing of the export is ever removed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "volumes/kind.hpp"
#include "volumes/runner.hpp"

namespace keelson::volumes {

// mount -t nfs -o OPTIONS SERVER:PATH TARGET, as upstream calls it: an IPv6 server in brackets, no -o without options,
// "ro" after the PersistentVolume's own options.
[[nodiscard]] std::vector<std::string> nfs_mount_command(const kube::NfsVolumeSource& source,
                                                         std::vector<std::string> options, bool read_only,
                                                         const std::string& target);

// Why the mount failed, with what the node lacks where the text tells.
[[nodiscard]] Error nfs_mount_error(const std::vector<std::string>& command, const CommandResult& result);

// `runner` lives as long as the process.
[[nodiscard]] std::unique_ptr<VolumeKind> make_nfs_kind(KindContextPtr context, Jobs& jobs, Runner& runner);

}  // namespace keelson::volumes
