// The views of a store, and of all that are exported.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

#include "crypto/pem.h"
#include "store/policy.h"
#include "store/view/info.h"
#include "store/view/rows.h"

namespace certfs::view {

namespace {

constexpr std::uint32_t kOthersRead = 0004;
constexpr std::uint32_t kOthersSearch = 0001;

// The certificates in TRUSTED_ROOTS that everybody may read, each once: one that only some may read is no
// consumer's to trust by this way either.
Result<std::map<std::string, Certificate>> TrustedRoots(const StoreArgument& of) {
  std::map<std::string, Certificate> roots;
  for (const Store& store : of.stores) {
    TRY(ForEachEntry(of.snapshot, store, [&](const Entry& entry) -> Result<void> {
      if (!entry.file(Member::kCertificate) || !IsPublic(store, entry, Member::kCertificate)) return {};
      std::vector<Certificate> chain = TRY(ReadChain(of.snapshot, entry));
      if (!chain.empty()) roots.emplace(entry.alias.text(), std::move(chain.front()));
      return {};
    }));
  }
  return roots;
}

// Java folds the case of names, and so do aliases: they are names as they are. Beside those of other stores
// one needs its store's.
std::string FriendlyName(const StoreArgument& of, const Store& store, const Entry& entry) {
  if (of.stores.size() == 1) return entry.alias.text();
  return store.name.text() + "/" + entry.alias.text();
}

// Calls `visit` with every entry that bears a key which may be handed out.
Result<void> ForEachKey(const StoreArgument& of,
                        const std::function<Result<void>(const Store&, const Entry&)>& visit) {
  for (const Store& store : of.stores) {
    TRY(ForEachEntry(of.snapshot, store, [&](const Entry& entry) -> Result<void> {
      if (!entry.file(Member::kKey) || !TRY(of.context.IsReleased(of.snapshot, store, entry))) return {};
      return visit(store, entry);
    }));
  }
  return {};
}

Result<bool> HasKeys(const StoreArgument& of) {
  for (const Store& store : of.stores) {
    bool found = false;
    TRY(of.snapshot.ListEntries(store.number, 0, [&](Cursor, const EntryHead& head) {
      found = !head.is_staged() && (head.members & SetOf(Member::kKey)) != 0;
      return !found;
    }));
    if (found) return true;
  }
  return false;
}

Result<ViewBytes> MakeKeys(const StoreArgument& of) {
  if (!TRY(HasKeys(of))) return ViewBytes();
  const auto password = TRY(of.context.ExportPassword(of.snapshot));
  Pkcs12Builder builder(*password, TRY(of.context.Seed(of.snapshot)));
  TRY(ForEachKey(of, [&](const Store& store, const Entry& entry) -> Result<void> {
    const SecretBytes key = TRY(ReadPkcs8(of.snapshot, entry));
    if (key.empty()) return {};
    std::vector<BytesView> ders;
    const std::vector<Certificate> chain = TRY(ReadChain(of.snapshot, entry));
    for (const Certificate& each : chain) ders.push_back(each.der());
    return builder.AddKey(FriendlyName(of, store, entry), key.Reveal(), ders);
  }));
  return ViewBytes{TRY(builder.Finish()), {}};
}

Result<std::uint64_t> MeasureKeys(const StoreArgument& of) {
  if (!TRY(HasKeys(of))) return std::uint64_t{0};
  Pkcs12Measure measure(TRY(of.context.ExportForm(of.snapshot)));
  TRY(ForEachKey(of, [&](const Store& store, const Entry& entry) -> Result<void> {
    const SecretBytes key = TRY(ReadPkcs8(of.snapshot, entry));
    if (key.empty()) return {};
    std::vector<std::size_t> sizes;
    for (const Certificate& each : TRY(ReadChain(of.snapshot, entry))) sizes.push_back(each.der().size());
    measure.AddKey(FriendlyName(of, store, entry), key.size(), sizes);
    return {};
  }));
  return std::uint64_t{measure.size()};
}

}  // namespace

bool IsPublic(const Store& store, const Entry& entry, Member member) {
  // What others may do an ACL cannot widen.
  const auto searchable = [](const Attributes& directory) { return (directory.mode & kOthersSearch) != 0; };
  return searchable(store.attributes) && searchable(entry.attributes) && entry.file(member) &&
         (entry.file(member)->attributes.mode & kOthersRead) != 0;
}

Result<void> ForEachEntry(TableSnapshot& snapshot, const Store& store,
                          const std::function<Result<void>(const Entry&)>& visit) {
  std::map<std::string, Number> by_alias;
  TRY(snapshot.ListEntries(store.number, 0, [&](Cursor, const EntryHead& head) {
    if (!head.is_staged()) by_alias.emplace(head.alias.text(), head.number);
    return true;
  }));
  for (const auto& [alias, number] : by_alias) {
    const std::optional<Entry> entry = TRY(snapshot.FindEntryByNumber(number));
    if (entry) TRY(visit(*entry));
  }
  return {};
}

Result<ViewBytes> MakeStoreKeystore(const StoreArgument& of) { return MakeKeys(of); }
Result<std::uint64_t> MeasureStoreKeystore(const StoreArgument& of) { return MeasureKeys(of); }
Result<ViewBytes> MakeServerKeystore(const StoreArgument& of) { return MakeKeys(of); }
Result<std::uint64_t> MeasureServerKeystore(const StoreArgument& of) { return MeasureKeys(of); }

Result<ViewBytes> MakeIndex(const StoreArgument& of) {
  nlohmann::ordered_json json;
  for (const Store& store : of.stores) {
    json["store"] = store.name.text();
    auto& entries = json["entries"] = nlohmann::ordered_json::array();
    TRY(ForEachEntry(of.snapshot, store, [&](const Entry& entry) -> Result<void> {
      const bool in_full = IsPublic(store, entry, Member::kCertificate);
      const auto chain = in_full ? TRY(ReadChain(of.snapshot, entry)) : std::vector<Certificate>();
      entries.push_back(IndexItem(entry, chain, in_full));
      return {};
    }));
  }
  const std::string text = JsonText(json);
  return ViewBytes{Bytes(text.begin(), text.end()), {}};
}

Result<ViewBytes> MakeBundle(const StoreArgument& of) {
  ViewBytes out;
  for (const auto& [alias, root] : TRY(TrustedRoots(of))) {
    const SecretBytes pem = WritePem("CERTIFICATE", root.der());
    out.plain.insert(out.plain.end(), pem.Reveal().begin(), pem.Reveal().end());
  }
  return out;
}

Result<ViewBytes> MakeTrustStore(const StoreArgument& of) {
  const auto roots = TRY(TrustedRoots(of));
  if (roots.empty()) return ViewBytes();
  const auto password = TRY(of.context.TrustPassword(of.snapshot));
  Pkcs12Builder builder(*password, TRY(of.context.Seed(of.snapshot)));
  for (const auto& [alias, root] : roots) TRY(builder.AddTrusted(alias, root.der()));
  return ViewBytes{TRY(builder.Finish()), {}};
}

Result<std::uint64_t> MeasureTrustStore(const StoreArgument& of) {
  const auto roots = TRY(TrustedRoots(of));
  if (roots.empty()) return std::uint64_t{0};
  Pkcs12Measure measure(TRY(of.context.TrustForm(of.snapshot)));
  for (const auto& [alias, root] : roots) measure.AddTrusted(alias, root.der().size());
  return std::uint64_t{measure.size()};
}

}  // namespace certfs::view
