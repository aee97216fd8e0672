// The frame of a fuzz target: bytes in, and claims that must hold for all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace keelson::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Ends the run with the claim that does not hold; libFuzzer keeps the input.
inline void claim(bool holds, const char* what, const std::string& shown = {}) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n%s\n", what, shown.c_str());
  std::abort();
}

}  // namespace keelson::fuzz
