// A grant on a store, or its end, as what it is in the kernel: an entry in the ACL of the store's directory,
// in the default ACL that new entries begin with, and in those of every entry and file that is there. Planned
// whole before anything is changed, and taken back whole if the mount refuses a part of it.
//
// Key material has no bits for others (the mount refuses them), so that EVERYONE never reads a key.
//
// Thread-safety: one thread. Errors: kNotPermitted for what is another's, with its path.

#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "crypto/base/result.h"
#include "tools/vecs/access_list.h"

namespace certfs::vecs {

// What is to become of somebody's rights.
struct AccessOrder {
  Grantee grantee;
  bool grant = true;  // Else they are taken away.
  Rights rights;      // Those that are meant; others stay as they are.

  // What an entry that says `named`, of which the mask leaves `effective`, is to say; nothing where it says
  // so already.
  std::optional<Rights> Change(const Rights& named, const Rights& effective) const;
};

struct AccessChange {
  std::filesystem::path path;
  Which which;
  AccessList before;
  AccessList after;
};

// The changes that `order` takes in the store in `directory`, that of the store itself first. What is so
// already, and what belongs to the grantee anyway, takes none.
Result<std::vector<AccessChange>> PlanAccess(const std::filesystem::path& directory,
                                             const AccessOrder& order);

// Makes the changes, in their order. If one fails, those before it are taken back.
Result<void> ApplyAccess(const std::vector<AccessChange>& changes);

}  // namespace certfs::vecs
