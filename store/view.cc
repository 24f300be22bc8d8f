#include "store/view.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "store/node_cache.h"
#include "store/policy.h"
#include "store/view/attributes.h"
#include "store/view/hashed.h"
#include "store/view/identity.h"
#include "store/view/recent_views.h"
#include "store/view/rows.h"
#include "store/view/table.h"

namespace certfs {

namespace {

using view::EntryArgument;
using view::EntryMaterial;
using view::EntryRow;
using view::Identity;
using view::kEntryRows;
using view::kHashedViews;
using view::kStoreRows;
using view::RecentViews;
using view::StoreArgument;
using view::StoreRow;

constexpr auto kTable = [] {
  std::array<View, kEntryRows.size() + kStoreRows.size() + kHashedViews.size()> table{};
  std::size_t at = 0;
  for (const EntryRow& row : kEntryRows) table[at++] = row.view;
  for (const StoreRow& row : kStoreRows) table[at++] = row.view;
  for (const View& row : kHashedViews) table[at++] = row;
  return table;
}();

// How large the views of one state of an entry are, by the row; or that of a store, the first.
struct Sizes {
  std::array<std::uint64_t, kEntryRows.size()> of{};
  Time newest{};  // Of a store: when anything that it shows was last modified.
  std::size_t MemoryBytes() const noexcept { return sizeof *this; }
};
constexpr std::size_t kSizesBytesMax = std::size_t{8} << 20;  // Some thirty thousand entries.

std::uint64_t SizeOf(const ViewBytes& bytes) { return bytes.plain.size() + bytes.secret.size(); }

bool IsInfo(const View& view) { return view.kind == ViewKind::kInfoText || view.kind == ViewKind::kInfoJson; }

bool IsRequest(const View& view) {
  return view.kind == ViewKind::kRequest || view.kind == ViewKind::kOrchestratorRequest;
}

Attributes AttributesOf(const EntryRow& row, const EntryMaterial& material) {
  if (IsRequest(row.view)) return view::OfPending(material);
  const Entry& entry = material.entry;
  Attributes attributes;
  for (const Member member : row.shows) {
    if (!entry.file(member)) continue;
    attributes = view::OfFile(entry.file(member)->attributes);
    break;
  }
  if (row.shows == view::kKeyPart) attributes.mtime = view::LastModified(entry);
  if (IsInfo(row.view)) {
    attributes.mtime = std::max(view::LastModified(entry), entry.changed ? entry.changed->at : Time{});
    if (material.staged) attributes.mtime = std::max(attributes.mtime, view::LastModified(*material.staged));
  }
  return attributes;
}

Digest Derived(const Digest& of, const View& view, const Digest& password) {
  Identity identity;
  identity.Add(of);
  identity.Add(static_cast<std::uint64_t>(view.kind));
  if (view.encrypted) identity.Add(password);
  return identity.Take();
}

// When anything that a view over whole stores shows was last modified.
Result<Time> NewestIn(TableSnapshot& snapshot, std::span<const Store> stores) {
  Time newest{};
  for (const Store& store : stores) {
    newest = std::max(newest, store.attributes.mtime);
    TRY(view::ForEachEntry(snapshot, store, [&](const Entry& entry) -> Result<void> {
      newest = std::max(newest, view::LastModified(entry));
      return {};
    }));
  }
  return newest;
}

Result<std::optional<Store>> StoreNamed(TableSnapshot& snapshot, std::string_view name) {
  return snapshot.FindStore(TRY(StoreName::Parse(name)));
}

Error Gone() { return {ErrorCode::kStale, "what it shows is gone"}; }

Result<std::vector<Store>> ExportedStores(TableSnapshot& snapshot) {
  std::map<std::string, Store> by_name;
  for (Cursor after = 0;;) {
    auto next = TRY(snapshot.NextStore(after, nullptr));
    if (!next) break;
    after = next->at;
    if (IsExported(next->item)) by_name.emplace(next->item.name.text(), std::move(next->item));
  }
  std::vector<Store> stores;
  stores.reserve(by_name.size());
  for (auto& [name, store] : by_name) stores.push_back(std::move(store));
  return stores;
}

}  // namespace

std::span<const View> ViewTable() { return kTable; }

const View* FindViewOf(ViewKind kind) {
  for (const View& view : kTable) {
    if (view.kind == kind) return &view;
  }
  return nullptr;
}

const View& ViewOf(ViewKind kind) {
  const View* const view = FindViewOf(kind);
  if (view == nullptr) std::abort();
  return *view;
}

bool IsExported(const Store& store) { return PolicyOf(store.name).holds != Holds::kNothing; }

struct Views::State {
  State(Keystore& keystore, Actor owner_in) : context(keystore), owner(owner_in) {}

