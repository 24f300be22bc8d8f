#include "fs/errno.h"

#include <cerrno>
#include <cstring>

namespace certfs {

int ToErrno(ErrorCode code) noexcept {
  switch (code) {  // No default: a new code must be given an errno to compile.
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed:
      return EINVAL;
    case ErrorCode::kTooLarge:
      return EFBIG;
    case ErrorCode::kRejected:
      return EKEYREJECTED;
    case ErrorCode::kExpired:
      return EKEYEXPIRED;
    case ErrorCode::kRevoked:
      return EKEYREVOKED;
    case ErrorCode::kPasswordRequired:
      return ENOKEY;
    case ErrorCode::kNotFound:
      return ENOENT;
    case ErrorCode::kAlreadyExists:
      return EEXIST;
    case ErrorCode::kNotADirectory:
      return ENOTDIR;
    case ErrorCode::kIsADirectory:
      return EISDIR;
    case ErrorCode::kNotEmpty:
      return ENOTEMPTY;
    case ErrorCode::kNameTooLong:
      return ENAMETOOLONG;
    case ErrorCode::kNotPermitted:
      return EPERM;
    case ErrorCode::kAccessDenied:
      return EACCES;
    case ErrorCode::kReadOnly:
      return EROFS;
    case ErrorCode::kCrossStore:
      return EXDEV;
    case ErrorCode::kStale:
      return ESTALE;
    case ErrorCode::kCancelled:
      return ECANCELED;
    case ErrorCode::kNoSpace:
      return ENOSPC;
    case ErrorCode::kNoMemory:
      return ENOMEM;
    case ErrorCode::kBusy:
      return EBUSY;
    case ErrorCode::kUnsupported:
      return EOPNOTSUPP;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return EIO;
  }
  return EIO;  // Unreachable unless memory is damaged.
}

std::string_view ErrnoName(ErrorCode code) noexcept {
  const char* const name = strerrorname_np(ToErrno(code));
  return name != nullptr ? name : "EIO";
}

}  // namespace certfs
