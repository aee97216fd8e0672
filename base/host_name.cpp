#include "base/host_name.hpp"

#include <unistd.h>

#include <array>

#include "base/strings.hpp"

namespace keelson {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return to_lower(trim(name.data()));
}

}  // namespace keelson
