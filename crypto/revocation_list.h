// An immutable certificate revocation list (RFC 5280, 5).
//
// Thread-safety: a value whose copies share one immutable object. Ownership: copies are cheap owners.

#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"

struct X509_crl_st;

namespace certfs {

class RevocationList {
 public:
  // Parses exactly one DER CRL. Returns kMalformed ("unreadable") for anything else, BER that is not DER and
  // dates that are none included, ("trailing-data") when bytes follow it.
  static Result<RevocationList> FromDer(BytesView der);

  BytesView der() const noexcept;
  const Digest& fingerprint() const noexcept;  // SHA-256 over the encoding.

  std::string issuer() const;  // One line, RFC 2253.

  std::chrono::sys_seconds this_update() const;
  std::optional<std::chrono::sys_seconds> next_update() const;

  // The CRL number (RFC 5280, 5.2.3); nothing where there is none, or one of over 64 bits.
  std::optional<std::uint64_t> number() const;

  // What is revoked, by serial number; without "removeFromCRL" entries, and without serial numbers that
  // RFC 5280 forbids (negative, or of over 20 octets). Takes time in proportion to the list.
  std::vector<RevokedSerial> revoked() const;

  // Says whether this list and `other` have the same issuer name and the same authority key identifier
  // (RFC 5280, 5.2.1): one of them replaces the other.
  bool SameAuthority(const RevocationList& other) const;

  // Says whether the list has an authority key identifier with a key's. Lists without one, of two authorities
  // of one name, are told apart by their signers alone.
  bool NamesKey() const noexcept;

  // Orders two lists of one authority: by CRL number (RFC 5280, 5.2.3) where both have one, else by
  // thisUpdate.
  std::weak_ordering CompareAge(const RevocationList& other) const;

  // Says whether `issuer` signed this list: its subject is our issuer and its key verifies the signature.
  bool SignedBy(const Certificate& issuer) const;

  // Says whether the list has the name of `certificate`'s issuer and, where both say it, the same authority
  // key identifier. Nothing is verified.
  bool NamesIssuerOf(const Certificate& certificate) const;

  // Says whether the list names the serial number of `certificate` as revoked. A "removeFromCRL" entry does
  // not count. The caller has checked that the certificate's issuer signed the list.
  bool Revokes(const Certificate& certificate) const;

  // The OpenSSL object, borrowed, for use inside crypto/ only.
  X509_crl_st* handle() const noexcept;

 private:
  struct State;
  explicit RevocationList(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace certfs
