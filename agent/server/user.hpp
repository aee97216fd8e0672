// Who makes a request: what authentication finds out and authorization decides on.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace keelson::agent {

struct UserInfo {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;
  bool operator==(const UserInfo&) const = default;
};

}  // namespace keelson::agent
