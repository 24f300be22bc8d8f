// What of a bundle goes where: decided before anything is written, and without a mount.
//
// Thread-safety: free functions and values. Ownership: a plan owns what it is going to write.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/bundle.h"
#include "store/name.h"

namespace certfs {

// STORE or STORE/ALIAS, and what the command line says besides.
struct ImportTarget {
  StoreName store;
  std::optional<Alias> alias;
  std::string name;  // Of the one thing to take out of the file; empty for all.
  std::string file;  // As people write it, for words and for the alias of what has no name.
};

// kInvalidArgument if `text` names neither a store nor an entry.
Result<ImportTarget> ParseImportTarget(const std::string& text);

// One entry that is to be written. What it does not get is empty.
struct ImportStep {
  Alias alias;
  std::string words;   // What it is, for the person who looks at the plan.
  SecretBytes pkcs8;   // Not yet PEM: a file may have thousands, and locked memory is scarce.
  Bytes certificates;  // PEM.
  Bytes list;          // PEM.
};

struct ImportPlan {
  std::vector<ImportStep> steps;  // Never empty.
  std::vector<std::string> left;  // What is not imported, and why.
};

// Decides by what the store holds: keys with their chains; in TRUSTED_ROOTS the certificates of no key; in
// TRUSTED_ROOTS_CRLS the CRLs. Returns kInvalidArgument for a store that takes none of these, and for an
// alias where there are several candidates; kNotFound where there is none; the reason says which there are.
Result<ImportPlan> PlanImport(Bundle bundle, const ImportTarget& target);

// Makes an alias of any name: what no alias may have (`/`, `@`, control characters) becomes `-`, spaces
// around and dots in front go, and 120 bytes stay. Of nothing it makes "imported".
Alias MakeAlias(std::string_view name);

// Returns `alias`, or the first of `alias`-2, `alias`-3 … that is none of `taken`, folded names, and takes
// it.
Alias TakeAlias(const Alias& alias, std::vector<std::string>& taken);

}  // namespace certfs
