#include "store/keystore_change.h"

namespace certfs {

namespace {

Error NoSuchStore() { return {ErrorCode::kNotFound, "there is no such store"}; }
Error NoSuchEntry() { return {ErrorCode::kNotFound, "there is no such entry"}; }

}  // namespace

Result<Store> GetStore(TableSnapshot& table, Number number) {
  std::optional<Store> store = TRY(table.FindStoreByNumber(number));
  if (!store) return NoSuchStore();
  return *std::move(store);
}

Result<Store> GetStore(TableSnapshot& table, const StoreName& name) {
  std::optional<Store> store = TRY(table.FindStore(name));
  if (!store) return NoSuchStore();
  return *std::move(store);
}

Result<Entry> GetEntry(TableSnapshot& table, Number number) {
  std::optional<Entry> entry = TRY(table.FindEntryByNumber(number));
  if (!entry) return NoSuchEntry();
  return *std::move(entry);
}

Result<Entry> GetEntry(TableSnapshot& table, Number store, const Alias& alias) {
  std::optional<Entry> entry = TRY(table.FindEntry(store, alias));
  if (!entry) return NoSuchEntry();
  return *std::move(entry);
}

Result<void> TouchStore(TableTransaction& transaction, Number number, Time now) {
  Store store = TRY(GetStore(transaction, number));
  store.attributes.mtime = store.attributes.ctime = now;
  TRY(transaction.PutStore(std::move(store)));
  return {};
}

Attributes NewAttributes(Actor actor, std::uint32_t mode, Time now) {
  Attributes attributes;
  attributes.uid = actor.uid;
  attributes.gid = actor.gid;
  attributes.mode = mode & kPermissionBits;
  attributes.atime = attributes.mtime = attributes.ctime = now;
  return attributes;
}

void SetTimes(Attributes& attributes, const AttributeChange& change) {
  if (change.atime) attributes.atime = *change.atime;
  if (change.mtime) attributes.mtime = *change.mtime;
}

void SetAll(Attributes& attributes, const AttributeChange& change, Time now) {
  if (change.mode) attributes.mode = *change.mode & kPermissionBits;
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  SetTimes(attributes, change);
  attributes.ctime = now;
}

Attributes NewFileAttributes(Member member, Actor actor, const AttributeChange& change, Time now) {
  Attributes attributes = NewAttributes(actor, IsKeyMaterial(member) ? 0600 : 0644, now);
  SetAll(attributes, change, now);
  if (IsKeyMaterial(member)) attributes.mode &= ~kBitsForOthers;
  return attributes;
}

Result<SecretBytes> ReadLive(TableSnapshot& snapshot, const Entry& entry, Member member) {
  auto live = snapshot.ReadFile(entry, member);
  if (live.has_value() || live.error().code() != ErrorCode::kCorrupt) return live;
  return SecretBytes();
}

Result<void> CheckRemoval(const StorePolicy& policy, Actor actor) {
  if (policy.entries == Removal::kNobody) {
    return Error(ErrorCode::kNotPermitted, "protected-entry",
                 "entries of " + std::string(policy.name) + " are protected");
  }
  if (policy.entries == Removal::kRoot && actor.uid != 0) {
    return Error(ErrorCode::kNotPermitted, "protected-entry",
                 "only root removes or renames entries of " + std::string(policy.name));
  }
  return {};
}

Error ProtectedStore(const StoreName& name) {
  return {ErrorCode::kNotPermitted, "protected-store", "the store " + name.text() + " is protected"};
}

}  // namespace certfs
