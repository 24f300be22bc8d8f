// What the pieces that are left of a keystore were: found by the hash trees, and where these are damaged by
// the pieces themselves; then put into a new one. Private to store/; salvage.h is the way in.
//
// Thread-safety: none. Ownership: borrows all it is given. Errors: those of BulkLoad.

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/bulk_load.h"
#include "store/policy.h"
#include "store/salvage.h"
#include "store/salvage_records.h"

namespace certfs {

// Of what has lost its own name and permissions.
inline constexpr std::string_view kNamelessStore = "SALVAGED";
inline constexpr std::uint32_t kForOwner = 0700;
inline constexpr std::uint32_t kFileForOwner = 0600;

// A record that stands for something, and how well.
struct Chosen {
  const SalvagedRecord* record = nullptr;
  bool proven = false;  // A hash tree leads to it.
  bool old = false;     // It was replaced, or removed.
};

// An entry as it will be.
struct FoundEntry {
  Entry entry;
  Chosen chosen;
};

struct FoundStore {
  Store store;
  Chosen chosen;
  bool listed = false;    // The hash tree of the stores leads to it.
  bool guessed = false;   // Its name is the one that is missing.
  std::string lost_name;  // What its record calls it, where another store has that name by now.
  bool whole = true;      // Its tree.
  std::map<Number, FoundEntry> entries;
};

// A file that does not go with what else is left of its entry.
struct Misfit {
  Number entry = 0;
  Member member = Member::kCertificate;
  ArchivedFile file;
};

class Salvager {
 public:
  Salvager(const SalvagedRecords& records, BulkLoad& load, SalvageReport& report, Actor owner, Time now)
      : records_(records), load_(load), report_(report), owner_(owner), now_(now) {}

  Result<void> Run();

 private:
  Chosen Choose(const SalvagedRecords::Key& key, const Digest* expected) const;
  template <typename Value>
  std::optional<Value> Decode(const SalvagedRecords::Key& key, const Chosen& chosen,
                              Result<Value> (*decode)(BytesView)) const;

  void FindStores();
  void AddStore(Number number, const Digest* expected);
  void FindEntries(FoundStore& found);
  // Entries that no tree leads to, where trees are damaged.
  void FindStrayEntries();
  // Files whose entries' records are gone.
  void FindStrayFiles();
  std::optional<FoundEntry> ReadEntry(Number number, const Digest* expected) const;
  void CountLosses();

  // Sees to it that no two stores have one name.
  Result<void> NameStores();
  // Gives a store that lost its name the one that it can only have had.
  void GuessName();
  void GiveName(FoundStore& found, const StorePolicy& policy);
  // Those that no keystore is without.
  Result<void> PutMissingStores();
  // Takes `name`, or the next that is free.
  Result<StoreName> TakeFreeName(std::string name);
  Result<void> PutStore(FoundStore& found);
  Result<void> PutEntry(const FoundStore& found, const FoundEntry& entry, const std::string& name);
  Result<void> PutNameless();
  // Takes the file of an entry; nothing where its bytes are gone. `sure` says whether it belongs to the
  // entry.
  std::optional<ArchivedFile> TakeFile(const FoundEntry& entry, Member member, const std::string& name,
                                       bool& sure);
  // Sees to it that what stands together in `entry` may: the rest is set apart, unless it is `sure`.
  void SetMisfitsApart(const FoundStore& found, Number number, const std::string& name,
                       const std::set<Member>& sure, BackupEntry& entry);
  void SetApart(Number number, Member member, const std::string& name, BackupEntry& entry);
  Result<void> PutMisfits(const FoundStore& nameless);
  std::string FolderOf(Number entry, Member member) const;
  void IndexSerials(const FoundStore& found, const std::string& name, BackupEntry& entry);
  Result<void> PutAuthority();
  Result<void> PutLedger();
  Settings TakeSettings();
  void Note(std::string name, Fate fate, std::string detail = {}) {
    report_.items.push_back({std::move(name), fate, std::move(detail)});
  }
  std::string NameOf(Number entry) const {
    const auto name = names_.find(entry);
    return name == names_.end() ? std::string() : name->second;
  }
  Attributes PrivateAttributes(std::uint32_t mode) const;

  const SalvagedRecords& records_;
  BulkLoad& load_;
  SalvageReport& report_;
  const Actor owner_;  // Of what has lost its own.
  const Time now_;
  std::map<Number, FoundStore> stores_;
  std::set<std::string> store_names_;                    // Folded, of all that have theirs.
  StoreName nameless_name_;                              // Of the store for what has no name.
  std::map<Number, std::map<Member, Chosen>> nameless_;  // Files whose entry nothing names.
  std::vector<Misfit> misfits_;
  std::set<Number> placed_;                            // Entries that were found.
  std::map<Number, std::string> names_;                // "STORE/ALIAS", of what was put.
  std::map<std::pair<Bytes, Bytes>, Digest> serials_;  // Issuer and serial number: the certificate.
  bool kept_states_sure_ = true;                       // All that is put into BACKUP_STORE.
  bool stores_whole_ = true;                           // The hash tree of the stores.
  bool whole_ = true;                                  // All trees, and all that they lead to.
};

template <typename Value>
std::optional<Value> Salvager::Decode(const SalvagedRecords::Key& key, const Chosen& chosen,
                                      Result<Value> (*decode)(BytesView)) const {
  if (chosen.record == nullptr) return std::nullopt;
  const auto opened = records_.Open(key, *chosen.record);
  if (!opened.has_value()) return std::nullopt;
  auto value = decode(opened.value().Reveal());
  if (!value.has_value()) return std::nullopt;
  return std::move(value).value();
}

}  // namespace certfs
