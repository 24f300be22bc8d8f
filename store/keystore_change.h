// What the changes of a Keystore have in common: how one runs, and the words they share. Private to store/.
//
// Thread-safety: free functions over a transaction. Errors: kNotFound from every Get..., and those of
// EntryTable.

#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "store/keystore.h"

namespace certfs {

inline constexpr std::uint32_t kPermissionBits = 07777;

Result<Store> GetStore(TableSnapshot& table, Number number);
Result<Store> GetStore(TableSnapshot& table, const StoreName& name);
Result<Entry> GetEntry(TableSnapshot& table, Number number);
Result<Entry> GetEntry(TableSnapshot& table, Number store, const Alias& alias);

// Makes an empty entry; the caller has made sure that the alias is free.
Result<Entry> AddEntry(TableTransaction& transaction, const Store& store, const Alias& alias, Actor actor,
                       std::uint32_t mode, Time now);

// Moves a store's mtime: an entry came, went or changed its name.
Result<void> TouchStore(TableTransaction& transaction, Number number, Time now);

Attributes NewAttributes(Actor actor, std::uint32_t mode, Time now);
// Of a directory that is made in `parent`, whose default ACL it inherits.
Attributes NewDirectoryAttributes(const Attributes& parent, Actor actor, std::uint32_t mode, Time now);
void SetTimes(Attributes& attributes, const AttributeChange& change);
void SetAll(Attributes& attributes, const AttributeChange& change, Time now);

// Says whether `actor` may remove what the store's policy protects.
Result<void> CheckRemoval(const StorePolicy& policy, Actor actor);

Error ProtectedStore(const StoreName& name);

// --- Writing of files (keystore_files.cc, keystore_next.cc)

// The same for a file for which something was asked explicitly: that holds, save that key material never has
// a bit for others.
Attributes NewFileAttributes(Member member, Actor actor, const Attributes& directory,
                             const AttributeChange& change, Time now);

// Reads what is to be replaced. Damaged bytes are as good as none: what replaces them is judged alone, which
// is the only way to repair a file of an entry that nobody may remove.
Result<SecretBytes> ReadLive(TableSnapshot& snapshot, const Entry& entry, Member member);

struct Keystore::Write {
  Member member;
  BytesView bytes;
  Actor actor;
  const AttributeChange& attributes;
  const Attributes* returning = nullptr;
  bool untouched = false;                        // Out: nothing was put, and there is nothing to commit.
  std::optional<PrivateKey> key = std::nullopt;  // Of a request: what it makes if no key waits.
};

// What judging leaves to be written.
struct Keystore::Judged {
  SecretBytes text;
  std::vector<Finding> findings;
  std::vector<Certificate> certificates;  // Of a cert.pem: those in `text`,
  std::vector<Certificate> replaced;      // and those in the live file.
};

// A certificate and key that are to be an entry's.
struct Keystore::Pair {
  Judged certificate;
  SecretBytes key;  // Empty: the entry keeps what it has.
  // The attributes of files that are not there yet; the times of those that are `dated` hold in any case.
  File certificate_file;
  File key_file;
  std::optional<LastChange> changed;
};

template <typename Change>
auto Keystore::Apply(Change&& change, const bool* unchanged, Room room)
    -> decltype(change(std::declval<TableTransaction&>())) {
  for (;;) {
    auto transaction = table_->BeginTransaction(room);
    if (!transaction.has_value()) return std::move(transaction).error();
    auto outcome = change(*transaction.value());
    if (outcome.has_value()) {
      if (unchanged != nullptr && *unchanged) return outcome;
      auto committed = transaction.value()->Commit();
      if (committed.has_value()) return outcome;
      outcome = std::move(committed).error();
    }
    // One change may need more than one doubling; the limit ends the doubling.
    if (outcome.error().code() != ErrorCode::kNoSpace || !transaction.value()->WantsRoom()) return outcome;
    std::move(transaction).value().reset();  // The map can grow only when no transaction is live.
    auto grown = table_->Grow(room);
    if (!grown.has_value()) return std::move(grown).error();
    if (!grown.value()) return outcome;
  }
}

}  // namespace certfs
