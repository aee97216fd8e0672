// Between spec/ and volumes/, which may not know each other: what files of the downward API show, and what variables
// take from files.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "agent/spec/node_facts.hpp"
#include "kube/container.hpp"
#include "volumes/pod_sources.hpp"
#include "volumes/volume.hpp"

namespace keelson::agent {

// fieldRef and resourceFieldRef of a volume's file. `facts` must outlive it.
[[nodiscard]] volumes::FieldSource volume_fields(const spec::NodeFacts& facts);

// The files that the container's env[].valueFrom.fileKeyRef name, by volume and path. Links that lead out of the volume
// are not followed. A file that cannot be read is an error in its place. Blocks.
using VolumeFiles = std::map<std::pair<std::string, std::string>, Result<std::string>>;
[[nodiscard]] bool has_env_files(const kube::Container& container);
[[nodiscard]] VolumeFiles read_env_files(const volumes::MountedVolumes& volumes, const kube::Container& container);

}  // namespace keelson::agent