  view::Context context;
  const Actor owner;
  DigestCache<Sizes> sizes{kSizesBytesMax};
  std::mutex mutex;
  Digest hashed_of{};                                    // Guarded by mutex: what `hashed` was made from.
  std::shared_ptr<const std::vector<ShownView>> hashed;  // Guarded by mutex.

  RecentViews recent;

  Result<std::vector<ShownView>> OfEntry(TableSnapshot& snapshot, const Entry& entry);
  Result<Digest> TrustDigest(TableSnapshot& snapshot);
  Result<Digest> IdentityOf(TableSnapshot& snapshot, const EntryMaterial& material);
  Result<Digest> IdentityOf(TableSnapshot& snapshot, std::span<const Store> stores);
  Result<std::shared_ptr<const Sizes>> SizesOf(TableSnapshot& snapshot, const Digest& identity,
                                               EntryMaterial& material);
  Result<std::vector<ShownView>> OfStores(TableSnapshot& snapshot, std::span<const Store> stores,
                                          const Attributes& attributes, Number number,
                                          std::initializer_list<ViewPlace> places);
  Result<ViewBytes> ReadOfEntry(TableSnapshot& snapshot, const ShownView& shown);
  Result<ViewBytes> ReadOfStores(TableSnapshot& snapshot, const ShownView& shown);
};

Views::Views(Keystore& keystore, Actor owner) : state_(std::make_unique<State>(keystore, owner)) {}
Views::~Views() = default;

// What the verdicts in info.txt depend on besides the entry.
Result<Digest> Views::State::TrustDigest(TableSnapshot& snapshot) {
  Identity identity;
  for (const std::string_view name : {kTrustedRoots, kTrustedLists}) {
    const auto store = TRY(StoreNamed(snapshot, name));
    identity.Add(store ? store->entries : Digest{});
  }
  return identity.Take();
}

Result<Digest> Views::State::IdentityOf(TableSnapshot& snapshot, const EntryMaterial& material) {
  const Entry& entry = material.entry;
  Identity identity;
  identity.Add(material.store.name.text());
  identity.Add(entry.alias.text());
  identity.Add(entry.number);
  identity.Add(entry.revision);
  identity.Add(entry.members());
  if (entry.changed) {
    identity.Add(entry.changed->uid);
    identity.Add(static_cast<std::uint64_t>(entry.changed->at.time_since_epoch().count()));
  } else {
    identity.Add(static_cast<std::uint64_t>(view::LastModified(entry).time_since_epoch().count()));
  }
  if (material.staged) {
    identity.Add(material.staged->number);
    identity.Add(material.staged->revision);
    identity.Add(material.staged->members());
    identity.Add(view::IsPendingShown(material) ? 1 : 0);
  }
  if (PolicyOf(material.store.name).rules == RuleSet::kTrust) {
    for (const Member member : {Member::kCertificate, Member::kRevocationList})
      identity.Add(view::IsPublic(material.store, entry, member) ? 1 : 0);
  }
  identity.Add(TRY(TrustDigest(snapshot)));
  identity.Add(static_cast<std::uint64_t>(TRY(context.ExportForm(snapshot)).profile));
  return identity.Take();
}

Result<Digest> Views::State::IdentityOf(TableSnapshot& snapshot, std::span<const Store> stores) {
  Identity identity;
  for (const Store& store : stores) {
    identity.Add(store.name.text());
    identity.Add(store.attributes.mode);
    identity.Add(store.entries);
    // Which keys are withheld, what is trusted and what is revoked decides.
    identity.Add(store.enforce_revocation ? 1 : 0);
    if (store.enforce_revocation) identity.Add(TRY(TrustDigest(snapshot)));
  }
  identity.Add(static_cast<std::uint64_t>(TRY(context.ExportForm(snapshot)).profile));
  return identity.Take();
}

Result<std::shared_ptr<const Sizes>> Views::State::SizesOf(TableSnapshot& snapshot, const Digest& identity,
                                                           EntryMaterial& material) {
  if (auto known = sizes.Find(identity)) return known;
  material = TRY(view::ReadMaterial(snapshot, material.store, material.entry));
  TRY(view::JudgeMaterial(snapshot, context, material));
  auto found = std::make_shared<Sizes>();
  const EntryArgument of{snapshot, context, material};
  for (std::size_t i = 0; i < kEntryRows.size(); ++i) {
    const EntryRow& row = kEntryRows[i];
    found->of[i] = row.measure != nullptr ? TRY(row.measure(of)) : SizeOf(TRY(row.make(of)));
  }
  sizes.Add(identity, found);
  return std::shared_ptr<const Sizes>(std::move(found));
}

Result<std::vector<ShownView>> Views::OfEntry(TableSnapshot& snapshot, const Entry& entry) {
  const RecentViews::Key key{snapshot.commit(), entry.number, entry.revision};
  if (auto known = state_->recent.Find(key)) return *std::move(known);
  std::vector<ShownView> shown = TRY(state_->OfEntry(snapshot, entry));
  state_->recent.Add(key, shown);
  return shown;
}

Result<std::vector<ShownView>> Views::State::OfEntry(TableSnapshot& snapshot, const Entry& entry) {
  std::vector<ShownView> shown;
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(entry.store));
  if (!store || entry.is_staged() || entry.empty()) return shown;
  EntryMaterial material = TRY(view::ReadMaterial(snapshot, *store, entry, {false, false, false}));
  const Digest identity = TRY(IdentityOf(snapshot, material));
  const auto found = TRY(SizesOf(snapshot, identity, material));
  const Digest password = TRY(context.PasswordDigest(snapshot));
  for (std::size_t i = 0; i < kEntryRows.size(); ++i) {
    if (found->of[i] == 0) continue;
    const EntryRow& row = kEntryRows[i];
    shown.push_back({&row.view, entry.number, std::string(row.view.name),
                     Derived(identity, row.view, password), found->of[i], AttributesOf(row, material)});
  }
  return shown;
}

