#include "volumes/mounter.hpp"

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"
#include "volumes/paths.hpp"

namespace keelson::volumes {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape_octal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto digit = [](char c) { return c >= '0' && c <= '7'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && digit(text[i + 1]) && digit(text[i + 2]) && digit(text[i + 3])) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool parse_int(std::string_view text, int& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size();
}

// ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAG...] - FSTYPE SOURCE SUPEROPTIONS
bool parse_line(const std::string& line, MountEntry& entry) {
  const std::vector<std::string> fields = split(line, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 10 || dash - fields.begin() < 6 || fields.end() - dash < 4) return false;
  if (!parse_int(fields[0], entry.id) || !parse_int(fields[1], entry.parent)) return false;
  entry.root = unescape_octal(fields[3]);
  entry.mount_point = unescape_octal(fields[4]);
  entry.options = split(fields[5], ',');
  for (auto tag = fields.begin() + 6; tag != dash; ++tag) {
    if (tag->starts_with("shared:") && !parse_int(std::string_view(*tag).substr(7), entry.peer_group)) return false;
  }
  entry.fs_type = dash[1];
  entry.source = unescape_octal(dash[2]);
  for (auto& option : split(dash[3], ',')) entry.options.push_back(unescape_octal(option));
  return true;
}

// Whether the line's mount point is surely not at or below `base`: told from the text, before anything is allocated.
bool is_elsewhere(std::string_view line, std::string_view base) {
  constexpr int kFieldsBefore = 4;  // ID PARENT MAJ:MIN ROOT
  for (int field = 0; field < kFieldsBefore; ++field) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return false;
    line.remove_prefix(space + 1);
  }
  const auto point = line.substr(0, line.find(' '));
  return point.find('\\') == std::string_view::npos && !is_at_or_below(point, base);
}

}  // namespace

Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text, std::string_view base) {
  std::vector<MountEntry> entries;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || is_elsewhere(line, base)) continue;
    MountEntry entry;
    if (!parse_line(std::string(line), entry))
      return make_error(Errc::io, "mountinfo: line not understood: " + std::string(line));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<bool> is_mount_point(Mounter& mounter, const std::string& path) {
  TRY(const auto entries, mounter.mounts(path));
  return std::any_of(entries.begin(), entries.end(), [&](const MountEntry& e) { return e.mount_point == path; });
}

Result<void> unmount_all_below(Mounter& mounter, const std::string& base) {
  // A round unmounts what the table shows; another one follows only if that brought up something (a stack of mounts,
  // a mount made meanwhile). A container that mounts faster than we unmount is not waited for.
  constexpr int kRounds = 8;
  for (int round = 0; round < kRounds; ++round) {
    TRY(auto entries, mounter.mounts(base));
    std::erase_if(entries, [&](const MountEntry& e) { return !is_at_or_below(e.mount_point, base); });
    if (entries.empty()) return {};
    for (const MountEntry& entry : entries) {
      if (entry.shared()) CHECK_OK(mounter.make_private(entry.mount_point));
    }
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      CHECK_OK(mounter.unmount(entry->mount_point));
    }
  }
  return make_error(Errc::failed_precondition, base + ": new mounts keep appearing below it while it is torn down");
}

Result<void> ensure_shared(Mounter& mounter, const std::string& root) {
  TRY(const auto entries, mounter.mounts("/"));
  const MountEntry* holder = nullptr;  // the last one with the longest mount point is what is visible
  for (const MountEntry& entry : entries) {
    if (!is_at_or_below(root, entry.mount_point)) continue;
    if (holder == nullptr || entry.mount_point.size() >= holder->mount_point.size()) holder = &entry;
  }
  if (holder != nullptr && holder->shared()) return {};
  if (holder == nullptr || holder->mount_point != root) CHECK_OK(mounter.bind(root, root, {}));
  return mounter.make_shared_recursive(root);
}

}  // namespace keelson::volumes
