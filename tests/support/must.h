// What a test takes for granted, with the reason when it is not so.

#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "crypto/base/result.h"

namespace certfs {

// Returns the value, or fails the test with the reason.
template <typename T>
T Must(Result<T> result) {
  if (!result.has_value()) ADD_FAILURE() << result.error().message();
  return std::move(result).value();
}
inline void Must(Result<void> result) {
  if (!result.has_value()) ADD_FAILURE() << result.error().message();
}

}  // namespace certfs
