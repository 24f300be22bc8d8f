// The CA certificates and CRLs that verdicts are reached against: TRUSTED_ROOTS and TRUSTED_ROOTS_CRLS at one
// moment. The system's own trust store is never consulted.
//
// Thread-safety: immutable once made, shared freely. Ownership: a value whose copies share one object.

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/revocation_list.h"

namespace certfs {

// What a chain is for (RFC 5280, 4.2.1.12).
enum class Purpose { kAny, kServer, kClient };

// Why a chain does not hold, as OpenSSL's verifier reported it.
struct ChainFault {
  int code;           // X509_V_ERR_*.
  std::size_t depth;  // 0 is the leaf.
  std::string words;
};

struct ChainResult {
  std::vector<Certificate> chain;  // As far as it could be built: leaf first.
  std::vector<ChainFault> faults;  // Every fault, in the order found; empty when the chain holds.
  bool reaches_anchor;             // The last certificate of `chain` is in the trust set.
};

class TrustSet {
 public:
  // Trusts exactly `authorities`; an intermediate CA among them is an anchor like a root. `lists` are held to
  // be signed by who they say (RevocationList::SignedBy was checked when they were stored).
  TrustSet(std::vector<Certificate> authorities, std::vector<RevocationList> lists);

  const std::vector<Certificate>& authorities() const noexcept;
  const std::vector<RevocationList>& lists() const noexcept;

  // Builds and verifies the chain of `leaf` (RFC 5280, 6.1) at `when`, for `purpose`, with `intermediates` as
  // untrusted hints in any order. Chains of more than 8 certificates do not hold. Strength of keys and
  // digests is left to the rules table.
  ChainResult Verify(const Certificate& leaf, std::span<const Certificate> intermediates, Purpose purpose,
                     std::chrono::sys_seconds when) const;

  // Returns the CA certificate of this set that signed `list`, if one did.
  std::optional<Certificate> SignerOf(const RevocationList& list) const;

  // Says whether the two lists are of one authority: as RevocationList::SameAuthority, and not signed by CA
  // certificates of this set with different keys.
  bool OfOneAuthority(const RevocationList& one, const RevocationList& other) const;

  // Returns the list that revokes `certificate`, issued by `issuer`, if one does.
  std::optional<RevocationList> RevokedBy(const Certificate& certificate, const Certificate& issuer) const;

  // The same whoever issued it: a CA certificate of this set that signed both, or one that is no longer here,
  // where the list has the name and, as far as both say, the key identifier of the issuer.
  std::optional<RevocationList> RevokedBy(const Certificate& certificate) const;

  // Returns the CA certificates of this set that issued `certificate`: it names them, and their key verifies
  // its signature.
  std::vector<Certificate> IssuersOf(const Certificate& certificate) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace certfs
