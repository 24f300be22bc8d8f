#include "store/keystore.h"

#include "store/keystore_change.h"

namespace certfs {

namespace {

Error ProtectedEntry(const Store& store) {
  return {ErrorCode::kNotPermitted, "protected-entry", "entries of " + store.name.text() + " are protected"};
}

// What certfs keeps by itself stays as it was kept, permissions included.
Result<void> CheckAttributes(TableSnapshot& table, const Entry& entry) {
  const Store store = TRY(GetStore(table, entry.store));
  if (PolicyOf(store.name).holds == Holds::kNothing) return ProtectedEntry(store);
  return {};
}

}  // namespace

// --- Stores

Result<Store> Keystore::CreateStore(const StoreName& name, Actor actor, std::uint32_t mode) {
  if (FoldName(name.text()) == FoldName(kLinkName)) {
    return Error(ErrorCode::kAlreadyExists, name.text() + " is the second name of TRUSTED_ROOTS_CRLS");
  }
  return Apply([&](TableTransaction& transaction) -> Result<Store> {
    if (TRY(transaction.FindStoreFolded(name))) {
      return Error(ErrorCode::kAlreadyExists, "a store of that name exists, ignoring case");
    }
    Store store;
    store.name = name;
    store.attributes = NewDirectoryAttributes({}, actor, mode, clock_());
    const Number number = TRY(transaction.PutStore(store));
    return GetStore(transaction, number);
  });
}

Result<void> Keystore::RemoveStore(const StoreName& name) {
  return ApplyRemoval([&](TableTransaction& transaction) -> Result<void> {
    const Store store = TRY(GetStore(transaction, name));
    if (!PolicyOf(name).removable) return ProtectedStore(name);
    if (store.entry_count != 0) return Error(ErrorCode::kNotEmpty, "the store holds entries");
    return transaction.RemoveStore(store);
  });
}

Result<void> Keystore::RenameStore(const StoreName& from, const StoreName& to) {
  if (FoldName(to.text()) == FoldName(kLinkName)) return ProtectedStore(to);
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    Store store = TRY(GetStore(transaction, from));
    if (!PolicyOf(from).removable) return ProtectedStore(from);
    const std::optional<Store> taken = TRY(transaction.FindStoreFolded(to));
    if (taken && taken->number != store.number)
      return Error(ErrorCode::kAlreadyExists, "a store of that name exists");
    store.name = to;
    store.attributes.ctime = clock_();
    TRY(transaction.PutStore(std::move(store)));
    return {};
  });
}

// --- Entries

Result<Entry> Keystore::CreateEntry(Number store, const Alias& alias, Actor actor, std::uint32_t mode) {
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    const Store parent = TRY(GetStore(transaction, store));
    if (PolicyOf(parent.name).holds == Holds::kNothing) {
      return Error(ErrorCode::kReadOnly, parent.name.text() + " is written by certfs alone");
    }
    if (TRY(transaction.FindEntryFolded(store, alias))) {
      return Error(ErrorCode::kAlreadyExists, "an entry of that alias exists, ignoring case");
    }
    return AddEntry(transaction, parent, alias, actor, mode, clock_());
  });
}

Result<void> Keystore::RemoveEntry(Number store, const Alias& alias, Actor actor) {
  return ApplyRemoval([&](TableTransaction& transaction) -> Result<void> {
    const Store parent = TRY(GetStore(transaction, store));
    const Entry entry = TRY(GetEntry(transaction, store, alias));
    const StorePolicy& policy = PolicyOf(parent.name);
    if (policy.holds == Holds::kNothing) {
      // A kept state goes as a whole.
      if (actor.uid != 0) return ProtectedEntry(parent);
      TRY(transaction.RemoveEntry(entry));
      return TouchStore(transaction, store, clock_());
    }
    // An alias that never got its CRL protects nothing yet.
    const bool unused = policy.entries == Removal::kNobody && entry.empty();
    if (!unused) TRY(CheckRemoval(policy, actor));
    if (!entry.empty()) return Error(ErrorCode::kNotEmpty, "the entry holds files");
    if (TRY(transaction.FindEntry(store, alias.Next())))
      return Error(ErrorCode::kNotEmpty, "a replacement is staged in its next/");
    TRY(transaction.RemoveEntry(entry));
    return TouchStore(transaction, store, clock_());
  });
}

