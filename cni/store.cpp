#include "cni/store.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <cerrno>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "cni/json_util.hpp"

namespace keelson::cni {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 3> kStateNames = {"adding", "added", "deleting"};
constexpr std::string_view kSuffix = ".json";
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirMode = 0700;

// '@' is in no container ID, so the name is unambiguous.
std::string file_name(const AttachmentId& id) { return id.container_id + "@" + id.ifname + std::string(kSuffix); }

// An ID out of the outside must not lead out of the folder.
Result<void> validate(const AttachmentId& id) {
  CHECK_OK(validate_container_id(id.container_id));
  return validate_interface_name(id.ifname);
}

Json render_attachment(const Attachment& attachment) {
  Json args = Json::array();
  for (const auto& [key, value] : attachment.args) args.push_back({key, value});
  return {{"containerId", attachment.container_id},
          {"ifName", attachment.ifname},
          {"netns", attachment.netns},
          {"cniArgs", std::move(args)}};
}

Result<Args> parse_arg_pairs(const Json& object) {
  Args args;
  const Json* list = member(object, "cniArgs");
  if (!list) return args;
  if (!list->is_array()) return wrong_type("cniArgs", "list", *list);
  for (const auto& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return wrong_type("cniArgs[]", "pair of strings", pair);
    }
    args.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return args;
}

Result<Attachment> parse_attachment(const Json& object) {
  Attachment out;
  TRY(out.container_id, get_string(object, "containerId"));
  TRY(out.ifname, get_string(object, "ifName"));
  TRY(out.netns, get_string(object, "netns"));
  TRY(out.args, parse_arg_pairs(object));
  CHECK_OK(with_context(validate_container_id(out.container_id), "containerId"));
  CHECK_OK(with_context(validate_interface_name(out.ifname), "ifName"));
  return out;
}

// The object at `key` as text; empty when absent.
Result<std::string> object_text(const Json& object, const char* key) {
  const Json* value = member(object, key);
  if (!value) return std::string();
  if (!value->is_object()) return wrong_type(key, "object", *value);
  return dump(*value);
}

Result<AttachmentState> parse_state(const Json& object) {
  TRY(std::string name, get_string(object, "state"));
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    if (name == kStateNames.at(i)) return static_cast<AttachmentState>(i);
  }
  return make_error(Errc::invalid_argument, "state: \"" + name + "\" is not adding, added or deleting");
}

Result<Tombstone> parse_tombstone(std::string_view text) {
  TRY(Json object, parse_json_object(text));
  Tombstone out;
  TRY(out.attachment, parse_attachment(object));
  TRY(out.config, get_string(object, "config"));
  return out;
}

// Takes a file that cannot be understood out of the way, so that it is looked at once and by a person.
void set_aside(const fs::path& path, const Error& why) {
  const fs::path aside = path.string() + ".unreadable";
  std::error_code ec;
  fs::rename(path, aside, ec);
  log_error("file cannot be understood, set aside",
            {{"file", path.string()}, {"as", ec ? std::string("(rename failed)") : aside.string()}, {"error", why}});
}

// Every record of the folder through `parse`; a missing folder holds none.
template <class T, class Parse>
Result<std::vector<T>> load_all(const fs::path& dir, Parse parse) {
  std::vector<T> out;
  auto names = list_dir(dir);
  if (!names) {
    if (names.error().code == Errc::not_found) return out;
    return names.error();
  }
  for (const auto& name : *names) {
    if (!name.ends_with(kSuffix) || name.starts_with('.')) continue;
    auto text = read_file(dir / name);
    if (!text && text.error().code == Errc::not_found) continue;  // removed since we listed
    auto record = text ? parse(*text) : Result<T>(text.error());
    if (record && file_name({record->attachment.container_id, record->attachment.ifname}) != name) {
      record = make_error(Errc::invalid_argument, "it holds the record of another attachment");
    }
    if (record) {
      out.push_back(std::move(*record));
    } else {
      set_aside(dir / name, record.error());
    }
  }
  return out;
}

}  // namespace

std::string_view to_string(AttachmentState state) { return kStateNames.at(static_cast<std::size_t>(state)); }

