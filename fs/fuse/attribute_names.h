// The names of the extended attributes that a mount has, for whoever asks one for them.
//
// Thread-safety: constants.

#pragma once

namespace certfs {

// On the root: the daemon's process id, in decimal.
inline constexpr const char* kPidAttribute = "user.certfs.pid";
// On the root: that of the process that keeps the mount, and has gone when the mount has.
inline constexpr const char* kMounterAttribute = "user.certfs.mounter";
// On the root, where the daemon confines itself: what holds of it, in words (store/confinement.h).
inline constexpr const char* kConfinementAttribute = "user.certfs.confinement";
// On a directory of BACKUP_STORE: the name of the store whose entry's state it keeps.
inline constexpr const char* kStoreAttribute = "user.certfs.store";
// On a store: "1" where the keys of revoked certificates are withheld, else "0".
inline constexpr const char* kEnforceRevocationAttribute = "user.certfs.enforce_revocation";
// The POSIX ACLs, acl(5).
inline constexpr const char* kAccessAclAttribute = "system.posix_acl_access";
inline constexpr const char* kDefaultAclAttribute = "system.posix_acl_default";

}  // namespace certfs
