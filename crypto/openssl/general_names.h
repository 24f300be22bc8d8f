// The names of a subjectAltName, as text. Private to crypto/.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/alternative_names.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

// Adds `name` to `names`, in the form of AlternativeNames and unless it is there. Returns what is wrong with
// it, where it is no host, address or mailbox that certfs issues.
std::optional<std::string> AddName(const GENERAL_NAME* name, AlternativeNames& names);

// Returns the names of `list` that AddName takes. `list` may be null.
AlternativeNames NamesIn(const GENERAL_NAMES* list);

// The common names of a subject, as UTF-8, in its order.
std::vector<std::string> CommonNamesOf(const X509_NAME* subject);
// The last of them; empty where there is none.
std::string CommonNameOf(const X509_NAME* subject);

}  // namespace certfs::openssl
