// Result<T>: a value or an Error; expected failures travel as values and are never dropped unseen.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <utility>

#include "base/error.hpp"

namespace keelson {

[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.message);  // reached only by value() on an error: a bug, stopped at the task boundary
}

template <class T = void>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using Base = boost::system::result<T, Error>;
  using Base::Base;
};

// The result with "what: " before its error's message.
template <class T>
Result<T> with_context(Result<T> result, std::string_view what) {
  if (!result) return result.error().context(what);
  return result;
}

}  // namespace keelson

#define KEELSON_CONCAT_(a, b) a##b
#define KEELSON_CONCAT(a, b) KEELSON_CONCAT_(a, b)
#define KEELSON_TRY_(tmp, keyword, decl, expr) \
  auto tmp = (expr);                           \
  if (!tmp) keyword std::move(tmp).error();    \
  decl = std::move(*tmp)
#define KEELSON_CHECK_(keyword, expr)                               \
  do {                                                              \
    auto keelson_check_ = (expr);                                   \
    if (!keelson_check_) keyword std::move(keelson_check_).error(); \
  } while (false)

// TRY(auto x, f()): x is f's value, or the enclosing function returns f's error. CHECK(f()): the same for Result<void>.
// CO_TRY and CO_CHECK are for coroutines: CO_TRY(auto x, co_await f()).
#define TRY(decl, expr) KEELSON_TRY_(KEELSON_CONCAT(keelson_try_, __COUNTER__), return, decl, expr)
#define CO_TRY(decl, expr) KEELSON_TRY_(KEELSON_CONCAT(keelson_try_, __COUNTER__), co_return, decl, expr)
#define CHECK_OK(expr) KEELSON_CHECK_(return, expr)
#define CO_CHECK_OK(expr) KEELSON_CHECK_(co_return, expr)
