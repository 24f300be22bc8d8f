// The plaintexts of sealed records (store/README.md, "LMDB tables"): manifest, settings, store, entry, to
// bytes and back.
//
// Thread-safety: free functions over values.
// Errors: decoding returns kCorrupt for bytes that no encoder wrote, kUnsupported for a newer format.

#pragma once

#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "store/audit_anchor.h"
#include "store/entry.h"
#include "store/settings.h"

namespace certfs {

struct DataKey {
  std::uint32_t epoch;
  SecretBytes key;
};

// The root of everything: what one commit leaves behind.
struct Manifest {
  std::uint64_t commit = 0;
  Number next_number = kFirstNumber;
  Digest stores{};  // Root of the tree of stores.
  std::uint64_t store_count = 0;
  Digest serials{};  // Root of the tree of issuers and serial numbers.
  SecretBytes index_key;
  std::vector<DataKey> data_keys;  // The last one seals new records.
  Digest settings{};               // Of the sealed settings; zeros where nothing was ever set.
  Digest authority{};              // Of the sealed authority record; zeros where none was ever put.
  bool has_authority = false;      // It has certificates.
  Digest issued{};                 // Root of the tree of the ledger, by serial number.
  Digest groups{};                 // Root of the tree of its groups.
  std::uint64_t issued_count = 0;  // Lines of the ledger.
  AuditAnchor audit;               // What of the audit log is on disk.
  // Records of data keys that are gone may still lie in free space: data.mdb is to be written anew.
  bool rewrite_pending = false;

  Manifest Clone() const;
  // Returns the data key of `epoch`, null where there is none.
  const SecretBytes* KeyOf(std::uint32_t epoch) const;
};

SecretBytes EncodeManifest(const Manifest& manifest);
Result<Manifest> DecodeManifest(BytesView bytes);

// Precondition: the password has at most kExportPasswordBytesMax.
SecretBytes EncodeSettings(const Settings& settings);
Result<Settings> DecodeSettings(BytesView bytes);

Bytes EncodeStore(const Store& store);
Result<Store> DecodeStore(BytesView bytes);

Bytes EncodeEntry(const Entry& entry);
Result<Entry> DecodeEntry(BytesView bytes);

}  // namespace certfs
