// A CA and what certifies it: what of RFC 5280, 6.1 they impose on whatever is issued. Private to crypto/.
//
// Thread-safety: immutable. Ownership: owns copies of the certificates.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/openssl/handles.h"

namespace certfs::issuing {

class IssuingChain {
 public:
  // `certificates` is the issuing one first, the root last. kRejected "not-a-ca", "ca-may-not-sign",
  // "chain-broken" (one is not the issuer of the one before it, or the last is no root), "bad-signature",
  // "path-length", "chain-too-long".
  static Result<IssuingChain> Make(std::vector<Certificate> certificates);

  const Certificate& issuer() const { return certificates_.front(); }
  const Certificate& root() const { return certificates_.back(); }
  const std::vector<Certificate>& certificates() const { return certificates_; }

  // What is left of path lengths for a CA that is issued now: nothing where there is no limit. kRejected
  // "issuer-path-length" where none may be issued.
  Result<std::optional<int>> PathLengthLeft() const;

  // kRejected "issuer-extended-key-usage" where a CA is restricted to other purposes.
  Result<void> CheckPurposes(const std::vector<std::string>& purposes) const;

  // Judges what is to be issued: kRejected "issuer-name-constraints", "issuer-own-name".
  Result<void> CheckNames(const Certificate& issued) const;

 private:
  struct Restriction {
    std::string authority;              // Who imposes it, for people.
    std::vector<std::string> purposes;  // Dotted numbers.
  };

  std::vector<Certificate> certificates_;
  std::vector<openssl::NameConstraintsHandle> constraints_;
  std::vector<Restriction> restrictions_;
};

}  // namespace certfs::issuing
