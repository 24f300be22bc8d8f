// What a change would come to, for --dry-run: judged by the rules of the store, the trust of the mount and
// what the kernel lets this user do, without changing anything. The write itself alone knows more: what
// others change meanwhile, and a live key that this user may not read.
//
// Thread-safety: free functions over their arguments. Errors: the refusal that would come.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/rules.h"
#include "tools/vecs/entry_content.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

using Findings = std::vector<Finding>;

// Whether this user could make, or remove, a store.
Result<void> MayCreateStore(const Mount& mount);
Result<void> MayDeleteStore(const StorePlace& store);

// Whether a new entry could hold `content`, and what would be warned about.
Result<Findings> JudgeCreation(const StorePlace& store, const Content& content);

// Whether `content` could replace what is in the entry.
Result<Findings> JudgeReplacement(const StorePlace& store, const std::filesystem::path& entry,
                                  const Content& content);

// Whether the entry could be removed.
Result<void> MayDeleteEntry(const StorePlace& store, const std::filesystem::path& entry);

// One line a finding: "warn    no-host: …".
std::string TextOf(const Findings& findings);
// [{"rule", "severity", "subject", "detail"}]
Json ToJson(const Findings& findings);

}  // namespace certfs::vecs