Result<std::vector<ShownView>> Views::State::OfStores(TableSnapshot& snapshot, std::span<const Store> stores,
                                                      const Attributes& attributes, Number number,
                                                      std::initializer_list<ViewPlace> places) {
  std::vector<ShownView> shown;
  const Digest identity = TRY(IdentityOf(snapshot, stores));
  const Digest password = TRY(context.PasswordDigest(snapshot));
  const StoreArgument of{snapshot, context, stores};
  Attributes of_owner = attributes;
  of_owner.uid = owner.uid;
  of_owner.gid = owner.gid;
  of_owner.mode = 0600;
  for (const StoreRow& row : kStoreRows) {
    if (std::find(places.begin(), places.end(), row.view.place) == places.end()) continue;
    Identity key;
    key.Add(identity);
    key.Add(static_cast<std::uint64_t>(row.view.kind));
    const Digest size_of = key.Take();
    auto known = sizes.Find(size_of);
    if (!known) {
      auto found = std::make_shared<Sizes>();
      found->of[0] = row.measure != nullptr ? TRY(row.measure(of)) : SizeOf(TRY(row.make(of)));
      found->newest = TRY(NewestIn(snapshot, stores));
      sizes.Add(size_of, found);
      known = std::move(found);
    }
    if (known->of[0] == 0) continue;
    ShownView view{&row.view,
                   number,
                   std::string(row.view.name),
                   Derived(identity, row.view, password),
                   known->of[0],
                   row.for_owner ? of_owner : attributes};
    view.attributes.mtime = view.attributes.ctime = known->newest;
    shown.push_back(std::move(view));
  }
  return shown;
}

Result<std::vector<ShownView>> Views::OfStore(TableSnapshot& snapshot, const Store& store) {
  const bool trusted = store.name.text() == kTrustedRoots;
  const ViewPlace more = trusted ? ViewPlace::kTrustStore : ViewPlace::kStore;
  return state_->OfStores(snapshot, {&store, 1}, view::OfListing(store.attributes), store.number,
                          {ViewPlace::kStore, more});
}

