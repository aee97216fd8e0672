#include "kube/codec_reader.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/strings.hpp"

namespace keelson::kube {
namespace {

constexpr std::size_t kMaxErrors = 10;
constexpr std::size_t kMaxShown = 60;  // of a value in a message

// What stands there, for a message: `string "x"`, `object`, `number 1.5`.
std::string shown(const nlohmann::json& json) {
  if (json.is_object() || json.is_array()) return json.type_name();
  std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return std::string(json.type_name()) + ' ' + text;
}

}  // namespace

bool Reader::enter(const char* name) {
  seen_.push_back(name);
  auto it = current_->find(name);
  if (it == current_->end() || it->is_null()) return false;
  stack_.push_back({current_, {name, nullptr, 0}});
  current_ = &*it;
  return true;
}

void Reader::enter_element(std::size_t index) {
  stack_.push_back({current_, {nullptr, nullptr, index}});
  current_ = &(*current_)[index];
}

void Reader::enter_key(const std::string& key) {
  stack_.push_back({current_, {nullptr, &key, 0}});
  current_ = &*current_->find(key);
}

void Reader::leave() {
  current_ = stack_.back().json;
  stack_.pop_back();
}

bool Reader::begin_array(std::size_t& size) {
  if (!current_->is_array()) return expected("array"), false;
  size = current_->size();
  return true;
}

std::vector<std::string> Reader::keys() {
  std::vector<std::string> keys;
  if (!current_->is_object()) return expected("object"), keys;
  for (auto it = current_->begin(); it != current_->end(); ++it) keys.push_back(it.key());
  return keys;
}

bool Reader::begin_object() {
  if (current_->is_null()) return false;  // a null element is an empty one
  if (!current_->is_object()) return expected("object"), false;
  first_seen_.push_back(seen_.size());
  return true;
}

void Reader::end_object() {
  auto first = seen_.begin() + static_cast<std::ptrdiff_t>(first_seen_.back());
  for (auto it = current_->begin(); it != current_->end(); ++it) {
    bool known = std::any_of(first, seen_.end(), [&](const char* name) { return it.key() == name; });
    if (!known) warn(it.key().c_str(), "unknown field");
  }
  seen_.resize(first_seen_.back());
  first_seen_.pop_back();
}

void Reader::ignore(const char* name) { seen_.push_back(name); }

void Reader::unsupported(const char* name) {
  if (!enter(name)) return;
  leave();
  warn(name, "not supported here, ignored");
}

void Reader::others(std::vector<std::string>& names) {
  auto first = seen_.begin() + static_cast<std::ptrdiff_t>(first_seen_.back());
  std::vector<std::string> known(first, seen_.end());
  for (auto it = current_->begin(); it != current_->end(); ++it) {
    if (!it->is_object() || std::find(known.begin(), known.end(), it.key()) != known.end()) continue;
    names.push_back(it.key());
    seen_.push_back(it.key().c_str());
  }
}

void Reader::base64(const char* name, std::map<std::string, std::string>& values) {
  if (!enter(name)) return;
  for (const std::string& key : keys()) {
    enter_key(key);
    std::string text;
    read(text);
    if (!base64_decode(text, values[key])) fail("expected base64");
    leave();
  }
  leave();
}

void Reader::names(const char* name, std::vector<std::string>& values) {
  if (!enter(name)) return;
  std::size_t size = 0;
  if (begin_array(size)) {
    values.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      enter_element(i);
      if (begin_object()) {
        (*this)("name", values[i]);
        end_object();
      }
      leave();
    }
  }
  leave();
}

void Reader::read(bool& value) {
  if (current_->is_null()) return;
  if (!current_->is_boolean()) return expected("boolean");
  value = current_->get<bool>();
}

bool Reader::read_integer(std::int64_t min, std::int64_t max, std::int64_t& value) {
  if (current_->is_null()) return false;
  if (!current_->is_number_integer()) return expected("integer"), false;
  bool huge = current_->is_number_unsigned() &&
              current_->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  value = current_->get<std::int64_t>();
  if (!huge && value >= min && value <= max) return true;
  expected(max == std::numeric_limits<std::int32_t>::max() ? "32-bit integer" : "64-bit integer");
  return false;
}

void Reader::read(std::int32_t& value) {
  std::int64_t wide = 0;
  using Limits = std::numeric_limits<std::int32_t>;
  if (read_integer(Limits::min(), Limits::max(), wide)) value = static_cast<std::int32_t>(wide);
}

void Reader::read(std::int64_t& value) {
  std::int64_t wide = 0;
  using Limits = std::numeric_limits<std::int64_t>;
  if (read_integer(Limits::min(), Limits::max(), wide)) value = wide;
}

void Reader::read(std::string& value) {
  if (current_->is_null()) return;
  if (!current_->is_string()) return expected("string");
  value = current_->get_ref<const std::string&>();
}

void Reader::read(Time& value) {
  if (!current_->is_string()) return expected("time");
  auto time = parse_time(current_->get_ref<const std::string&>());
  if (!time) return fail(time.error().message);
  value = *time;
}

// A number is taken at its text, as upstream does.
void Reader::read(Quantity& value) {
  if (!current_->is_string() && !current_->is_number()) return expected("quantity");
  std::string text = current_->is_string() ? current_->get<std::string>() : current_->dump();
  auto quantity = Quantity::parse(trim(text));
  if (!quantity) return fail(quantity.error().message);
  value = *quantity;
}

void Reader::read(IntOrString& value) {
  if (current_->is_string()) {
    value = current_->get<std::string>();
  } else if (current_->is_number_integer()) {
    std::int32_t number = 0;
    read(number);
    value = number;
  } else {
    expected("integer or string");
  }
}

std::string Reader::path(const char* last) const {
  std::string text;
  auto add = [&](std::string_view name) { text.append(text.empty() ? "" : ".").append(name); };
  for (const Frame& frame : stack_) {
    if (frame.segment.field != nullptr) {
      add(frame.segment.field);
    } else if (frame.segment.key != nullptr) {
      text += '[' + *frame.segment.key + ']';
    } else {
      text += '[' + std::to_string(frame.segment.index) + ']';
    }
  }
  if (last != nullptr) add(last);
  return text;
}

void Reader::expected(const char* what) { fail("expected " + std::string(what) + ", got " + shown(*current_)); }

void Reader::fail(const std::string& why) {
  if (errors_.size() >= kMaxErrors) {
    ++more_errors_;
    return;
  }
  std::string at = path();
  errors_.push_back(at.empty() ? why : at + ": " + why);
}

void Reader::warn(const char* field, const char* why) {
  if (warnings_ != nullptr) warnings_->push_back(path(field) + ": " + why);
}

std::string Reader::error_text() const {
  std::string text = join(errors_, "; ");
  if (more_errors_ > 0) text += "; and " + std::to_string(more_errors_) + " more";
  return text;
}

}  // namespace keelson::kube
