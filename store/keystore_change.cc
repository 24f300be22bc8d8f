#include "store/keystore_change.h"

namespace certfs {

namespace {

Error NoSuchStore() { return {ErrorCode::kNotFound, "there is no such store"}; }
Error NoSuchEntry() { return {ErrorCode::kNotFound, "there is no such entry"}; }

// Mode and ACL are kept in step as by other filesystems: what an ACL without names says is the mode alone.
void SetMode(Attributes& attributes, std::uint32_t mode) {
  attributes.mode = mode & kPermissionBits;
  attributes.access_acl.SetMode(mode);
}
void SetAccess(Attributes& attributes, AccessControlList acl) {
  if (!acl.empty()) attributes.mode = (attributes.mode & ~kBitsOfAcl) | acl.mode();
  attributes.access_acl = acl.IsMode() ? AccessControlList() : std::move(acl);
}

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

Result<Entry> AddEntry(TableTransaction& transaction, const Store& store, const Alias& alias, Actor actor,
                       std::uint32_t mode, Time now) {
  Entry entry;
  entry.store = store.number;
  entry.alias = alias;
  entry.attributes = NewDirectoryAttributes(store.attributes, actor, mode, now);
  const Number number = TRY(transaction.PutEntry(std::move(entry)));
  TRY(TouchStore(transaction, store.number, now));
  return GetEntry(transaction, number);
}

Result<void> TouchStore(TableTransaction& transaction, Number number, Time now) {
  Store store = TRY(GetStore(transaction, number));
  store.attributes.mtime = store.attributes.ctime = now;
  TRY(transaction.PutStore(std::move(store)));
  return {};
}

Attributes NewDirectoryAttributes(const Attributes& parent, Actor actor, std::uint32_t mode, Time now) {
  const AccessControlList& inherited = parent.default_acl;
  if (inherited.empty()) return NewAttributes(actor, mode & ~actor.umask, now);
  // As in acl(5), OBJECT CREATION AND DEFAULT ACLs.
  Attributes attributes = NewAttributes(actor, mode, now);
  AccessControlList acl = inherited;
  const std::uint32_t group = mode >> 3 & 7;
  acl.Limit({mode >> 6 & 7, acl.IsMode() ? group : 7, group, mode & 7});
  SetAccess(attributes, std::move(acl));
  attributes.default_acl = inherited;
  return attributes;
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

void SetPermissions(Attributes& attributes, const AttributeChange& change) {
  if (change.access_acl) SetAccess(attributes, *change.access_acl);
  if (change.default_acl) attributes.default_acl = *change.default_acl;
  if (change.mode) SetMode(attributes, *change.mode);
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
}

void SetAll(Attributes& attributes, const AttributeChange& change, Time now) {
  SetPermissions(attributes, change);
  SetTimes(attributes, change);
  attributes.ctime = now;
}

Result<void> CheckFilePermissions(Member member, const AttributeChange& change) {
  if (change.default_acl && !change.default_acl->empty())
    return Error(ErrorCode::kAccessDenied, "a file has no default ACL");
  const bool by_mode = change.mode && (*change.mode & kBitsForOthers) != 0;
  const bool by_acl = change.access_acl && change.access_acl->GivesOthers();
  if (IsKeyMaterial(member) && (by_mode || by_acl)) {
    return Error(ErrorCode::kNotPermitted, "key-for-others",
                 "key material never has permission bits for others");
  }
  return {};
}

Attributes NewFileAttributes(Member member, Actor actor, const Attributes& directory, Time now) {
  Attributes attributes = NewAttributes(actor, IsKeyMaterial(member) ? 0600 : 0644, now);
  if (directory.default_acl.empty()) return attributes;
  // The mode at create does not count, so that of a default ACL everything does that a file may have; but the
  // owning group of a key gets nothing that was not meant for it: what stands there for it comes from the
  // directory's own mode.
  AccessControlList acl = directory.default_acl;
  acl.Limit(IsKeyMaterial(member) ? AccessControlList::Limits{6, 0, 6, 0}
                                  : AccessControlList::Limits{6, 6, 6, 4});
  SetAccess(attributes, std::move(acl));
  return attributes;
}

Attributes NewFileAttributes(Member member, Actor actor, const Attributes& directory,
                             const AttributeChange& change, Time now) {
  Attributes attributes = NewFileAttributes(member, actor, directory, now);
  SetAll(attributes, change, now);
  if (IsKeyMaterial(member)) SetMode(attributes, attributes.mode & ~kBitsForOthers);
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
