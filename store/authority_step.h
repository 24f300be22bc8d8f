// What a replacement of the root is in the middle of: which way certificates go, and one step. Private to
// store/.
//
// Thread-safety: values.

#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "store/authority_state.h"

namespace certfs {

// Whose certificates have to leave their entries, and who certifies instead.
struct Direction {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};
inline Direction DirectionOf(const RootReplacement& replacement) {
  if (replacement.phase == ReplacementPhase::kRollingBack) return {replacement.to, replacement.from};
  return {replacement.from, replacement.to};
}

// Those whose certificates have to leave: of a compromised one every other, too, that has its key. Errors
// as CertificateOf.
Result<std::vector<std::uint32_t>> LeavingOf(const AuthorityRecord& record,
                                             const RootReplacement& replacement);

// The first `count` lines of what is placed under `authorities`, less those of `except`. Errors as the table.
Result<std::vector<IssuedCertificate>> NextPlaced(TableSnapshot& snapshot,
                                                  std::span<const std::uint32_t> authorities,
                                                  std::size_t count, const std::set<Number>& except);

Error NoReplacement();

// An entry and what it gets: a draft, or the pair that it had.
struct CertificateAuthority::State::StepMove {
  IssuedCertificate line;
  bool has_key = false;   // In the entry.
  bool key_lost = false;  // Others have it: it is certified no more.
  std::optional<Draft> draft;
  Bytes certificate;  // PEM, as
  SecretBytes key;    // this; empty where the key stays.
};

// What one step is to do.
struct CertificateAuthority::State::Step {
  RootReplacement replacement;
  Direction direction;
  std::vector<std::uint32_t> leaving;
  Actor actor;
  std::shared_ptr<const Issuer> issuer;
  std::optional<Issuance> at;

  std::vector<StepMove> moves;
  std::size_t moved = 0;
  std::optional<Error> refusal;  // Of the last that could not be moved.
};

}  // namespace certfs
