// A folder of its own for one test, removed with all that is in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace keelson::spec::test {

class TempTree {
 public:
  TempTree() {
    char name[] = "/tmp/keelson-spec-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp failed");
    root_ = name;
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;
  ~TempTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] std::filesystem::path path(const std::string& relative = {}) const { return root_ / relative; }
  void write(const std::string& relative, const std::string& text) const {
    std::filesystem::create_directories(path(relative).parent_path());
    std::ofstream(path(relative)) << text;
  }
  void make(const std::string& relative) const { std::filesystem::create_directories(path(relative)); }
  [[nodiscard]] std::string read(const std::string& relative) const {
    std::ifstream in(path(relative));
    return in ? std::string(std::istreambuf_iterator<char>(in), {}) : "(missing)";
  }
  [[nodiscard]] bool has(const std::string& relative) const { return std::filesystem::exists(path(relative)); }

 private:
  std::filesystem::path root_;
};

}  // namespace keelson::spec::test
