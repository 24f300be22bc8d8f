// What can be wrong with the extensions of a certificate, a CRL or an entry of one, whatever they say.
// Private to crypto/.

#pragma once

#include <optional>
#include <string>

#include "crypto/openssl/handles.h"

namespace certfs::openssl {

// "X509v3 Key Usage", or dotted numbers for what OpenSSL does not know.
std::string ExtensionName(const X509_EXTENSION* extension);

// Returns the name of an extension that stands twice, known or not, if one does (RFC 5280, 4.2). `extensions`
// may be null.
std::optional<std::string> RepeatedExtension(const STACK_OF(X509_EXTENSION) * extensions);

// Returns the name of an extension that OpenSSL knows but cannot decode to its last byte, if there is one.
// `extensions` may be null.
std::optional<std::string> UndecodableExtension(const STACK_OF(X509_EXTENSION) * extensions);

}  // namespace certfs::openssl
