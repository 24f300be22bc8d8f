// Merging a backup into a keystore that exists, entry by entry (store/README.md, "Restoring"). Private to
// store/; restore.h is its face.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/revocation_list.h"
#include "crypto/trust_set.h"
#include "store/contents_counter.h"
#include "store/entry_table.h"
#include "store/keystore.h"
#include "store/restore.h"

namespace certfs {

// What may be asked of the target, and done to it.
struct MergeTarget {
  TableSnapshot& state;
  TableTransaction* change;  // Null while it is only planned. Else the same object.
  Actor actor;
  Time now;
};

inline constexpr auto kDamagedThere = "what is there is damaged: certfs doctor --salvage saves the rest";

// Decides what to do with each entry that comes, and does it where the target may be changed. Planning and
// doing are one code: they differ in nothing else.
class Merger final : public ContentsCounter {
 public:
  explicit Merger(MergeTarget target) : target_(target) {}

  using ContentsCounter::Take;
  Result<void> Take(const BackupStore& store) override;
  Result<void> Take(BackupEntry entry) override;
  Result<void> Take(ArchivedAuthority authority) override;
  Result<void> Take(ArchivedLine line) override;

  // Once the backup was read to its end: what was, or would be, done.
  Result<MergePlan> Finish();

 private:
  // Whether two CRLs are of one authority.
  enum class Kinship : std::uint8_t { kOne, kTwo, kUnknown };
  // A state of BACKUP_STORE that came from the backup.
  struct AddedState {
    std::size_t step;
    std::optional<StoreName> origin;
    std::map<Member, Digest> files;
  };
  // A CRL of TRUSTED_ROOTS_CRLS in the target.
  struct KnownList {
    std::string folded_alias;
    std::optional<RevocationList> list;  // None where it is damaged: anything is better.
  };

  // What was found; nothing, and `damaged`, where damage took it: that has to stay as it is, and holds
  // nothing else up.
  template <typename T>
  static Result<std::optional<T>> Sound(Result<std::optional<T>> found, bool& damaged) {
    damaged = !found.has_value() && found.error().code() == ErrorCode::kCorrupt;
    return damaged ? Result<std::optional<T>>(std::optional<T>()) : std::move(found);
  }
  Result<void> MergeKept(const BackupEntry& from);
  Result<void> MergeStaged(const BackupEntry& from);
  Result<void> FillStaged(const BackupEntry& from, Entry next);
  Result<void> MergeLive(const BackupEntry& from);
  Result<void> Add(const BackupEntry& from);
  Result<void> AddAs(const BackupEntry& from, Number origin);
  Result<void> Replace(const BackupEntry& from, Entry live);
  Result<void> PutFiles(const BackupEntry& from, Entry& entry);
  Result<void> IndexSerials(const BackupEntry& from, const std::optional<Entry>& live);
  Result<bool> IsSame(const BackupEntry& from, const Entry& live);
  // Why the CRL of `from` is not to take the place of what the target has; nothing if it may.
  Result<std::optional<std::string>> ListStays(const BackupEntry& from);
  // Each entry of that store of the target that can be read: `use` is given it.
  template <typename Use>
  Result<void> ForEachSound(Number store, const Use& use);
  Result<void> LearnLists();
  Result<void> LearnAuthorities();
  void LearnAuthority(const BackupEntry& root);
  Kinship KinshipOf(const RevocationList& one, const RevocationList& other);
  // The content of that kept state becomes what `live` holds.
  Result<void> Displace(const Alias& name, const Entry& live);
  std::string PlaceToKeep(const Alias& free) const;
  Result<bool> HoldsAll(const AddedState& added, const Entry& live);
  Result<void> EndStore();
  void Note(MergeAction action, const BackupEntry& from, std::string why = {});
  // The target's entry of that name; 0 for none.
  Result<Number> NumberOf(const EntryName& name);

  MergeTarget target_;
  MergePlan plan_;
  // Of the store that is being merged.
  BackupStore from_store_;
  std::optional<Store> store_;  // None where it is not in the target, and only planned.
  const StorePolicy* policy_ = nullptr;
  bool store_is_damaged_ = false;
  std::optional<Entry> live_;  // The target's entry for the last live one of the backup.
  bool live_is_damaged_ = false;
  std::optional<std::vector<KnownList>> lists_;
  // Of TRUSTED_ROOTS in the target as it was, and in the backup as far as it was read.
  std::optional<std::vector<Certificate>> authorities_;
  std::optional<TrustSet> trust_;                   // Of these; none where one came since.
  std::set<std::string> displaced_;                 // Folded aliases of BACKUP_STORE that replacements take.
  std::map<std::string, AddedState> added_states_;  // By folded alias.
  bool touched_ = false;                            // An entry came.
  bool adds_authority_ = false;
};

// The door for it: one change of a keystore.
class KeystoreMerge {
 public:
  static Result<MergePlan> Run(const BackupFile& file, Keystore& keystore, Actor actor,
                               const ReadingProgress& progress);
};

}  // namespace certfs
