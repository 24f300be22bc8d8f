// What the views of one entry are made from, read from a snapshot once. Private to store/.
//
// Thread-safety: a value of one thread. Errors: those of reading; a file that does not parse is as good as
// none.

#pragma once

#include <optional>
#include <vector>

#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "crypto/rules.h"
#include "crypto/store_file.h"
#include "store/entry_table.h"

namespace certfs::view {

struct EntryMaterial {
  Store store;
  Entry entry;
  std::optional<Entry> staged;  // What waits in its next/.

  std::optional<CertificateFile> certificates;  // What cert.pem holds, and crl.pem.
  std::optional<RevocationListFile> list;
  // Leaf first, then what issued it, as far as cert.pem holds it; never a root behind a leaf.
  std::vector<Certificate> chain;
  SecretBytes key;  // PKCS#8; empty where there is none.
  Bytes request;    // DER of the pending signing request; empty where there is none.
  // The verdict on it, as of its last change and by the trust set of now; only where somebody asked for it.
  std::vector<Finding> findings;
};

// Which of its parts somebody needs.
struct Parts {
  bool certificates = true;
  bool key = true;
  bool request = true;
};

Result<EntryMaterial> ReadMaterial(TableSnapshot& snapshot, const Store& store, const Entry& entry,
                                   const Parts& parts = {});

// The key of a stored key.pem as PKCS#8, empty where it is none.
Result<SecretBytes> ReadPkcs8(TableSnapshot& snapshot, const Entry& entry);

// The chain of a stored cert.pem.
Result<std::vector<Certificate>> ReadChain(TableSnapshot& snapshot, const Entry& entry);

}  // namespace certfs::view
