// The predicates of the rules table that look at one CRL alone. Private to crypto/.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "crypto/revocation_list.h"

namespace certfs::openssl {

// A row's id, and the question whether a CRL breaks it: the detail in words (may be empty) where it does.
struct ListPredicate {
  std::string_view rule;
  std::optional<std::string> (*broken)(const RevocationList&);
};

std::span<const ListPredicate> ListPredicates();

}  // namespace certfs::openssl
