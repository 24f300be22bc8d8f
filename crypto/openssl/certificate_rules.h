// The predicates of the rules table that look at one certificate alone. Private to crypto/.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "crypto/certificate.h"

namespace certfs::openssl {

// A row's id, and the question whether a certificate breaks it: the detail in words (may be empty) where it
// does.
struct CertificatePredicate {
  std::string_view rule;
  std::optional<std::string> (*broken)(const Certificate&);
};

std::span<const CertificatePredicate> CertificatePredicates();

}  // namespace certfs::openssl
