#include "crypto/revocation.h"

#include <algorithm>
#include <array>
#include <string>

namespace certfs {

namespace {

struct ReasonRow {
  RevocationReason reason;
  std::string_view word;
};

constexpr std::array kReasons{
    ReasonRow{RevocationReason::kUnspecified, "unspecified"},
    ReasonRow{RevocationReason::kKeyCompromise, "keyCompromise"},
    ReasonRow{RevocationReason::kCaCompromise, "cACompromise"},
    ReasonRow{RevocationReason::kAffiliationChanged, "affiliationChanged"},
    ReasonRow{RevocationReason::kSuperseded, "superseded"},
    ReasonRow{RevocationReason::kCessationOfOperation, "cessationOfOperation"},
    ReasonRow{RevocationReason::kCertificateHold, "certificateHold"},
    ReasonRow{RevocationReason::kPrivilegeWithdrawn, "privilegeWithdrawn"},
};

bool EqualFolded(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return fold(x) == fold(y); });
}

}  // namespace

std::string_view ToString(RevocationReason reason) noexcept {
  for (const ReasonRow& row : kReasons) {
    if (row.reason == reason) return row.word;
  }
  return "unspecified";
}

std::optional<RevocationReason> ParseRevocationReason(std::string_view text) {
  for (const ReasonRow& row : kReasons) {
    if (EqualFolded(row.word, text) || std::to_string(static_cast<int>(row.reason)) == text)
      return row.reason;
  }
  return std::nullopt;
}

}  // namespace certfs
