// The predicates of the rules table that look at one object alone. Private to crypto/.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "crypto/certificate.h"
#include "crypto/revocation_list.h"

struct evp_pkey_st;

namespace certfs::openssl {

// A row's id, and the question whether an object breaks it: the detail in words (may be empty) where it does.
struct CertificatePredicate {
  std::string_view rule;
  std::optional<std::string> (*broken)(const Certificate&);
};
struct ListPredicate {
  std::string_view rule;
  std::optional<std::string> (*broken)(const RevocationList&);
};

std::span<const CertificatePredicate> CertificatePredicates();
std::span<const ListPredicate> ListPredicates();

// Says whether a signature made by the private half of `key` verifies under its public half. Keys that cannot
// sign count as consistent; their kind is refused elsewhere.
bool IsConsistent(evp_pkey_st* key);

// Says why `key` is too weak, if it is.
std::optional<std::string> WeaknessOf(const evp_pkey_st* key);

}  // namespace certfs::openssl