Result<void> Keystore::RenameEntry(Number store, const Alias& from, const Alias& to, Actor actor) {
  return Apply([&](TableTransaction& transaction) -> Result<void> {
    const Store parent = TRY(GetStore(transaction, store));
    Entry entry = TRY(GetEntry(transaction, store, from));
    if (PolicyOf(parent.name).holds == Holds::kNothing) return ProtectedEntry(parent);
    if (PolicyOf(parent.name).entries != Removal::kAnyone && actor.uid != 0) {
      return Error(ErrorCode::kNotPermitted, "protected-entry",
                   "only root renames entries of " + parent.name.text());
    }
    const std::optional<Entry> taken = TRY(transaction.FindEntryFolded(store, to));
    if (taken && taken->number != entry.number) {
      return Error(ErrorCode::kAlreadyExists, "an entry of that alias exists, ignoring case");
    }
    std::optional<Entry> next = TRY(transaction.FindEntry(store, entry.alias.Next()));
    entry.alias = to;
    entry.attributes.ctime = clock_();
    TRY(transaction.PutEntry(std::move(entry)));
    if (next) {
      next->alias = to.Next();
      TRY(transaction.PutEntry(*std::move(next)));
    }
    return TouchStore(transaction, store, clock_());
  });
}

// --- Attributes

Result<Store> Keystore::SetStoreAttributes(Number number, const AttributeChange& change) {
  return Apply([&](TableTransaction& transaction) -> Result<Store> {
    Store store = TRY(GetStore(transaction, number));
    if (PolicyOf(store.name).holds == Holds::kNothing) return ProtectedStore(store.name);
    SetAll(store.attributes, change, clock_());
    TRY(transaction.PutStore(store));
    return store;
  });
}

Result<Store> Keystore::SetEnforceRevocation(Number number, bool on) {
  return Apply([&](TableTransaction& transaction) -> Result<Store> {
    Store store = TRY(GetStore(transaction, number));
    if (PolicyOf(store.name).holds == Holds::kNothing) return ProtectedStore(store.name);
    if (store.enforce_revocation == on) return store;
    store.enforce_revocation = on;
    store.attributes.ctime = clock_();
    TRY(transaction.PutStore(store));
    return store;
  });
}

Result<Entry> Keystore::SetEntryAttributes(Number number, const AttributeChange& change) {
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    Entry entry = TRY(GetEntry(transaction, number));
    TRY(CheckAttributes(transaction, entry));
    SetAll(entry.attributes, change, clock_());
    TRY(transaction.PutEntry(entry));
    return entry;
  });
}

Result<Entry> Keystore::SetFileAttributes(Number number, Member member, const AttributeChange& change,
                                          std::optional<std::uint32_t> owner) {
  TRY(CheckFilePermissions(member, change));
  return Apply([&](TableTransaction& transaction) -> Result<Entry> {
    Entry entry = TRY(GetEntry(transaction, number));
    if (!entry.file(member)) return Error(ErrorCode::kNotFound, "the entry has no such file");
    TRY(CheckAttributes(transaction, entry));
    if (owner && entry.file(member)->attributes.uid != *owner) {
      return Error(ErrorCode::kNotPermitted, "another-owner", "the file belongs to somebody else by now");
    }
    SetAll(entry.file(member)->attributes, change, clock_());
    if (entry.is_staged() && (change.atime || change.mtime)) entry.file(member)->dated = true;
    TRY(transaction.PutEntry(entry));
    return entry;
  });
}

// --- Settings

Result<void> Keystore::SetSettings(const Settings& settings) {
  return Apply([&](TableTransaction& transaction) { return transaction.PutSettings(settings); });
}

}  // namespace certfs
