#include "tools/vecs/access_list.h"

#include <acl/libacl.h>
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <charconv>
#include <functional>
#include <optional>

#include "store/name.h"
#include "tools/system.h"
#include "tools/vecs/errors.h"

namespace certfs::vecs {

namespace {

constexpr unsigned kRead = ACL_READ;
constexpr unsigned kWrite = ACL_WRITE;
constexpr unsigned kEnter = ACL_EXECUTE;
constexpr auto kEveryone = "EVERYONE";

std::optional<std::uint32_t> NumberIn(std::string_view text) {
  std::uint32_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  if (number == UINT32_MAX) return std::nullopt;  // No user has it.
  return number;
}

Grantee GroupOf(std::uint32_t gid) {
  const group* const found = getgrgid(gid);
  return {Grantee::Kind::kGroup, gid, "@" + (found != nullptr ? found->gr_name : std::to_string(gid))};
}

Error NoSuchUser(const std::string& text) {
  return {ErrorCode::kNotFound, kNoSuchUser, "There is no user [" + text + "] on this machine"};
}

unsigned BitsOf(const Rights& rights, Place place) {
  const unsigned enter = place == Place::kDirectory ? kEnter : 0;
  return (rights.read ? kRead | enter : 0) | (rights.write ? kWrite | enter : 0);
}

Rights RightsOfBits(unsigned bits, Place place) {
  const bool enters = place == Place::kFile || (bits & kEnter) != 0;
  return {enters && (bits & kRead) != 0, enters && (bits & kWrite) != 0};
}

unsigned BitsIn(acl_entry_t entry) {
  acl_permset_t set{};
  if (acl_get_permset(entry, &set) != 0) return 0;
  unsigned bits = 0;
  for (const unsigned bit : {kRead, kWrite, kEnter}) {
    if (acl_get_perm(set, bit) == 1) bits |= bit;
  }
  return bits;
}

bool SetBits(acl_entry_t entry, unsigned bits) {
  acl_permset_t set{};
  if (acl_get_permset(entry, &set) != 0 || acl_clear_perms(set) != 0) return false;
  for (const unsigned bit : {kRead, kWrite, kEnter}) {
    if ((bits & bit) != 0 && acl_add_perm(set, bit) != 0) return false;
  }
  return acl_set_permset(entry, set) == 0;
}

acl_tag_t TagOf(acl_entry_t entry) {
  acl_tag_t tag = ACL_UNDEFINED_TAG;
  acl_get_tag_type(entry, &tag);
  return tag;
}

std::uint32_t IdOf(acl_entry_t entry) {
  const std::unique_ptr<void, int (*)(void*)> id(acl_get_qualifier(entry), acl_free);
  return id ? *static_cast<const std::uint32_t*>(id.get()) : UINT32_MAX;
}

// Calls `use` with each entry until it says that it has seen enough.
void ForEach(acl_t list, const std::function<bool(acl_entry_t)>& use) {
  acl_entry_t entry{};
  for (int next = ACL_FIRST_ENTRY; acl_get_entry(list, next, &entry) == 1; next = ACL_NEXT_ENTRY) {
    if (use(entry)) return;
  }
}

acl_tag_t TagFor(const Grantee& grantee) {
  if (grantee.kind == Grantee::Kind::kEveryone) return ACL_OTHER;
  return grantee.kind == Grantee::Kind::kUser ? ACL_USER : ACL_GROUP;
}

Error OutOfMemory() { return SystemError("access list", errno); }

}  // namespace

Grantee UserOf(std::uint32_t uid) {
  const passwd* const found = getpwuid(uid);
  return {Grantee::Kind::kUser, uid, found != nullptr ? found->pw_name : std::to_string(uid)};
}

Result<Grantee> FindGrantee(const std::string& text) {
  if (FoldName(text) == FoldName(kEveryone)) return Grantee{Grantee::Kind::kEveryone, 0, kEveryone};
  if (text.starts_with('@')) {
    const group* const found = getgrnam(text.c_str() + 1);
    if (found != nullptr) return GroupOf(found->gr_gid);
    const auto number = NumberIn(std::string_view(text).substr(1));
    if (number) return GroupOf(*number);
    return NoSuchUser(text);
  }
  const passwd* const found = getpwnam(text.c_str());
  if (found != nullptr) return UserOf(found->pw_uid);
  const auto number = NumberIn(text);
  if (number) return UserOf(*number);
  return NoSuchUser(text);
}

std::string TextOf(const Rights& rights) {
  if (rights.read) return rights.write ? "read,write" : "read";
  return rights.write ? "write" : "";
}

Result<AccessList> AccessList::Read(const std::filesystem::path& path, Which which) {
  const acl_t list = acl_get_file(path.c_str(), which == Which::kAccess ? ACL_TYPE_ACCESS : ACL_TYPE_DEFAULT);
  if (list == nullptr) return SystemError(path, errno);
  return AccessList(list);
}

Result<AccessList> AccessList::ReadBase(const std::filesystem::path& path) {
  AccessList base = TRY(Read(path, Which::kAccess));
  for (const Grantee& each : base.Grantees()) {
    if (each.kind != Grantee::Kind::kEveryone) TRY(base.Set(each, {}, Place::kDirectory));
  }
  return base;
}

Result<AccessList> AccessList::None() {
  const acl_t list = acl_init(0);
  if (list == nullptr) return OutOfMemory();
  return AccessList(list);
}

Result<AccessList> AccessList::Clone() const {
  const acl_t copy = acl_dup(list_.get());
  if (copy == nullptr) return OutOfMemory();
  return AccessList(copy);
}

bool AccessList::empty() const { return acl_entries(list_.get()) <= 0; }

acl_entry_t AccessList::FindTag(acl_tag_t tag) const {
  acl_entry_t found{};
  ForEach(list_.get(), [&](acl_entry_t entry) {
    if (TagOf(entry) != tag) return false;
    found = entry;
    return true;
  });
  return found;
}

acl_entry_t AccessList::Find(const Grantee& grantee) const {
  if (grantee.kind == Grantee::Kind::kEveryone) return FindTag(ACL_OTHER);
  const acl_tag_t tag = TagFor(grantee);
  acl_entry_t found{};
  ForEach(list_.get(), [&](acl_entry_t entry) {
    if (TagOf(entry) != tag || IdOf(entry) != grantee.id) return false;
    found = entry;
    return true;
  });
  return found;
}

Rights AccessList::RightsOf(const Grantee& grantee, Place place) const {
  const acl_entry_t entry = Find(grantee);
  if (entry == nullptr) return {};
  unsigned bits = BitsIn(entry);
  const acl_entry_t mask = FindTag(ACL_MASK);
  if (mask != nullptr && grantee.kind != Grantee::Kind::kEveryone) bits &= BitsIn(mask);
  return RightsOfBits(bits, place);
}

Rights AccessList::NamedRightsOf(const Grantee& grantee) const {
  const acl_entry_t entry = Find(grantee);
  return entry == nullptr ? Rights{} : RightsOfBits(BitsIn(entry), Place::kFile);
}

Result<void> AccessList::Set(const Grantee& grantee, const Rights& rights, Place place) {
  const unsigned bits = BitsOf(rights, place);
  acl_entry_t entry = Find(grantee);
  if (grantee.kind == Grantee::Kind::kEveryone) {
    if (entry == nullptr || !SetBits(entry, bits)) return OutOfMemory();
    return {};
  }
  if (bits == 0) {
    if (entry != nullptr && acl_delete_entry(list_.get(), entry) != 0) return OutOfMemory();
    return FixMask(place);
  }
  if (entry == nullptr) {
    acl_t list = list_.release();  // It may move.
    const bool made = acl_create_entry(&list, &entry) == 0;
    list_.reset(list);
    if (!made || acl_set_tag_type(entry, TagFor(grantee)) != 0 || acl_set_qualifier(entry, &grantee.id) != 0)
      return OutOfMemory();
  }
  if (!SetBits(entry, bits)) return OutOfMemory();
  return FixMask(place);
}

// The mask is all that names and group have; without names there is none. Of a file nobody gets the right to
// run it, which its directory's default list may have for a name.
Result<void> AccessList::FixMask(Place place) {
  if (!HasNames()) {
    const acl_entry_t mask = FindTag(ACL_MASK);
    if (mask != nullptr && acl_delete_entry(list_.get(), mask) != 0) return OutOfMemory();
    return {};
  }
  acl_t list = list_.release();
  const bool made = acl_calc_mask(&list) == 0;
  list_.reset(list);
  if (!made) return OutOfMemory();
  const acl_entry_t mask = FindTag(ACL_MASK);
  if (place == Place::kFile && !SetBits(mask, BitsIn(mask) & (kRead | kWrite))) return OutOfMemory();
  return {};
}

bool AccessList::HasNames() const { return FindTag(ACL_USER) != nullptr || FindTag(ACL_GROUP) != nullptr; }

std::vector<Grantee> AccessList::Grantees() const {
  std::vector<Grantee> grantees;
  ForEach(list_.get(), [&](acl_entry_t entry) {
    const acl_tag_t tag = TagOf(entry);
    if (tag == ACL_USER) grantees.push_back(UserOf(IdOf(entry)));
    if (tag == ACL_GROUP) grantees.push_back(GroupOf(IdOf(entry)));
    return false;
  });
  grantees.push_back({Grantee::Kind::kEveryone, 0, kEveryone});
  return grantees;
}

bool operator==(const AccessList& one, const AccessList& other) {
  return acl_cmp(one.list_.get(), other.list_.get()) == 0;
}

Result<void> AccessList::Write(const std::filesystem::path& path, Which which) const {
  const bool is_default = which == Which::kDefault;
  const int done =
      is_default && empty()
          ? acl_delete_def_file(path.c_str())
          : acl_set_file(path.c_str(), is_default ? ACL_TYPE_DEFAULT : ACL_TYPE_ACCESS, list_.get());
  if (done != 0) return SystemError(path, errno);
  return {};
}

}  // namespace certfs::vecs
