// The POSIX ACL of a file or directory (acl(5)), read, changed and written, in the words of VECS: who may
// read and write. The kernel keeps and enforces it.
//
// Thread-safety: values, one thread each; names of users are looked up by one thread alone. Ownership:
// move-only. Errors: the path and the system's reason.

#pragma once

#include <sys/acl.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "crypto/base/result.h"

namespace certfs::vecs {

// Who is granted something.
struct Grantee {
  enum class Kind { kUser, kGroup, kEveryone };
  Kind kind = Kind::kUser;
  std::uint32_t id = 0;  // Not of everyone.
  std::string name;      // "nginx", "@staff", "EVERYONE"; the number where there is no name.
};

// Finds a user by name or number, a group by "@name" or "@number", or EVERYONE, in any case. kNotFound
// ("vecs-no-such-user").
Result<Grantee> FindGrantee(const std::string& text);
// The user of that number, with his name if he has one.
Grantee UserOf(std::uint32_t uid);

struct Rights {
  bool read = false;
  bool write = false;

  friend bool operator==(const Rights&, const Rights&) = default;
};
// "read,write", "read", "write"; nothing for none.
std::string TextOf(const Rights& rights);

// What an ACL is of: rights are other bits on a directory, which has to be entered as well.
enum class Place { kDirectory, kFile };

// The two that a directory has: its own, and what is made in it begins with.
enum class Which { kAccess, kDefault };

class AccessList {
 public:
  static Result<AccessList> Read(const std::filesystem::path& path, Which which);
  // The access list of a directory without the names in it: what is made in it begins with by itself.
  static Result<AccessList> ReadBase(const std::filesystem::path& path);
  static Result<AccessList> None();
  Result<AccessList> Clone() const;

  // No list: only of Which::kDefault.
  bool empty() const;

  // What `grantee` may do by his own entry, as far as the mask leaves it; and what the entry says.
  Rights RightsOf(const Grantee& grantee, Place place) const;
  Rights NamedRightsOf(const Grantee& grantee) const;

  // Gives `grantee` exactly these, by an entry of his own that goes where it is left with nothing; everybody
  // else keeps his. The mask is made to leave all of it.
  Result<void> Set(const Grantee& grantee, const Rights& rights, Place place);

  // Everybody whom it names, then EVERYONE; those without rights included.
  std::vector<Grantee> Grantees() const;

  // Says whether it names anybody besides owner, group and others.
  bool HasNames() const;

  friend bool operator==(const AccessList& one, const AccessList& other);

  // Makes it that of `path`; an empty one removes that.
  Result<void> Write(const std::filesystem::path& path, Which which) const;

 private:
  struct Free {
    void operator()(acl_t list) const noexcept { acl_free(list); }
  };
  using Handle = std::unique_ptr<std::remove_pointer_t<acl_t>, Free>;

  explicit AccessList(acl_t list) : list_(list) {}
  acl_entry_t Find(const Grantee& grantee) const;
  acl_entry_t FindTag(acl_tag_t tag) const;
  Result<void> FixMask(Place place);

  Handle list_;
};

}  // namespace certfs::vecs
