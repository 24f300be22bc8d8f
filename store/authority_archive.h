// How the authority and its ledger stand in a backup (store/README.md, "Backup"): ca/authority.json, and
// lines of the ledger as JSON with PEM behind it. Private to store/.
//
// Entries are named instead of numbered: their numbers are others once they are restored. There is one text
// for each value, and reading refuses every other.
//
// Thread-safety: free functions and values. Errors: kMalformed for what was not written here.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/authority_record.h"

namespace certfs {

// "STORE/ALIAS"; empty for none.
using EntryName = std::string;

struct ArchivedAuthority {
  AuthorityRecord record;  // Its numbers of entries are zeros.
  struct Places {          // Of a certificate's root and CRL.
    EntryName root;
    EntryName list;
  };
  std::vector<Places> places;      // Of each certificate of the record, in its order.
  std::vector<EntryName> changed;  // Of each entry of the last operation.
};

struct ArchivedLine {
  IssuedCertificate issued;  // Without its number and that of its entry.
  EntryName entry;
};

// ca/authority.json. It names the certificates, says which of them have keys, and names the profiles; what
// they are stands in files of their own, and is empty in what reading returns, save that a key that is to
// come is one byte.
std::string AuthorityJson(const ArchivedAuthority& authority);
Result<ArchivedAuthority> ParseAuthorityJson(std::string_view text);

// Returns a line: one line of JSON, its certificate, and its key where it has one.
SecretBytes LineText(const ArchivedLine& line);
// Calls `take` with each line of `text`, which is nothing but such lines. A certificate has the serial number
// that its line says, a key fits its certificate.
Result<void> ParseLines(BytesView text, const std::function<Result<void>(ArchivedLine)>& take);

// Where what stands in the archive; `id` is a certificate's, `chunk` counts from 1. On disk: never change or
// reuse.
inline constexpr std::string_view kAuthorityFolder = "ca/";
inline constexpr std::string_view kAuthorityPath = "ca/authority.json";
std::string AuthorityCertificatePath(std::uint32_t id);
std::string AuthorityKeyPath(std::uint32_t id);
std::string ProfilePath(const std::string& name);
std::string LedgerPath(std::uint64_t chunk);
// A file of the ledger ends behind the line that takes it so far.
inline constexpr std::size_t kLedgerChunkBytes = std::size_t{256} << 10;

}  // namespace certfs
