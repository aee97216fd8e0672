// The files behind PullRecords, named and written as upstream's pkg/kubelet/images/pullmanager/fs_pullrecords.go does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keelson::agent {

// The record of `key` (an image's ID, or a name) in `dir`.
[[nodiscard]] std::filesystem::path record_path(const std::filesystem::path& dir, const std::string& key);

// The records in `dir`, without what a write that was cut off left; none where there is no such folder.
[[nodiscard]] std::vector<std::filesystem::path> record_files(const std::filesystem::path& dir);

// ImagePullIntent of kubelet.config.k8s.io, and the image it names; empty where the text is none.
[[nodiscard]] std::string encode_intent(const std::string& image);
[[nodiscard]] std::string decode_intent(const std::string& text);

}  // namespace keelson::agent
