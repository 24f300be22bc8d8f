#include "store/trust_cache.h"

#include "crypto/store_file.h"
#include "store/policy.h"

namespace certfs {

namespace {

// Calls `use` with the bytes of `member` of every entry of `store` that has one; it says whether it could use
// them. Returns whether every one was there and of use: a damaged one is passed over.
template <typename Use>
Result<bool> ForEachFile(TableSnapshot& snapshot, const Store& store, Member member, Use&& use) {
  bool whole = true;
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto next = snapshot.NextEntry(store.number, after, &skipped);
    if (!next.has_value()) {
      if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(next).error();
      whole = false;
      after = skipped;
      continue;
    }
    if (!next.value()) return whole;
    after = next.value()->at;
    const Entry& entry = next.value()->item;
    if (!entry.file(member)) continue;
    auto bytes = snapshot.ReadFile(entry, member);
    if (!bytes.has_value() && bytes.error().code() != ErrorCode::kCorrupt) return std::move(bytes).error();
    whole = bytes.has_value() && use(entry, bytes.value().Reveal()) && whole;
  }
}

Result<Store> GetStore(TableSnapshot& snapshot, std::string_view name) {
  std::optional<Store> store = TRY(snapshot.FindStore(TRY(StoreName::Parse(name))));
  if (!store) return Error(ErrorCode::kCorrupt, "the store " + std::string(name) + " is missing");
  return *std::move(store);
}

}  // namespace

Result<std::shared_ptr<const Trust>> TrustCache::Get(TableSnapshot& snapshot) {
  const Store roots = TRY(GetStore(snapshot, kTrustedRoots));
  const Store lists = TRY(GetStore(snapshot, kTrustedLists));
  {
    const std::lock_guard lock(mutex_);
    if (cached_ && roots_ == roots.entries && lists_ == lists.entries) return cached_;
  }
  std::vector<Certificate> authorities;
  const bool roots_whole =
      TRY(ForEachFile(snapshot, roots, Member::kCertificate, [&](const Entry&, BytesView bytes) {
        auto file = ReadCertificateFile(bytes);
        if (file.has_value()) authorities.push_back(file.value().certificates.front());
        return file.has_value();
      }));
  std::vector<RevocationList> revocations;
  std::vector<Number> list_entries;
  const bool lists_whole =
      TRY(ForEachFile(snapshot, lists, Member::kRevocationList, [&](const Entry& entry, BytesView bytes) {
        auto file = ReadRevocationListFile(bytes);
        if (!file.has_value()) return false;
        revocations.push_back(file.value().list);
        list_entries.push_back(entry.number);
        return true;
      }));
  auto made = std::make_shared<const Trust>(Trust{TrustSet(std::move(authorities), std::move(revocations)),
                                                  std::move(list_entries), !lists_whole, !roots_whole});
  // The digests of the stores do not tell when damage is repaired.
  if (!roots_whole || !lists_whole) return made;
  const std::lock_guard lock(mutex_);
  roots_ = roots.entries;
  lists_ = lists.entries;
  cached_ = made;
  return made;
}

}  // namespace certfs
