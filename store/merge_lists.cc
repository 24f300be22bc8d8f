// What a merge does about CRLs: none is ever taken back.

#include "crypto/store_file.h"
#include "store/keystore_change.h"
#include "store/merge.h"

namespace certfs {

Result<void> Merger::LearnLists() {
  lists_.emplace();
  if (!store_) return {};
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    bool damaged = false;
    const auto entry = TRY(Sound(target_.state.NextEntry(store_->number, after, &skipped), damaged));
    // Where it is not said how to go on, nothing can be said of what follows.
    if (damaged && skipped > after) {
      after = skipped;
      continue;
    }
    if (!entry) return {};
    after = entry->at;
    if (!entry->item.file(Member::kRevocationList)) continue;
    const SecretBytes bytes = TRY(ReadLive(target_.state, entry->item, Member::kRevocationList));
    auto file = ReadRevocationListFile(bytes.Reveal());
    KnownList& known = lists_->emplace_back();
    known.folded_alias = FoldName(entry->item.alias.text());
    if (file.has_value()) known.list = std::move(file).value().list;
  }
}

Result<std::optional<std::string>> Merger::ListStays(const BackupEntry& from) {
  if (!lists_) TRY(LearnLists());
  const RevocationList list =
      TRY(ReadRevocationListFile(from.file(Member::kRevocationList)->bytes.Reveal())).list;
  const std::string folded = FoldName(from.alias.text());
  KnownList* place = nullptr;
  for (KnownList& known : *lists_) {
    if (known.folded_alias == folded) {
      place = &known;
    } else if (known.list && known.list->SameAuthority(list)) {
      return std::optional<std::string>("the CRL of that authority has another alias there");
    }
  }
  if (place != nullptr && place->list) {
    if (!place->list->SameAuthority(list))
      return std::optional<std::string>("the CRL there is another authority's");
    if (list.CompareAge(*place->list) <= 0) return std::optional<std::string>("the CRL there is not older");
  }
  if (place == nullptr) place = &lists_->emplace_back(KnownList{folded, {}});
  place->list = list;
  return std::optional<std::string>();
}

}  // namespace certfs
