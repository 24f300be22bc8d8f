// Which certificate another one names as its issuer: by names and key identifiers, not by signatures.
//
// Thread-safety: free functions over immutable objects.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/certificate.h"

namespace certfs {

// Says whether `certificate` names `issuer` as its issuer (RFC 5280, 4.1.2.4 and 4.2.1.1). That the issuer
// signed it, or may sign at all, is not looked at.
bool NamesAsIssuer(const Certificate& certificate, const Certificate& issuer);

// A number for the name of the subject, or of the issuer. Names that count as one (RFC 5280, 7.1) have the
// same, in whatever string types they are written; others may have it, too.
unsigned long SubjectNumber(const Certificate& certificate);
unsigned long IssuerNumber(const Certificate& certificate);

// Who a certificate is of: the digest of its subject and key. All certificates of one CA share it.
Digest HolderOf(const Certificate& certificate);

}  // namespace certfs
