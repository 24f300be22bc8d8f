// What a merge does about CRLs: none is ever taken back.

#include "crypto/store_file.h"
#include "store/keystore_change.h"
#include "store/merge.h"

namespace certfs {

template <typename Use>
Result<void> Merger::ForEachSound(Number store, const Use& use) {
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    bool damaged = false;
    const auto entry = TRY(Sound(target_.state.NextEntry(store, after, &skipped), damaged));
    // Where it is not said how to go on, nothing can be said of what follows.
    if (damaged && skipped > after) {
      after = skipped;
      continue;
    }
    if (!entry) return {};
    after = entry->at;
    TRY(use(entry->item));
  }
}

Result<void> Merger::LearnAuthorities() {
  authorities_.emplace();
  bool damaged = false;
  const auto store = TRY(Sound(target_.state.FindStore(TRY(StoreName::Parse(kTrustedRoots))), damaged));
  if (!store) return {};
  return ForEachSound(store->number, [&](const Entry& entry) -> Result<void> {
    if (!entry.file(Member::kCertificate)) return {};
    auto file = ReadCertificateFile(TRY(ReadLive(target_.state, entry, Member::kCertificate)).Reveal());
    if (file.has_value()) authorities_->push_back(file.value().certificates.front());
    return {};
  });
}

void Merger::LearnAuthority(const BackupEntry& root) {
  if (!root.file(Member::kCertificate)) return;
  auto file = ReadCertificateFile(root.file(Member::kCertificate)->bytes.Reveal());
  if (!file.has_value()) return;
  authorities_->push_back(file.value().certificates.front());
  trust_.reset();
}

// Two authorities may have one name, and lists need not say which key signed them. Who signed them may be
// unknown.
Merger::Kinship Merger::KinshipOf(const RevocationList& one, const RevocationList& other) {
  if (!one.SameAuthority(other)) return Kinship::kTwo;
  if (!trust_) trust_.emplace(*authorities_, std::vector<RevocationList>());
  if (!trust_->OfOneAuthority(one, other)) return Kinship::kTwo;
  const bool sure = one.NamesKey() || (trust_->SignerOf(one) && trust_->SignerOf(other));
  return sure ? Kinship::kOne : Kinship::kUnknown;
}

Result<void> Merger::LearnLists() {
  lists_.emplace();
  if (!store_) return {};
  return ForEachSound(store_->number, [&](const Entry& entry) -> Result<void> {
    if (!entry.file(Member::kRevocationList)) return {};
    const SecretBytes bytes = TRY(ReadLive(target_.state, entry, Member::kRevocationList));
    auto file = ReadRevocationListFile(bytes.Reveal());
    KnownList& known = lists_->emplace_back();
    known.folded_alias = FoldName(entry.alias.text());
    if (file.has_value()) known.list = std::move(file).value().list;
    return {};
  });
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
    } else if (known.list && KinshipOf(*known.list, list) == Kinship::kOne) {
      return std::optional<std::string>("the CRL of that authority has another alias there");
    }
  }
  if (place != nullptr && place->list) {
    const Kinship kinship = KinshipOf(*place->list, list);
    if (kinship == Kinship::kTwo) return std::optional<std::string>("the CRL there is another authority's");
    if (kinship == Kinship::kUnknown)
      return std::optional<std::string>("whether the CRL there is the same authority's cannot be told");
    if (list.CompareAge(*place->list) <= 0) return std::optional<std::string>("the CRL there is not older");
  }
  if (place == nullptr) place = &lists_->emplace_back(KnownList{folded, {}});
  place->list = list;
  return std::optional<std::string>();
}

}  // namespace certfs
