// Parsing without the public key. Private to crypto/.
//
// OpenSSL 3.0 looks for a decoder among all of its providers for each public key: that takes ten times as
// long as all the rest of a certificate. What is parsed here belongs to a library context without providers,
// so that nothing is found at once, and the object has no key; everything else in it is as ever, but for the
// EXFLAG_SS that only a key can tell.
//
// Thread-safety: free functions.

#pragma once

#include "crypto/base/bytes.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

using RequestHandle = Handle<X509_REQ, X509_REQ_free>;

// Parse the first object in `der`; null where there is none. `size` is how many bytes it takes.
CertificateHandle ReadCertificateWithoutKey(BytesView der, std::size_t& size);
RequestHandle ReadRequestWithoutKey(BytesView der, std::size_t& size);

}  // namespace certfs::openssl
