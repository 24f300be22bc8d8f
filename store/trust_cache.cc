#include "store/trust_cache.h"

#include "crypto/store_file.h"
#include "store/policy.h"

namespace certfs {

namespace {

// Calls `use` with the bytes of `member` of every entry of `store` that has one and can be read.
template <typename Use>
Result<void> ForEachFile(TableSnapshot& snapshot, const Store& store, Member member, Use&& use) {
  Cursor after = 0;
  for (;;) {
    Cursor skipped = after;
    auto next = snapshot.NextEntry(store.number, after, &skipped);
    if (!next.has_value()) {
      if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(next).error();
      after = skipped;
      continue;
    }
    if (!next.value()) return {};
    after = next.value()->at;
    const Entry& entry = next.value()->item;
    if (!entry.file(member)) continue;
    const auto bytes = snapshot.ReadFile(entry, member);
    if (bytes.has_value()) use(entry, bytes.value().Reveal());
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
  TRY(ForEachFile(snapshot, roots, Member::kCertificate, [&](const Entry&, BytesView bytes) {
    auto file = ReadCertificateFile(bytes);
    if (file.has_value()) authorities.push_back(file.value().certificates.front());
  }));
  std::vector<RevocationList> revocations;
  std::vector<Number> list_entries;
  TRY(ForEachFile(snapshot, lists, Member::kRevocationList, [&](const Entry& entry, BytesView bytes) {
    auto file = ReadRevocationListFile(bytes);
    if (!file.has_value()) return;
    revocations.push_back(file.value().list);
    list_entries.push_back(entry.number);
  }));
  auto made = std::make_shared<const Trust>(
      Trust{TrustSet(std::move(authorities), std::move(revocations)), std::move(list_entries)});
  const std::lock_guard lock(mutex_);
  roots_ = roots.entries;
  lists_ = lists.entries;
  cached_ = made;
  return made;
}

}  // namespace certfs
