#include "kube/codec_writer.hpp"

#include <nlohmann/json.hpp>

#include "base/strings.hpp"

namespace keelson::kube {

void Writer::enter(const char* name) {
  stack_.push_back(current_);
  current_ = &(*current_)[name];
}

void Writer::enter_element() {
  stack_.push_back(current_);
  current_ = &current_->emplace_back();
}

void Writer::leave() {
  current_ = stack_.back();
  stack_.pop_back();
}

void Writer::drop_if_empty(const char* name) {
  auto it = current_->find(name);
  if (it->is_object() && it->empty()) current_->erase(it);
}

void Writer::begin_object() { *current_ = nlohmann::json::object(); }

void Writer::begin_array(std::size_t size) {
  *current_ = nlohmann::json::array();
  current_->get_ref<nlohmann::json::array_t&>().reserve(size);
}

void Writer::write(bool value) { *current_ = value; }
void Writer::write(std::int64_t value) { *current_ = value; }
void Writer::write(const char* value) { *current_ = value; }
void Writer::write(const std::string& value) { *current_ = value; }
void Writer::write(const Time& value) { *current_ = format_time(value); }
void Writer::write(const Quantity& value) { *current_ = value.to_string(); }

void Writer::write(const IntOrString& value) {
  if (value.is_int()) {
    *current_ = value.int_value();
  } else {
    *current_ = value.string_value();
  }
}

void Writer::base64(const char* name, const std::map<std::string, std::string>& values) {
  for (const auto& [key, value] : values) (*current_)[name][key] = base64_encode(value);
}

void Writer::micro(const char* name, const std::optional<Time>& value) {
  if (value) (*current_)[name] = format_micro_time(*value);
}

void Writer::names(const char* name, const std::vector<std::string>& values) {
  for (const std::string& value : values) (*current_)[name].push_back({{"name", value}});
}

void Writer::others(const std::vector<std::string>& names) {
  for (const std::string& name : names) (*current_)[name] = nlohmann::json::object();
}

}  // namespace keelson::kube