Result<std::vector<ShownView>> Views::OfExport(TableSnapshot& snapshot) {
  Attributes attributes;
  attributes.mode = 0600;
  return state_->OfStores(snapshot, TRY(ExportedStores(snapshot)), attributes, 0, {ViewPlace::kExport});
}

Result<std::vector<ShownView>> Views::Hashed(TableSnapshot& snapshot) {
  const std::optional<Store> roots = TRY(StoreNamed(snapshot, kTrustedRoots));
  const std::optional<Store> lists = TRY(StoreNamed(snapshot, kTrustedLists));
  if (!roots || !lists) return std::vector<ShownView>();
  const std::array<Store, 2> stores{*roots, *lists};
  const Digest identity = TRY(state_->IdentityOf(snapshot, stores));
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->hashed && state_->hashed_of == identity) return *state_->hashed;
  }
  auto made =
      std::make_shared<const std::vector<ShownView>>(TRY(view::HashedNames(snapshot, *roots, *lists)));
  const std::lock_guard lock(state_->mutex);
  state_->hashed = made;
  state_->hashed_of = identity;
  return *made;
}

Result<std::optional<ShownView>> Views::Find(TableSnapshot& snapshot, ViewKind kind, Number number) {
  const View* const view = FindViewOf(kind);
  if (view == nullptr) return std::optional<ShownView>();
  std::vector<ShownView> shown;
  switch (view->place) {
    case ViewPlace::kEntry: {
      const std::optional<Entry> entry = TRY(snapshot.FindEntryByNumber(number));
      if (entry) shown = TRY(OfEntry(snapshot, *entry));
      break;
    }
    case ViewPlace::kStore:
    case ViewPlace::kTrustStore: {
      const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(number));
      if (store) shown = TRY(OfStore(snapshot, *store));
      break;
    }
    case ViewPlace::kHashed:
      shown = TRY(Hashed(snapshot));
      break;
    case ViewPlace::kExport:
      shown = TRY(OfExport(snapshot));
      break;
  }
  for (ShownView& each : shown) {
    if (each.view->kind == kind && each.number == number) return std::optional(std::move(each));
  }
  return std::optional<ShownView>();
}

Result<ViewBytes> Views::State::ReadOfEntry(TableSnapshot& snapshot, const ShownView& shown) {
  const std::optional<Entry> entry = TRY(snapshot.FindEntryByNumber(shown.number));
  const std::optional<Store> store = entry ? TRY(snapshot.FindStoreByNumber(entry->store)) : std::nullopt;
  if (!store) return Gone();
  if (shown.view->place == ViewPlace::kHashed) return view::HashedBytes(snapshot, *entry);
  EntryMaterial material = TRY(view::ReadMaterial(snapshot, *store, *entry));
  if (IsInfo(*shown.view)) TRY(view::JudgeMaterial(snapshot, context, material));
  for (const EntryRow& row : kEntryRows) {
    if (row.view.kind == shown.view->kind) return row.make({snapshot, context, material});
  }
  return Gone();
}

Result<ViewBytes> Views::State::ReadOfStores(TableSnapshot& snapshot, const ShownView& shown) {
  std::vector<Store> stores;
  if (shown.number == 0) {
    stores = TRY(ExportedStores(snapshot));
  } else if (const auto store = TRY(snapshot.FindStoreByNumber(shown.number))) {
    stores.push_back(*store);
  }
  for (const StoreRow& row : kStoreRows) {
    if (row.view.kind == shown.view->kind) return row.make({snapshot, context, stores});
  }
  return Gone();
}

Result<ViewBytes> Views::Read(TableSnapshot& snapshot, const ShownView& shown) {
  const ViewPlace place = shown.view->place;
  const bool of_entry = place == ViewPlace::kEntry || place == ViewPlace::kHashed;
  ViewBytes bytes =
      TRY(of_entry ? state_->ReadOfEntry(snapshot, shown) : state_->ReadOfStores(snapshot, shown));
  if (SizeOf(bytes) != shown.size) {
    // Whoever reads goes by the size that stat showed. Nobody sees this unless a view and its measure differ.
    return Error(ErrorCode::kInternal,
                 std::string(shown.name) + " has another size than it was measured to have");
  }
  return bytes;
}

}  // namespace certfs
