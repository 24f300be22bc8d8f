// The judgement of our own output by the rules table, before it is signed for real: for what certfs itself
// makes, every warning is a refusal. Private to crypto/.
//
// Thread-safety: free functions.

#pragma once

#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "crypto/revocation_list.h"
#include "crypto/rules.h"

namespace certfs::issuing {

// Judges a certificate by what it says alone, as one of `role`, and the key that it certifies. Returns the
// first finding of the table.
Result<void> Lint(const Certificate& certificate, const PublicKey& key, Role role);

// Judges a CRL for a trust store.
Result<void> Lint(const RevocationList& list);

}  // namespace certfs::issuing
