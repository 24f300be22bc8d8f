#include "tools/vecs/access_plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "store/entry.h"
#include "tools/system.h"
#include "tools/vecs/errors.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

class Planner {
 public:
  explicit Planner(const AccessOrder& order) : order_(order) {}

  Result<void> AddStore(const fs::path& store) {
    TRY(AddDirectory(store));
    for (const std::string& name : TRY(NamesIn(store))) {
      auto added = AddEntry(store / name);
      // What went meanwhile needs nothing.
      if (!added.has_value() && added.error().code() != ErrorCode::kNotFound) return added;
    }
    return {};
  }

  std::vector<AccessChange> Take() { return std::move(changes_); }

 private:
  Result<void> AddEntry(const fs::path& entry) {
    TRY(AddDirectory(entry));
    for (const std::string& name : TRY(NamesIn(entry))) {
      if (name == kNextName) {
        TRY(AddEntry(entry / name));
      } else if (const auto member = MemberNamed(name)) {
        // The mount keeps key material from others, whatever is asked for.
        if (IsKeyMaterial(*member) && order_.grantee.kind == Grantee::Kind::kEveryone) continue;
        TRY(Add(entry / name, Which::kAccess, Place::kFile));
      }
    }
    return {};
  }

  Result<void> AddDirectory(const fs::path& directory) {
    TRY(Add(directory, Which::kAccess, Place::kDirectory));
    return Add(directory, Which::kDefault, Place::kDirectory);
  }

  Result<void> Add(const fs::path& path, Which which, Place place) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return SystemError(path, errno);
    AccessList before = TRY(AccessList::Read(path, which));
    const std::optional<Rights> wanted =
        order_.Change(before.NamedRightsOf(order_.grantee), before.RightsOf(order_.grantee, place));
    if (!wanted || NeedsNone(before, which, status.st_uid)) return {};
    AccessList after = TRY(Changed(path, which, place, before, *wanted));
    if (geteuid() != 0 && geteuid() != status.st_uid) {
      return Error(ErrorCode::kNotPermitted, kNotOwner,
                   path.string() + ": belongs to " + UserOf(status.st_uid).name +
                       ": its owner and root alone say who may use it");
    }
    changes_.push_back({path, which, std::move(before), std::move(after)});
    return {};
  }

  // Without a list of its own a directory's default is as the directory itself, as setfacl has it; and one
  // that says no more than that goes.
  Result<AccessList> Changed(const fs::path& path, Which which, Place place, const AccessList& before,
                             const Rights& wanted) const {
    const bool is_default = which == Which::kDefault;
    AccessList after = is_default && before.empty() ? TRY(AccessList::ReadBase(path)) : TRY(before.Clone());
    TRY(after.Set(order_.grantee, wanted, place));
    if (is_default && !after.HasNames() && after == TRY(AccessList::ReadBase(path)))
      return AccessList::None();
    return after;
  }

  // Root has all rights anyway, an owner his by owning; and where nothing is inherited, everybody has what
  // the umask leaves.
  bool NeedsNone(const AccessList& before, Which which, uid_t owner) const {
    const Grantee& grantee = order_.grantee;
    if (grantee.kind == Grantee::Kind::kEveryone) return which == Which::kDefault && before.empty();
    if (!order_.grant || grantee.kind != Grantee::Kind::kUser) return false;
    return grantee.id == 0 || (which == Which::kAccess && grantee.id == owner);
  }

  const AccessOrder& order_;
  std::vector<AccessChange> changes_;
};

}  // namespace

std::optional<Rights> AccessOrder::Change(const Rights& named, const Rights& effective) const {
  if (grant) {
    if ((effective.read || !rights.read) && (effective.write || !rights.write)) return std::nullopt;
    return Rights{named.read || rights.read, named.write || rights.write};
  }
  const Rights left{named.read && !rights.read, named.write && !rights.write};
  return left == named ? std::nullopt : std::optional(left);
}

Result<std::vector<AccessChange>> PlanAccess(const fs::path& directory, const AccessOrder& order) {
  Planner planner(order);
  TRY(planner.AddStore(directory));
  return planner.Take();
}

Result<void> ApplyAccess(const std::vector<AccessChange>& changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto done = changes[i].after.Write(changes[i].path, changes[i].which);
    if (done.has_value() || done.error().code() == ErrorCode::kNotFound) continue;
    // What cannot be taken back either has gone, or the mount has.
    while (i-- > 0) static_cast<void>(changes[i].before.Write(changes[i].path, changes[i].which));
    return done;
  }
  return {};
}

}  // namespace certfs::vecs
