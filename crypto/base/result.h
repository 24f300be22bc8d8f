// Result<T>: a value, or the Error that explains its absence.
//
// The accessors carry the names of std::expected, so that moving to it later is mechanical. (std::expected is
// invisible to Debian 12's clang; see README.md.)

#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "crypto/base/error.h"

namespace certfs {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }

  // Precondition: has_value(). Breaking it throws std::bad_variant_access, which the seam turns into EIO.
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }

  // Precondition: !has_value().
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  void value() const {}
  const Error& error() const& { return error_.value(); }
  Error&& error() && { return std::move(error_).value(); }

 private:
  std::optional<Error> error_;
};

}  // namespace certfs

// Yields the value of `expression`, or returns its Error from the enclosing function. A GNU statement
// expression, which GCC and clang both support; the counter keeps one TRY inside another from shadowing it.
#define TRY(expression) CERTFS_TRY(expression, __COUNTER__)
#define CERTFS_TRY(expression, unique) CERTFS_TRY_NAMED(expression, unique)
#define CERTFS_TRY_NAMED(expression, unique) CERTFS_TRY_AS(expression, certfs_try_##unique)
#define CERTFS_TRY_AS(expression, name)                    \
  __extension__({                                          \
    auto name = (expression);                              \
    if (!name.has_value()) return std::move(name).error(); \
    std::move(name).value();                               \
  })
