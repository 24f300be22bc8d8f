// What the programs say of a certificate and of a CRL with --json.
//
// Thread-safety: pure functions.

#pragma once

#include <nlohmann/json_fwd.hpp>

#include "crypto/certificate.h"
#include "crypto/revocation_list.h"

namespace certfs {

// {"subject", "issuer", "serial", "not_before", "not_after", "key", "names", "sha1", "sha256"}
nlohmann::ordered_json ToJson(const Certificate& certificate);

// {"issuer", "number", "this_update", "next_update" (or null), "revoked": how many}
nlohmann::ordered_json ToJson(const RevocationList& list);

}  // namespace certfs
