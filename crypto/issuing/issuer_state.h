// What an Issuer keeps, so that issuing one certificate does not make it again. Private to crypto/.

#pragma once

#include <functional>
#include <memory>

#include "crypto/issuing.h"
#include "crypto/issuing/issuing_chain.h"
#include "crypto/openssl/prepared_signatures.h"

namespace certfs {

struct Issuer::State {
  issuing::IssuingChain authorities;
  std::vector<Certificate> chain;  // Of the authorities, those above the issuing one.
  std::shared_ptr<const Signer> signer;
  std::unique_ptr<const Signer> throw_away;  // Of a key that nobody trusts, of the kind of `signer`.
  openssl::PreparedVerifying verifying;      // By the key of `signer`.
  Bytes key_identifier;                      // Of the issuing key.

  // Signs `body`, first by the throw-away key for `judge` to look at, then for real; the real signature is
  // verified, against faults of what signs. Returns the whole object.
  Result<Bytes> Sign(BytesView body, const std::function<Result<void>(BytesView der)>& judge) const;
};

}  // namespace certfs