std::string render_record(const AttachmentRecord& record) {
  Json object = render_attachment(record.attachment);
  object["kind"] = "cniCacheV1";
  object["networkName"] = record.network_name;
  object["config"] = base64_encode(record.config);
  const auto put_object = [&object](const char* key, const std::string& text) {
    if (auto value = parse_json_object(text)) object[key] = std::move(*value);
  };
  put_object("capabilityArgs", record.attachment.runtime_config);
  put_object("result", record.result);
  object["podUid"] = record.pod_uid;
  object["state"] = to_string(record.state);
  object["created"] = record.created;
  return dump(object);
}

Result<AttachmentRecord> parse_record(std::string_view text) {
  TRY(Json object, parse_json_object(text));
  AttachmentRecord record;
  TRY(std::string kind, get_string(object, "kind"));
  if (kind != "cniCacheV1") return make_error(Errc::invalid_argument, "kind: \"" + kind + "\" is not cniCacheV1");
  TRY(record.attachment, parse_attachment(object));
  TRY(record.network_name, get_string(object, "networkName"));
  TRY(std::string config, get_string(object, "config"));
  if (!base64_decode(config, record.config)) return make_error(Errc::invalid_argument, "config: not base64");
  CHECK_OK(with_context(parse_network_list(record.config, {}), "config"));
  TRY(record.attachment.runtime_config, object_text(object, "capabilityArgs"));
  TRY(record.result, object_text(object, "result"));
  TRY(record.pod_uid, get_string(object, "podUid"));
  TRY(record.state, parse_state(object));
  const Json* created = member(object, "created");
  if (created && !created->is_number_integer()) return wrong_type("created", "integer", *created);
  record.created = created ? created->get<std::int64_t>() : 0;
  return record;
}

Result<void> AttachmentStore::open() const {
  CHECK_OK(make_dirs(dir_, kDirMode));
  TRY(auto names, list_dir(dir_));
  for (const auto& name : names) {
    if (name.starts_with('.') && name.find(".tmp-") != std::string::npos) CHECK_OK(remove_file(dir_ / name));
  }
  return {};
}

Result<void> AttachmentStore::put(const AttachmentRecord& record) const {
  CHECK_OK(validate(record.id()));
  return write_file_atomic(dir_ / file_name(record.id()), render_record(record), kFileMode, durability_);
}

Result<std::optional<AttachmentRecord>> AttachmentStore::get(const AttachmentId& id) const {
  CHECK_OK(validate(id));
  const fs::path path = dir_ / file_name(id);
  auto text = read_file(path);
  if (!text) {
    if (text.error().code == Errc::not_found) return std::optional<AttachmentRecord>();
    return text.error();
  }
  auto record = parse_record(*text);
  if (record && record->id() == id) return std::optional<AttachmentRecord>(std::move(*record));
  set_aside(path,
            record ? make_error(Errc::invalid_argument, "it holds the record of another attachment") : record.error());
  return std::optional<AttachmentRecord>();
}

Result<void> AttachmentStore::remove(const AttachmentId& id) const {
  CHECK_OK(validate(id));
  return remove_file(dir_ / file_name(id));
}

Result<std::vector<AttachmentRecord>> AttachmentStore::load() const {
  return load_all<AttachmentRecord>(dir_, parse_record);
}

Result<void> Spool::put(const Tombstone& tombstone) const {
  const AttachmentId id{tombstone.attachment.container_id, tombstone.attachment.ifname};
  CHECK_OK(validate(id));
  CHECK_OK(make_dirs(dir_, kDirMode));
  Json object = render_attachment(tombstone.attachment);
  object["config"] = tombstone.config;
  return write_file_atomic(dir_ / file_name(id), dump(object), kFileMode, Durability::durable);
}

Result<void> Spool::remove(const AttachmentId& id) const {
  CHECK_OK(validate(id));
  return remove_file(dir_ / file_name(id));
}

Result<std::vector<Tombstone>> Spool::load() const { return load_all<Tombstone>(dir_, parse_tombstone); }

Result<std::optional<StateLock>> StateLock::acquire(const fs::path& dir, Mode mode, bool wait) {
  CHECK_OK(make_dirs(dir, kDirMode));
  const fs::path path = dir / "lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
  if (!fd) return errno_error(errno, "open " + path.string());
  const int kind = (mode == Mode::agent ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);
  while (::flock(fd.get(), kind) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return std::optional<StateLock>();
    return errno_error(errno, "lock " + path.string());
  }
  return std::optional<StateLock>(StateLock(fd.release()));
}

}  // namespace keelson::cni
