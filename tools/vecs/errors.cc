#include "tools/vecs/errors.h"

#include <algorithm>
#include <array>
#include <utility>

namespace certfs::vecs {

namespace {

constexpr std::array<ErrorRow, 20> kRows{{
    {1, 31, "ERROR_GEN_FAILURE", "anything that is not below"},
    {2, 87, "ERROR_INVALID_PARAMETER", "wrong usage; a name that none can have; no such part in the entry"},
    {3, 1223, "ERROR_CANCELLED", "the question was not answered with y"},
    {4, 4312, "ERROR_OBJECT_NOT_FOUND", "there is no such store or alias"},
    {5, 5, "ERROR_ACCESS_DENIED", "not allowed to this user, or to nobody"},
    {6, 183, "ERROR_ALREADY_EXISTS", "the store or alias exists"},
    {7, 11, "ERROR_BAD_FORMAT", "not a certificate or key, or one that the store's rules refuse"},
    {8, 90018, "VECS_PRIVATE_KEY_MISMATCH", "the private key does not match the certificate"},
    {9, 145, "ERROR_DIR_NOT_EMPTY", "the store has entries, or a replacement is staged in the entry"},
    {10, 154, "ERROR_LABEL_TOO_LONG", "a name of a store over 128 bytes, of an entry over 120"},
    {11, 223, "ERROR_FILE_TOO_LARGE", "a file of over 1 MiB"},
    {12, 112, "ERROR_DISK_FULL", "the keystore has reached its limit, or the disk is full"},
    {13, 170, "ERROR_BUSY", "in use, or memory is short; try again"},
    {14, 1021, "ERROR_CANNOT_CONNECT_VMAFD", "no certfs is mounted here, or its daemon has ended"},
    {15, 1317, "ERROR_NO_SUCH_USER", "there is no such user"},
    {16, 1323, "ERROR_WRONG_PASSWORD", "the password does not open the key"},
    {17, 5023, "ERROR_INVALID_STATE", "one of --server and --upn without the other"},
    {18, 50, "ERROR_NOT_SUPPORTED", "another machine; a password on the command line"},
    {19, 2, "ERROR_FILE_NOT_FOUND", "there is no such file"},
    {20, 4313, "ERROR_DATABASE_FAILURE", "stored bytes fail their integrity check: see certfs doctor"},
}};

constexpr const ErrorRow& WithNumber(int number) {
  for (const ErrorRow& row : kRows) {
    if (row.number == number) return row;
  }
  return kRows.front();
}

constexpr std::array<std::pair<std::string_view, int>, 7> kByRule{{
    {kNoSuchObject, 4312},
    {kKeyMismatch, 90018},
    {kNoMount, 1021},
    {kNoSuchUser, 1317},
    {kNoSuchFile, 2},
    {kWrongPassword, 1323},
    {kInvalidState, 5023},
}};

constexpr int NumberByCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 87;
    case ErrorCode::kMalformed:
    case ErrorCode::kRejected:
    case ErrorCode::kExpired:
    case ErrorCode::kRevoked:
    case ErrorCode::kPasswordRequired:
      return 11;
    case ErrorCode::kAlreadyExists:
      return 183;
    case ErrorCode::kNotFound:
      return 4312;
    case ErrorCode::kNotPermitted:
    case ErrorCode::kAccessDenied:
    case ErrorCode::kReadOnly:
      return 5;
    case ErrorCode::kNotEmpty:
      return 145;
    case ErrorCode::kCancelled:
      return 1223;
    case ErrorCode::kUnsupported:
      return 50;
    case ErrorCode::kTooLarge:
      return 223;
    case ErrorCode::kNameTooLong:
      return 154;
    case ErrorCode::kNoSpace:
      return 112;
    case ErrorCode::kNoMemory:
    case ErrorCode::kBusy:
      return 170;
    case ErrorCode::kCorrupt:
      return 4313;
    case ErrorCode::kNotADirectory:
    case ErrorCode::kIsADirectory:
    case ErrorCode::kCrossStore:
    case ErrorCode::kStale:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return 31;
  }
  return 31;
}

}  // namespace

std::span<const ErrorRow> ErrorRows() { return kRows; }

const ErrorRow& RowOf(const Error& error) {
  for (const auto& [rule, number] : kByRule) {
    if (error.rule() == rule) return WithNumber(number);
  }
  return WithNumber(NumberByCode(error.code()));
}

Error AboutFile(const Error& error) {
  if (error.code() == ErrorCode::kNotFound) return {ErrorCode::kNotFound, kNoSuchFile, error.message()};
  return error;
}

Json ErrorJson(const Error& error) {
  const ErrorRow& row = RowOf(error);
  return {{"error",
           {{"name", row.name},
            {"number", row.number},
            {"exit_code", row.exit_code},
            {"message", error.message()}}}};
}

}  // namespace certfs::vecs
