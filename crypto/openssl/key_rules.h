// The predicates of the rules table that look at a key: a private one, or the one that a certificate
// certifies. Private to crypto/.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace certfs::openssl {

// A row's id, and the question whether a key breaks it: the detail in words (may be empty) where it does.
// `key` is null where a certificate holds one that OpenSSL cannot read.
struct KeyPredicate {
  std::string_view rule;
  std::optional<std::string> (*broken)(const evp_pkey_st* key);
};

std::span<const KeyPredicate> KeyPredicates();

// Says whether a signature made by the private half of `key` verifies under its public half. Keys that cannot
// sign count as consistent: their kind is refused by a row of its own. Ask this only of keys that break none
// of KeyPredicates(): the time of a signature grows with the cube of an RSA key's size.
bool IsConsistent(evp_pkey_st* key);

}  // namespace certfs::openssl
