// That a certificate is revoked: when, and why (RFC 5280, 5.3).
//
// Thread-safety: values.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/serial_number.h"

namespace certfs {

// Why a certificate is revoked (RFC 5280, 5.3.1). On disk: never change or reuse.
enum class RevocationReason : std::uint8_t {
  kUnspecified = 0,
  kKeyCompromise = 1,
  kCaCompromise = 2,
  kAffiliationChanged = 3,
  kSuperseded = 4,
  kCessationOfOperation = 5,
  kCertificateHold = 6,
  kPrivilegeWithdrawn = 9,
};

// "keyCompromise"; and the reverse, ignoring case and also by number.
std::string_view ToString(RevocationReason reason) noexcept;
std::optional<RevocationReason> ParseRevocationReason(std::string_view text);

struct RevokedSerial {
  SerialNumber serial;
  std::chrono::sys_seconds at;
  RevocationReason reason = RevocationReason::kUnspecified;

  friend bool operator==(const RevokedSerial&, const RevokedSerial&) = default;
};

}  // namespace certfs
