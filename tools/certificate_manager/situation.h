// What there is before an operation: the authority, what the entries hold that it is about, and what the
// authority issued into entries.
//
// Thread-safety: free functions and values. Errors: those of the authority; kIo where the mount cannot be
// read.

#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "tools/certificate_manager/operation.h"
#include "tools/certificate_manager/targets.h"
#include "tools/control_client.h"

namespace certfs {

// Asks the authority: Ask() of a mount, or what a test has in its place.
using AuthorityCommand = std::function<Result<Json>(const ControlCommand&)>;

// What an entry of the table of targets holds.
struct Held {
  std::optional<Certificate> certificate;  // The live leaf; nothing where the entry is empty.
  bool issued_here = false;                // By this authority.
};

// A certificate of the authority that is live in an entry.
struct PlacedCertificate {
  std::string entry;  // STORE/ALIAS.
  std::string subject;
  std::string serial;
  std::string not_after;
};

struct Situation {
  bool has_authority = false;
  std::string authority;             // The subject of the certificate that issues.
  std::string replacement;           // "reissuing", "rolling-back", or empty: is the root being replaced?
  bool has_retiring = false;         // A root that was replaced, and can be put back.
  std::string last_operation;        // That may be reverted; empty for none.
  std::set<std::string> stores;      // Folded names of those that there are.
  std::map<std::string, Held> held;  // By the store of the target.
  std::set<std::string> trusted;     // SHA-256 in hexadecimal of what TRUSTED_ROOTS holds.
  std::vector<PlacedCertificate> placed;  // Where the root is replaced.
};

// Looks at all that `operation` depends on. `stores` is the directory of them.
Result<Situation> ReadSituation(const AuthorityCommand& ask, const std::filesystem::path& stores,
                                Operation operation);

// The live certificates of the authority, by its ledger.
Result<std::vector<PlacedCertificate>> ListPlaced(const AuthorityCommand& ask);

}  // namespace certfs
