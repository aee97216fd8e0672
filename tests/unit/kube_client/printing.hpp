// What Catch prints of a Result.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "base/result.hpp"

namespace Catch {

template <class T>
struct StringMaker<keelson::Result<T>> {
  static std::string convert(const keelson::Result<T>& result) {
    if (result) return "a value";
    return std::string(keelson::to_string(result.error().code)) + ": " + result.error().message;
  }
};

}  // namespace Catch
