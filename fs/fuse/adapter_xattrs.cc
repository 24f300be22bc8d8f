// Callbacks of extended attributes: the two POSIX ACLs, which the kernel enforces and whose form it checks;
// on the root the process ids of the daemon, and of the mounter, which `certfs umount` waits for, and what
// the daemon has given up, for `certfs doctor`; which store's entry a directory of BACKUP_STORE keeps, for
// `certfs revert`; whether a store withholds the keys of revoked certificates. Nothing else is supported.

#include <unistd.h>

#include "fs/fuse/adapter.h"
#include "fs/fuse/attribute_names.h"
#include "store/confinement.h"

namespace certfs {

namespace {

// The two ACLs: the attribute's name, where its value is, and where a change of it says so.
struct AclAttribute {
  std::string_view name;
  AccessControlList Attributes::*value;
  std::optional<AccessControlList> AttributeChange::*change;
};
constexpr AclAttribute kAclAttributes[] = {
    {kAccessAclAttribute, &Attributes::access_acl, &AttributeChange::access_acl},
    {kDefaultAclAttribute, &Attributes::default_acl, &AttributeChange::default_acl},
};

const AclAttribute* FindAcl(std::string_view name) {
  for (const AclAttribute& each : kAclAttributes) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

Error NoSuchAttribute() { return {ErrorCode::kUnsupported, "no such attribute"}; }

Result<std::string> AttributeOf(Adapter& adapter, fuse_ino_t inode, std::string_view name) {
  if (inode == FUSE_ROOT_ID && name == kPidAttribute) return std::to_string(getpid());
  if (inode == FUSE_ROOT_ID && name == kMounterAttribute) return std::to_string(adapter.host->process());
  if (inode == FUSE_ROOT_ID && name == kConfinementAttribute) {
    if (std::string held = OwnConfinement().Text(); !held.empty()) return held;
  }
  if (name == kStoreAttribute) {
    if (auto store = TRY(adapter.volume.KeptFrom(adapter.FromKernel(inode)))) return *std::move(store);
  }
  if (name == kEnforceRevocationAttribute) {
    if (const auto on = TRY(adapter.volume.EnforcesRevocation(adapter.FromKernel(inode))))
      return std::string(*on ? "1" : "0");
  }
  return NoSuchAttribute();
}

Result<void> SetEnforceRevocation(fuse_req_t req, fuse_ino_t inode, std::string_view value) {
  if (value != "0" && value != "1") return Error(ErrorCode::kInvalidArgument, "it is 0 or 1");
  Adapter& adapter = AdapterOf(req);
  return adapter.volume.SetEnforcesRevocation(CallerOf(req), adapter.FromKernel(inode), value == "1");
}

// Answers with `value` who has room for `size` bytes; with none he wants to know how many there are.
void Reply(BytesRequest& request, BytesView value, std::size_t size) {
  if (size == 0) {
    request.ReplySize(value.size());
  } else if (size < value.size()) {
    request.ReplyError(ERANGE);
  } else {
    request.ReplyBytes(value);
  }
}

void OnGetXattr(fuse_req_t req, fuse_ino_t inode, const char* name, std::size_t size) {
  BytesRequest request(req);
  Answer(request, "getxattr", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const AclAttribute* const acl = FindAcl(name);
    if (acl == nullptr) {
      Reply(request, AsBytes(TRY(AttributeOf(adapter, inode, name))), size);
      return {};
    }
    const Caller caller = CallerOf(req);
    const Node node = TRY(adapter.volume.GetAttributes(caller, adapter.AskedBy(caller, inode), 0));
    const AccessControlList& list = node.attributes.*acl->value;
    if (list.empty()) {
      request.ReplyError(ENODATA);
    } else {
      Reply(request, list.Encode(), size);
    }
    return {};
  });
}

// The kernel names no handle: a staging inode stands for the handle that writes to it.
Result<void> SetAcl(fuse_req_t req, fuse_ino_t inode, std::string_view name, AccessControlList list) {
  const AclAttribute* const acl = FindAcl(name);
  if (acl == nullptr) return NoSuchAttribute();
  Adapter& adapter = AdapterOf(req);
  AttributeChange change;
  change.*acl->change = std::move(list);
  const Caller caller = CallerOf(req);
  TRY(adapter.volume.SetAttributes(caller, adapter.AskedBy(caller, inode), 0, change, std::nullopt));
  return {};
}

void OnSetXattr(fuse_req_t req, fuse_ino_t inode, const char* name, const char* value, std::size_t size,
                int) {
  DoneRequest request(req);
  Answer(request, "setxattr", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    if (adapter.waker && adapter.waker->IsOwnAttribute(CallerOf(req), name)) {
      request.ReplyDone();
      return {};
    }
    if (name == std::string_view(kEnforceRevocationAttribute)) {
      TRY(SetEnforceRevocation(req, inode, {value, size}));
      request.ReplyDone();
      return {};
    }
    if (FindAcl(name) == nullptr) return NoSuchAttribute();
    TRY(SetAcl(req, inode, name, TRY(AccessControlList::Parse(AsBytes({value, size})))));
    request.ReplyDone();
    return {};
  });
}

void OnRemoveXattr(fuse_req_t req, fuse_ino_t inode, const char* name) {
  DoneRequest request(req);
  Answer(request, "removexattr", [&]() -> Result<void> {
    if (name == std::string_view(kEnforceRevocationAttribute)) {
      TRY(SetEnforceRevocation(req, inode, "0"));
      request.ReplyDone();
      return {};
    }
    TRY(SetAcl(req, inode, name, {}));
    request.ReplyDone();
    return {};
  });
}

void OnListXattr(fuse_req_t req, fuse_ino_t inode, std::size_t size) {
  BytesRequest request(req);
  Answer(request, "listxattr", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const Caller caller = CallerOf(req);
    const Node node = TRY(adapter.volume.GetAttributes(caller, adapter.AskedBy(caller, inode), 0));
    std::string names;
    for (const AclAttribute& each : kAclAttributes) {
      if (!(node.attributes.*each.value).empty()) names.append(each.name).push_back('\0');
    }
    // What is off is not listed: whoever copies attributes would set it elsewhere.
    if (TRY(adapter.volume.EnforcesRevocation(adapter.FromKernel(inode))) == true)
      names.append(kEnforceRevocationAttribute).push_back('\0');
    Reply(request, AsBytes(names), size);
    return {};
  });
}

}  // namespace

void SetXattrOperations(fuse_lowlevel_ops& operations) {
  operations.getxattr = OnGetXattr;
  operations.setxattr = OnSetXattr;
  operations.removexattr = OnRemoveXattr;
  operations.listxattr = OnListXattr;
}

}  // namespace certfs
