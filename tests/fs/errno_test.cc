// Goal: users see the errno that the contract's table promises.
// Method: every code that the README's table speaks of, and that no code is left without an errno.

#include "fs/errno.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace certfs {
namespace {

TEST(Errno, IsThatOfTheTable) {
  struct Case {
    ErrorCode code;
    int expected;
  };
  constexpr Case kCases[] = {
      {ErrorCode::kMalformed, EINVAL},
      {ErrorCode::kInvalidArgument, EINVAL},
      {ErrorCode::kTooLarge, EFBIG},
      {ErrorCode::kRejected, EKEYREJECTED},
      {ErrorCode::kExpired, EKEYEXPIRED},
      {ErrorCode::kRevoked, EKEYREVOKED},
      {ErrorCode::kPasswordRequired, ENOKEY},
      {ErrorCode::kNotPermitted, EPERM},
      {ErrorCode::kAccessDenied, EACCES},
      {ErrorCode::kReadOnly, EROFS},
      {ErrorCode::kAlreadyExists, EEXIST},
      {ErrorCode::kNoSpace, ENOSPC},
      {ErrorCode::kCorrupt, EIO},
      {ErrorCode::kNotFound, ENOENT},
      {ErrorCode::kNotEmpty, ENOTEMPTY},
      {ErrorCode::kNotADirectory, ENOTDIR},
      {ErrorCode::kIsADirectory, EISDIR},
      {ErrorCode::kNameTooLong, ENAMETOOLONG},
      {ErrorCode::kCrossStore, EXDEV},
      {ErrorCode::kStale, ESTALE},
      {ErrorCode::kCancelled, ECANCELED},
      {ErrorCode::kNoMemory, ENOMEM},
      {ErrorCode::kBusy, EBUSY},
      {ErrorCode::kUnsupported, EOPNOTSUPP},
  };
  for (const Case& each : kCases) {
    EXPECT_EQ(ToErrno(each.code), each.expected) << ToString(each.code);
    EXPECT_EQ(ErrnoName(each.code), strerrorname_np(each.expected));
  }
}

// ENOSYS would switch the operation off for the life of the mount.
TEST(Errno, IsNeverZeroAndNeverEnosys) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    EXPECT_GT(ToErrno(static_cast<ErrorCode>(code)), 0) << code;
    EXPECT_NE(ToErrno(static_cast<ErrorCode>(code)), ENOSYS) << code;
  }
}

}  // namespace
}  // namespace certfs
