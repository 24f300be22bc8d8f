// Where the certificates that the authority issued are live: the ledger's own note of it, kept in step with
// the entries. Private to store/.
//
// A line of the ledger names one entry, the last that got its certificate, as long as that has it. Staged
// entries, BACKUP_STORE and the stores of trust do not count.
//
// Thread-safety: free functions over a transaction. Errors: those of EntryTable.

#pragma once

#include <optional>
#include <span>
#include <vector>

#include "crypto/certificate.h"
#include "store/entry_table.h"
#include "store/serial_numbers.h"

namespace certfs {

// Notes that the live cert.pem of `entry`, which held `removed`, now holds `added`, leaf first: in the index
// of serial numbers (CountSerials) and in the ledger. `entry` is as it was before. What is damaged held
// nothing that can be told, hence `removed` is empty: then it is what NotedIn says.
Result<void> NoteLiveCertificates(TableTransaction& transaction, const Store& store, const Entry& entry,
                                  std::span<const Certificate> removed, std::span<const Certificate> added);

// The leaf that the live cert.pem of `entry` holds according to the ledger, for one that cannot be read;
// nothing where there is none, or not one of the authority's.
Result<std::vector<IndexedCertificate>> NotedIn(TableSnapshot& snapshot, const Entry& entry);

// The part of it that concerns the ledger, after CountSerials. Where one of ours replaces another of ours,
// both say so.
Result<void> NotePlacement(TableTransaction& transaction, const Store& store, Number entry,
                           std::span<const IndexedCertificate> removed,
                           std::span<const IndexedCertificate> added);

// The line of the ledger for `certificate`; nothing where it is not ours, or is another one with its serial
// number.
Result<std::optional<IssuedCertificate>> FindLine(TableSnapshot& snapshot,
                                                  const IndexedCertificate& certificate);

}  // namespace certfs
