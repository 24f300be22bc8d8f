// What a keystore holds: stores, their entries, the files of an entry.
//
// Thread-safety: values.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/time.h"
#include "store/access_control_list.h"
#include "store/name.h"

namespace certfs {

// Numbers of stores and entries share one sequence; each is given once and never again.
using Number = std::uint64_t;
inline constexpr Number kFirstNumber = 16;  // On disk: never change or reuse. 1 to 15 are reserved.

// Counts an entry's changes of content, from 1; 0 for an entry that never held anything.
using Revision = std::uint64_t;

// Who owns something, who may do what with it, and when it changed.
struct Attributes {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;  // The permission bits alone.
  Time atime{};
  Time mtime{};
  Time ctime{};
  // None where the permission bits say it all, and else in step with them.
  AccessControlList access_acl;
  // Of directories: what new entries and files begin with.
  AccessControlList default_acl;

  friend bool operator==(const Attributes&, const Attributes&) = default;
};

// The files that an entry may hold. On disk: never change or reuse.
enum class Member : std::uint8_t {
  kCertificate = 1,
  kKey = 2,
  kRevocationList = 3,
  kSecret = 4,
  kRequest = 5,        // What a signing request is to ask for, and
  kSigningRequest = 6  // that request (PKCS#10): in a staged entry alone.
};
inline constexpr std::array<Member, 6> kMembers{Member::kCertificate,    Member::kKey,
                                                Member::kRevocationList, Member::kSecret,
                                                Member::kRequest,        Member::kSigningRequest};

// Returns the file's name ("cert.pem"), and the member of that name.
std::string_view FileName(Member member);
std::optional<Member> MemberNamed(std::string_view file_name);

// A set of them, one bit for each.
using Members = std::uint8_t;
constexpr Members SetOf(Member member) {
  return static_cast<Members>(1U << (static_cast<unsigned>(member) - 1));
}
inline constexpr Members kAllMembers = (1U << kMembers.size()) - 1;

// Says whether the file is key material: never readable by others, never in the page cache.
constexpr bool IsKeyMaterial(Member member) { return member == Member::kKey || member == Member::kSecret; }
inline constexpr std::uint32_t kBitsForOthers = 0007;

// One file of an entry.
struct File {
  Attributes attributes;
  std::uint32_t size = 0;  // In bytes, of what reading gives.
  bool dated = false;      // Somebody set its times after its bytes: they hold when it goes live.
  Digest digest{};         // What the backend needs to find and check the bytes; opaque to everyone else.

  friend bool operator==(const File&, const File&) = default;
};

// Who last changed the content of an entry, and when.
struct LastChange {
  std::uint32_t uid = 0;
  Time at{};

  friend bool operator==(const LastChange&, const LastChange&) = default;
};

struct Entry {
  Number number = 0;
  Number store = 0;
  // Of a staged entry: the entry that it is to replace. In BACKUP_STORE: the store of the entry whose state
  // this is. Of others 0.
  Number origin = 0;
  Revision revision = 0;
  Alias alias;
  Attributes attributes;  // Of the entry's directory.
  std::array<std::optional<File>, kMembers.size()> files;
  // None where nothing was ever changed, or by a certfs that did not note it yet.
  std::optional<LastChange> changed;
  // In BACKUP_STORE: which revision of the entry this state was; 0 where that was not noted yet. Of others 0.
  Revision keeps = 0;

  const std::optional<File>& file(Member member) const { return files[static_cast<std::size_t>(member) - 1]; }
  std::optional<File>& file(Member member) { return files[static_cast<std::size_t>(member) - 1]; }
  // Whether this is the replacement of another entry, which waits in its `next/` until it is complete.
  bool is_staged() const { return alias.is_next(); }
  bool is_pair() const { return file(Member::kCertificate) && file(Member::kKey); }
  bool empty() const { return members() == 0; }
  // Which files it has.
  Members members() const {
    Members found = 0;
    for (const Member member : kMembers) {
      if (file(member)) found |= SetOf(member);
    }
    return found;
  }
};

struct Store {
  Number number = 0;
  StoreName name;
  Attributes attributes;
  std::uint64_t entry_count = 0;
  // Key material of an entry whose certificate is revoked is not opened.
  bool enforce_revocation = false;
  Digest entries{};  // Digest over all its entries: changes whenever one of them does.
};

}  // namespace certfs
