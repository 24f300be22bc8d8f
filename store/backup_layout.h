// What a backup's archive is made of: the names that writing and restoring share (store/README.md,
// "Backup"). Private to store/. On disk: never change or reuse.
//
// Thread-safety: constants.

#pragma once

#include <string_view>

namespace certfs {

inline constexpr unsigned kBackupFormat = 2;  // 1 has no ca/, and no stores that enforce revocation.

// Paths.
inline constexpr std::string_view kBackupManifestPath = "manifest.json";
inline constexpr std::string_view kBackupSettingsPath = "settings.json";
inline constexpr std::string_view kBackupPasswordPath = "export-password";
inline constexpr std::string_view kBackupRecoveryFolder = "recovery/";
inline constexpr std::string_view kBackupStoresFolder = "stores/";

// ca/ is laid out in authority_archive.h.

// Extended attributes, for what files and directories cannot say.
inline constexpr std::string_view kExtraRevision = "user.certfs.revision";  // Of an entry: digits.
inline constexpr std::string_view kExtraChanged = "user.certfs.changed";    // "UID NANOSECONDS".
inline constexpr std::string_view kExtraOrigin = "user.certfs.origin";      // In BACKUP_STORE: a store.
inline constexpr std::string_view kExtraDated = "user.certfs.dated";        // Of a staged file: "1".
inline constexpr std::string_view kExtraEnforce = "user.certfs.enforce_revocation";  // Of a store: "1".
inline constexpr std::string_view kExtraAccessAcl = "user.certfs.acl.access";        // In the kernel's form.
inline constexpr std::string_view kExtraDefaultAcl = "user.certfs.acl.default";

}  // namespace certfs
