// Reader: the decoding side of a field list. It walks a JSON value along the calls of Fields<T>::visit, and collects
// errors and unknown fields by path. Not for use outside kube/fields_*.cpp.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kube/codec.hpp"
#include "kube/int_or_string.hpp"
#include "kube/quantity.hpp"
#include "kube/time.hpp"

namespace keelson::kube {

class Reader;
template <class T>
void read_object(Reader& reader, T& object);  // defined in fields.hpp

class Reader {
 public:
  static constexpr bool kReading = true;

  Reader(const nlohmann::json& root, Warnings* warnings) : current_(&root), warnings_(warnings) {}

  // A field; null and absence leave the value alone.
  template <class T>
  void operator()(const char* name, T& value) {
    if (!enter(name)) return;
    read(value);
    leave();
  }
  // The same to a reader; a writer shows it even when it is empty.
  template <class T>
  void always(const char* name, T& value) {
    (*this)(name, value);
  }
  void base64(const char* name, std::map<std::string, std::string>& values);
  // A list of objects of which only the "name" is carried.
  void names(const char* name, std::vector<std::string>& values);
  // A time to the microsecond (metav1.MicroTime).
  void micro(const char* name, std::optional<Time>& value) { (*this)(name, value); }
  void ints(const char* name, std::vector<std::int64_t>& values) { (*this)(name, values); }
  // A field that is fine and not carried.
  void ignore(const char* name);
  // A field that means something and is not carried: a warning.
  void unsupported(const char* name);
  // All fields not yet visited whose value is an object, in order: union members that have no struct.
  void others(std::vector<std::string>& names);

  // "What is wrong, by path; ..." or empty.
  [[nodiscard]] std::string error_text() const;

 private:
  template <class T>
  friend void read_object(Reader& reader, T& object);

  struct Segment {
    const char* field = nullptr;  // or a key, or an index
    const std::string* key = nullptr;
    std::size_t index = 0;
  };
  struct Frame {
    const nlohmann::json* json;
    Segment segment;
  };

  bool enter(const char* name);
  void enter_element(std::size_t index);
  void enter_key(const std::string& key);  // which must outlive the stay
  void leave();
  // False, with an error, when the value is something else. null is an empty one.
  bool begin_array(std::size_t& size);
  bool begin_object();
  void end_object();                // reports what was not visited
  std::vector<std::string> keys();  // of a map; an error, and none, when the value is something else

  void read(bool& value);
  void read(std::int32_t& value);
  void read(std::int64_t& value);
  void read(std::string& value);
  void read(Time& value);
  void read(Quantity& value);
  void read(IntOrString& value);
  template <class T>
  void read(std::optional<T>& value) {
    read(value.emplace());
  }
  template <class T>
  void read(std::vector<T>& values) {
    std::size_t size = 0;
    if (!begin_array(size)) return;
    values.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      enter_element(i);
      read(values[i]);
      leave();
    }
  }
  template <class T>
  void read(std::map<std::string, T>& values) {
    for (const std::string& key : keys()) {
      enter_key(key);
      read(values[key]);
      leave();
    }
  }
  template <class T>
  void read(T& object) {
    read_object(*this, object);
  }

  bool read_integer(std::int64_t min, std::int64_t max, std::int64_t& value);
  [[nodiscard]] std::string path(const char* last = nullptr) const;
  void expected(const char* what);
  void fail(const std::string& why);
  void warn(const char* field, const char* why);

  const nlohmann::json* current_;
  std::vector<Frame> stack_;             // where to return to, and the way here
  std::vector<const char*> seen_;        // names visited in the objects that are open
  std::vector<std::size_t> first_seen_;  // per open object
  std::vector<std::string> errors_;
  std::size_t more_errors_ = 0;
  Warnings* warnings_;
};

}  // namespace keelson::kube
