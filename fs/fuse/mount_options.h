// What a mount is made with.
//
// Thread-safety: a value.

#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "store/audit_log.h"

namespace certfs {

struct MountOptions {
  std::filesystem::path mountpoint;
  std::string source;        // What mountinfo shows as the source: the keystore's path.
  bool stores_only = false;  // -o subtree=stores
  bool read_only = false;    // -o ro
  AuditLimits audit = {};    // -o audit-mib=, audit-files=
  // Somebody, perhaps another process, has written to data.mdb. Called from a thread; may be empty.
  std::function<void()> written = {};
};

}  // namespace certfs
