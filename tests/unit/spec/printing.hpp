// Lets Catch show the Error of a Result that a test wanted to be a value.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "base/result.hpp"

namespace Catch {

template <class T>
struct StringMaker<keelson::Result<T>> {
  static std::string convert(const keelson::Result<T>& result) {
    return result ? "a value" : "error: " + result.error().message;
  }
};

}  // namespace Catch
