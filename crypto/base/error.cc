#include "crypto/base/error.h"

namespace certfs {

std::string_view ToString(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kTooLarge:
      return "too-large";
    case ErrorCode::kRejected:
      return "rejected";
    case ErrorCode::kExpired:
      return "expired";
    case ErrorCode::kRevoked:
      return "revoked";
    case ErrorCode::kPasswordRequired:
      return "password-required";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kAlreadyExists:
      return "already-exists";
    case ErrorCode::kNotADirectory:
      return "not-a-directory";
    case ErrorCode::kIsADirectory:
      return "is-a-directory";
    case ErrorCode::kNotEmpty:
      return "not-empty";
    case ErrorCode::kNameTooLong:
      return "name-too-long";
    case ErrorCode::kNotPermitted:
      return "not-permitted";
    case ErrorCode::kAccessDenied:
      return "access-denied";
    case ErrorCode::kReadOnly:
      return "read-only";
    case ErrorCode::kCrossStore:
      return "cross-store";
    case ErrorCode::kStale:
      return "stale";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kNoSpace:
      return "no-space";
    case ErrorCode::kNoMemory:
      return "no-memory";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

Error Error::Within(std::string_view context) && {
  message_.insert(0, ": ");
  message_.insert(0, context);
  return std::move(*this);
}

}  // namespace certfs
