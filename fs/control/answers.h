// What ca/control answers: one JSON object for each thing that it tells of (fs/README.md, "ca/control").
// Private to fs/.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

#include "store/certificate_authority.h"

namespace certfs::control {

using Json = nlohmann::ordered_json;

// Text of one line, ending in a newline. Bytes that are no UTF-8 are replaced.
std::string TextOf(const Json& json);

// A line of the ledger, as of `now`.
Result<Json> LineJson(TableSnapshot& snapshot, const IssuedCertificate& line, Time now);
// The same of a line whose entry is known: "STORE/ALIAS", or nothing.
Result<Json> LineJson(const IssuedCertificate& line, const std::optional<std::string>& entry, Time now);
// An authority certificate.
Result<Json> AuthorityJson(const AuthorityCertificate& authority);
// The issuing one, null where there is none.
Result<Json> IssuingJson(TableSnapshot& snapshot);
Json ReplacementJson(const ReplacementProgress& progress);
Json OperationJson(const std::optional<LastOperation>& operation);
// {"error": {...}}, the answer of a command that failed.
Json ErrorJson(const Error& error);

std::string_view WordOf(IssuedState state);
std::string PemText(std::string_view label, BytesView der);
// "STORE/ALIAS" of an entry; nothing where it is gone.
Result<std::optional<std::string>> EntryPathOf(TableSnapshot& snapshot, Number entry);

}  // namespace certfs::control
