// Writer: the encoding side of a field list. Not for use outside kube/fields_*.cpp.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kube/int_or_string.hpp"
#include "kube/quantity.hpp"
#include "kube/time.hpp"

namespace keelson::kube {

class Writer;
template <class T>
void write_object(Writer& writer, const T& object);  // defined in fields.hpp

class Writer {
 public:
  static constexpr bool kReading = false;

  explicit Writer(nlohmann::json& root) : current_(&root) {}

  // A field: left out when it is empty, zero, false, or an object without fields. An optional that holds something is
  // shown whatever it holds.
  template <class T>
  void operator()(const char* name, const T& value) {
    if (is_empty(value)) return;
    enter(name);
    write(value);
    leave();
    drop_if_empty(name);
  }
  template <class T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value) always(name, *value);
  }
  // A field that the API shows even when it is empty.
  template <class T>
  void always(const char* name, const T& value) {
    enter(name);
    write(value);
    leave();
  }
  void base64(const char* name, const std::map<std::string, std::string>& values);
  void names(const char* name, const std::vector<std::string>& values);
  void micro(const char* name, const std::optional<Time>& value);
  void ignore(const char*) {}
  void unsupported(const char*) {}
  void others(const std::vector<std::string>& names);  // each as an empty object: that it is there, not what it holds

 private:
  template <class T>
  friend void write_object(Writer& writer, const T& object);

  static bool is_empty(bool value) { return !value; }
  static bool is_empty(std::int32_t value) { return value == 0; }
  static bool is_empty(std::int64_t value) { return value == 0; }
  static bool is_empty(const std::string& value) { return value.empty(); }
  static bool is_empty(const IntOrString& value) { return !value.is_set(); }
  template <class T>
  static bool is_empty(const std::vector<T>& values) {
    return values.empty();
  }
  template <class T>
  static bool is_empty(const std::map<std::string, T>& values) {
    return values.empty();
  }
  template <class T>
  static bool is_empty(const T&) {
    return false;  // objects: known only once written
  }

  void enter(const char* name);
  void enter(const std::string& name) { enter(name.c_str()); }
  void enter_element();
  void leave();
  void drop_if_empty(const char* name);
  void begin_object();
  void begin_array(std::size_t size);

  void write(bool value);
  void write(std::int32_t value) { write(static_cast<std::int64_t>(value)); }
  void write(std::int64_t value);
  void write(const char* value);
  void write(const std::string& value);
  void write(const Time& value);
  void write(const Quantity& value);
  void write(const IntOrString& value);
  template <class T>
  void write(const std::vector<T>& values) {
    begin_array(values.size());
    for (const T& value : values) {
      enter_element();
      write(value);
      leave();
    }
  }
  template <class T>
  void write(const std::map<std::string, T>& values) {
    begin_object();
    for (const auto& [key, value] : values) {
      enter(key);
      write(value);
      leave();
    }
  }
  template <class T>
  void write(const T& object) {
    write_object(*this, object);
  }

  nlohmann::json* current_;
  std::vector<nlohmann::json*> stack_;
};

}  // namespace keelson::kube
