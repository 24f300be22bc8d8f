#include "tools/certool/errors.h"

#include <array>

namespace certfs::certool {

namespace {

constexpr std::array kCodes{
    CodeRow{183, "ERROR_ALREADY_EXISTS", "The entry is there already"},
    CodeRow{70000, "VMCA_ROOT_CA_MISSING", "There is no certificate authority"},
    CodeRow{70001, "VMCA_ROOT_CA_ALREADY_EXISTS", "There is a root already; --force replaces it"},
    CodeRow{70003, "VMCA_ARGUMENT_ERROR", "Invalid arguments"},
    CodeRow{70004, "VMCA_ERROR_TIME_OUT", "Time ran out"},
    CodeRow{70005, "VMCA_OUT_MEMORY_ERR", "Out of memory"},
    CodeRow{70006, "VMCA_REQUEST_ERROR", "The request is refused"},
    CodeRow{70008, "VMCA_CERT_DECODE_FAILURE", "Not a certificate"},
    CodeRow{70010, "VMCA_CERT_IO_FAILURE", "No such certificate"},
    CodeRow{70011, "VMCA_NOT_CA_CERT", "Not the certificate of an authority"},
    CodeRow{70012, "VMCA_INVALID_CSR_FIELD", "Invalid field of the request"},
    CodeRow{70015, "VMCA_ERROR_INVALID_KEY_LENGTH", "A key of this kind or length is refused"},
    CodeRow{70022, "VMCA_FILE_IO_ERROR", "File I/O failure"},
    CodeRow{70032, "VMCA_SSL_SIGN_FAIL", "The certificate cannot be signed"},
    CodeRow{70037, "VMCA_CERT_PRIVATE_KEY_MISMATCH", "Certificate and key do not match"},
    CodeRow{70042, "VMCA_KRB_ACCESS_DENIED", "Access denied"},
    CodeRow{70044, "VMCA_NOT_IMPLEMENTED", "Not supported"},
    CodeRow{70048, "VMCA_CRL_CERT_ALREADY_REVOKED", "The certificate is revoked already"},
    CodeRow{70054, "VMCA_CRL_DECODE_ERROR", "Not a CRL"},
    CodeRow{70061, "VMCA_ERROR_INVALID_SAN", "A name of the request is refused"},
    CodeRow{70062, "VMCA_ERROR_INCOMPLETE_CHAIN", "The chain does not end in a root"},
    CodeRow{70065, "VMCA_KEY_DECODE_FAILURE", "Not a private key"},
    CodeRow{70101, "VMCA_UNKNOW_ERROR", "Failed"},
};

struct RuleRow {
  std::string_view rule;
  int number;
};

constexpr std::array kRules{
    RuleRow{kKeyUnreadable, 70065},    RuleRow{kCrlUnreadable, 70054},
    RuleRow{kTimedOut, 70004},         RuleRow{kUnsupportedHere, 70044},
    RuleRow{kEntryExists, 183},        RuleRow{kRootExists, 70001},
    RuleRow{"no-authority", 70000},    RuleRow{"not-issued-here", 70010},
    RuleRow{"revoked-already", 70048}, RuleRow{"request-config", 70012},
    RuleRow{"request-names", 70061},   RuleRow{"request-too-many-names", 70061},
    RuleRow{"profile-name", 70061},    RuleRow{"profile-wildcard", 70061},
    RuleRow{"profile-no-host", 70061}, RuleRow{"issuer-name-constraints", 70061},
    RuleRow{"profile-key", 70015},     RuleRow{"weak-key", 70015},
    RuleRow{"key-algorithm", 70015},   RuleRow{"key-mismatch", 70037},
    RuleRow{"not-a-ca", 70011},        RuleRow{"untrusted-issuer", 70062},
    RuleRow{"broken-chain", 70062},
};

int NumberOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 70003;
    case ErrorCode::kMalformed:
    case ErrorCode::kTooLarge:
      return 70008;
    case ErrorCode::kNotPermitted:
    case ErrorCode::kAccessDenied:
    case ErrorCode::kPasswordRequired:
    case ErrorCode::kReadOnly:
      return 70042;
    case ErrorCode::kRejected:
      return 70006;
    case ErrorCode::kExpired:
    case ErrorCode::kRevoked:
      return 70032;
    case ErrorCode::kNoMemory:
      return 70005;
    case ErrorCode::kUnsupported:
      return 70044;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kNotADirectory:
    case ErrorCode::kIsADirectory:
    case ErrorCode::kNotEmpty:
    case ErrorCode::kNameTooLong:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
      return 70022;
    case ErrorCode::kCrossStore:
    case ErrorCode::kStale:
    case ErrorCode::kCancelled:
    case ErrorCode::kBusy:
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal:
      return 70101;
  }
  return 70101;
}

}  // namespace

std::span<const CodeRow> Codes() { return kCodes; }

const CodeRow* FindCode(int number) {
  for (const CodeRow& row : kCodes) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

const CodeRow& CodeOf(const Error& error) {
  int number = NumberOf(error.code());
  for (const RuleRow& row : kRules) {
    if (row.rule == error.rule()) number = row.number;
  }
  return *FindCode(number);
}

}  // namespace certfs::certool
