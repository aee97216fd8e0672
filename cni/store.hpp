// The attachments that the agent made, one file each, written before a plugin runs (the intent) and after (the result),
// so that a kill at any moment leaves a file that says what has to be undone. The fields of libcni's cache
// ("cniCacheV1") keep their names; ours are podUid, state and created.
// Blocks on the disk: call on the BlockingPool. Used by the agent and, when that is down, by the shim.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/files.hpp"
#include "base/unique_fd.hpp"
#include "cni/chain.hpp"

namespace keelson::cni {

enum class AttachmentState {
  adding,    // ADD was begun; whether it ended is not known
  added,     // ADD succeeded, `result` is there
  deleting,  // DEL was begun, or is owed
};
[[nodiscard]] std::string_view to_string(AttachmentState state);

struct AttachmentRecord {
  Attachment attachment;
  std::string network_name;
  std::string config;   // the NetworkConfig's json
  std::string result;   // the ADD's result as JSON in the config's version; empty before `added`
  std::string pod_uid;  // empty when the runtime did not say
  AttachmentState state = AttachmentState::adding;
  std::int64_t created = 0;  // Unix seconds of the ADD

  [[nodiscard]] AttachmentId id() const { return {attachment.container_id, attachment.ifname}; }
};

// Pure codec of the file's content; parse errors name the field.
[[nodiscard]] std::string render_record(const AttachmentRecord& record);
Result<AttachmentRecord> parse_record(std::string_view text);

class AttachmentStore {
 public:
  explicit AttachmentStore(std::filesystem::path dir, Durability durability = Durability::durable)
      : dir_(std::move(dir)), durability_(durability) {}

  // Makes the folder (0700) if it is missing and removes temporary files that a killed writer left.
  Result<void> open() const;
  // Replaces the record's file (0600) atomically.
  Result<void> put(const AttachmentRecord& record) const;
  // The record, or nothing when there is none. A file that cannot be understood is renamed to NAME.unreadable, logged,
  // and counts as none.
  Result<std::optional<AttachmentRecord>> get(const AttachmentId& id) const;
  // Removing what is not there is success.
  Result<void> remove(const AttachmentId& id) const;
  // Every readable record; unreadable files are set aside as in get().
  Result<std::vector<AttachmentRecord>> load() const;

  [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }

 private:
  std::filesystem::path dir_;
  Durability durability_;
};

// A DEL that was accepted but not done, because the agent was down and the shim could not do it either.
struct Tombstone {
  Attachment attachment;
  std::string config;  // the stdin of the DEL, for people; the real config is in the attachment store
};

// The folder of tombstones. The shim writes, the agent replays and removes.
class Spool {
 public:
  explicit Spool(std::filesystem::path dir) : dir_(std::move(dir)) {}
  // Durable: fsync of the file and its folder.
  Result<void> put(const Tombstone& tombstone) const;
  Result<void> remove(const AttachmentId& id) const;
  // Unreadable files are set aside as in AttachmentStore. A missing folder is no tombstone.
  Result<std::vector<Tombstone>> load() const;

 private:
  std::filesystem::path dir_;
};

// The one lock between the agent (exclusive, for as long as it runs) and shims that work without it (shared).
// Released by the kernel when the holder dies.
class StateLock {
 public:
  enum class Mode { agent, shim };
  // Opens DIR/lock, making the folder if needed. `wait` false: nothing when it is held against us.
  static Result<std::optional<StateLock>> acquire(const std::filesystem::path& dir, Mode mode, bool wait);

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  UniqueFd fd_;
};

}  // namespace keelson::cni
