// Which packages were encrypted to the keys of a mount: written down by `certfs package create --encrypt-to`,
// so that whoever is about to delete or replace such a key learns what nobody can open afterwards.
//
// The ledger is a store like any other, PACKAGES, made on first use. It has one entry for each package and
// key: its alias is the SHA-256 of the key's SubjectPublicKeyInfo and the beginning of the package's, in
// hexadecimal, its `secret` a JSON object with the name of the package, its time and its digest. So nothing
// is read to be written again, and two jobs that pack at the same time lose nothing of each other's. Who may
// see and change it is what the kernel says of that store; a record that is not needed any more is removed by
// `rm -r`.
//
// Thread-safety: main thread only. Errors: the path and the system's reason.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "tools/mounts.h"

namespace certfs {

inline constexpr auto kPackageStore = "PACKAGES";

struct EncryptedPackage {
  std::string name;    // The file's, as it was called when it was made. May hold any character that JSON can.
  std::string time;    // RFC 3339; when it was made.
  std::string digest;  // SHA-256 of the file, hexadecimal.
  std::string alias;   // Of its entry in PACKAGES.
  bool readable;       // False: this process may not read the record, and only `alias` is known.
};

// Returns the packages that were encrypted to the key whose SubjectPublicKeyInfo is `key_der`
// (Certificate::key_der, PublicKey::der), oldest first; none where there is no ledger.
Result<std::vector<EncryptedPackage>> PackagesEncryptedTo(const Mount& mount, BytesView key_der);

// Writes down that `package` was encrypted to that key; `alias` and `readable` of it are not looked at.
Result<void> RecordPackage(const Mount& mount, BytesView key_der, const EncryptedPackage& package);

// Says on stderr, in the name of `program`, which packages were encrypted to the key of the entry in the
// directory `entry`, where it has one, and to that of the state before its last change, where BACKUP_STORE is
// about to lose it; to be called before that key is deleted or replaced. Says nothing of `successor`, the
// SubjectPublicKeyInfo of the key that comes in its place. Returns how many were named. Never fails: where
// the ledger cannot be read, the warning is that.
std::size_t WarnOfPackages(const char* program, const Mount& mount, const std::filesystem::path& entry,
                           std::optional<BytesView> successor = std::nullopt);

// The same before a change that leaves the entry its key: it displaces the state before the last change as
// well.
std::size_t WarnOfKeptPackages(const char* program, const Mount& mount, const std::filesystem::path& entry);

// Returns the SubjectPublicKeyInfo of the key that BACKUP_STORE keeps of `entry`: what a revert puts back.
// Nothing where it keeps none, or none that can be told.
std::optional<Bytes> KeptKey(const Mount& mount, const std::filesystem::path& entry);

}  // namespace certfs
