#include "agent/standalone/folder.hpp"

#include "base/files.hpp"

namespace keelson::agent {
namespace {

constexpr Milliseconds kSettle{15};   // files are often written several at a time
constexpr Seconds kLookForFolder{5};  // when not even the parent can be watched

}  // namespace

FolderContent read_folder(const std::filesystem::path& dir) {
  FolderContent out;
  const auto names = list_dir(dir);
  if (!names) {
    out.problems.push_back({dir.string(), "", names.error().message});
    return out;
  }
  out.present = true;
  for (const auto& name : *names) {
    if (!is_manifest_name(name)) continue;
    std::error_code ec;
    const auto type = std::filesystem::status(dir / name, ec).type();
    if (type == std::filesystem::file_type::directory) continue;
    if (type != std::filesystem::file_type::regular) {
      out.problems.push_back({name, "", "not a readable file"});
      continue;
    }
    auto text = read_file(dir / name, kMaxManifestBytes);
    if (text) {
      out.files.push_back({name, std::move(*text)});
    } else if (text.error().code != Errc::not_found) {  // removed while we looked: not there
      out.problems.push_back({name, "", text.error().message});
    }
  }
  return out;
}

bool Folder::watch() {
  if (watcher_ && !watching_parent_) return true;
  auto opened = DirWatcher::open(executor_, dir_);
  watching_parent_ = !opened.has_value();
  if (!opened) opened = DirWatcher::open(executor_, dir_.has_parent_path() ? dir_.parent_path() : ".");
  if (!opened) {
    watcher_.reset();
    return false;
  }
  watcher_.emplace(std::move(*opened));
  return true;
}

Awaitable<FolderContent> Folder::read() {
  watch();  // before reading, so that no change in between is lost
  auto work = [dir = dir_] { return read_folder(dir); };
  co_return co_await pool_.run(std::move(work));
}

Awaitable<void> Folder::changed() {
  if (!watch()) {
    co_await sleep_for(kLookForFolder);
    co_return;
  }
  const auto result = co_await watcher_->changed(kSettle);
  if (!result) watcher_.reset();
}

}  // namespace keelson::agent
