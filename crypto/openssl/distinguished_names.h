// Making and checking of distinguished names (RFC 5280, 4.1.2.4). Private to crypto/.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/openssl/handles.h"
#include "crypto/request_config.h"

namespace certfs::openssl {

// Of one name.
inline constexpr int kAttributesMax = 64;

using NameHandle = Handle<X509_NAME, X509_NAME_free>;

// The general attributes first, the common name last, as directories and certool order them. kMalformed
// ("request-config") where OpenSSL refuses a value, with its words.
Result<NameHandle> NameOf(const RequestConfig& config);

// Says what is wrong with a subject that somebody asks for: a value that is empty, longer than its upper
// bound (RFC 5280, A.1), with control characters, or in none of the types PrintableString, UTF8String and
// IA5String; more than 64 of them.
std::optional<std::string> SubjectFault(const X509_NAME* subject);

// The mailboxes in a name (DER), as they stand there: the attribute emailAddress (RFC 5280, 4.1.2.6).
std::vector<std::string> EmailsOf(BytesView name);

}  // namespace certfs::openssl
