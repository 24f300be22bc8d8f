// The index of issuers and serial numbers, kept in step with the certificates that lie in files. Private to
// store/.
//
// It counts, for each issuer and serial number, the files in which its certificate lies; every certificate of
// a file once. Two different certificates with one issuer and serial number are a forgery or an accident (RFC
// 5280, 4.1.2.2).
//
// Thread-safety: free functions over a transaction. Errors: those of EntryTable.

#pragma once

#include <span>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/file_outline.h"
#include "store/entry_table.h"

namespace certfs {

// A certificate as the index knows it.
struct IndexedCertificate {
  Digest fingerprint{};
  IssuedSerial serial;
};
std::vector<IndexedCertificate> Indexed(std::span<const Certificate> certificates);
std::vector<IndexedCertificate> Indexed(std::span<const CertificateOutline> certificates);

// Returns the positions in `added` of certificates whose issuer and serial number another certificate has:
// one in a file other than that of `removed`, or one in `added` itself. `removed` are the certificates that
// the same change takes away.
Result<std::vector<std::size_t>> FindReusedSerials(TableSnapshot& table,
                                                   std::span<const IndexedCertificate> removed,
                                                   std::span<const IndexedCertificate> added);
Result<std::vector<std::size_t>> FindReusedSerials(TableSnapshot& table, std::span<const Certificate> removed,
                                                   std::span<const Certificate> added);

// Notes that a file which held `removed` now holds `added`. Where a certificate is added although its issuer
// and serial number are another's, the index keeps the other.
Result<void> CountSerials(TableTransaction& transaction, std::span<const IndexedCertificate> removed,
                          std::span<const IndexedCertificate> added);
Result<void> CountSerials(TableTransaction& transaction, std::span<const Certificate> removed,
                          std::span<const Certificate> added);

}  // namespace certfs
