// A POSIX access control list (acl(5), POSIX.1e draft 17): who, besides owner, group and others, may do what.
// Only what it says and how it and a mode go together; the kernel enforces it.
//
// Thread-safety: values. Errors: Parse alone fails.

#pragma once

#include <cstdint>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs {

// The bits of a mode that an access list decides; the others are the mode's alone.
inline constexpr std::uint32_t kBitsOfAcl = 0777;

class AccessControlList {
 public:
  // The kernel asks for at most a page of them.
  static constexpr std::size_t kEntriesMax = 511;

  // No list: the mode alone decides.
  AccessControlList() = default;

  // Reads the form of the extended attributes `system.posix_acl_access` and `system.posix_acl_default`, which
  // is also what stands in the keystore (store/README.md). Named users and groups may come in any order.
  // kInvalidArgument for anything that is no valid list, no bytes included.
  static Result<AccessControlList> Parse(BytesView bytes);

  // The same form, in the one order that every list has; nothing for no list.
  Bytes Encode() const;

  bool empty() const { return entries_.empty(); }
  // The memory that it takes outside its object.
  std::size_t HeapBytes() const { return entries_.capacity() * sizeof(Entry); }
  // Whether it says no more than permission bits do: no list, or one without names and mask.
  bool IsMode() const;
  // The nine permission bits that it shows as: the group's are the mask where there is one.
  // Precondition: !empty().
  std::uint32_t mode() const;
  bool GivesOthers() const { return !empty() && (mode() & 0007) != 0; }

  // What chmod(2) does to it: owner and others as in `mode`, and the mask, or the group where there is none.
  void SetMode(std::uint32_t mode);

  // Takes away what is not in these: the owner's bits and so on. Names keep theirs, within the mask.
  struct Limits {
    std::uint32_t owner = 7;
    std::uint32_t group = 7;
    std::uint32_t mask = 7;
    std::uint32_t others = 7;
  };
  void Limit(const Limits& limits);

  friend bool operator==(const AccessControlList&, const AccessControlList&) = default;

 private:
  struct Entry {
    std::uint16_t tag;
    std::uint16_t permissions;
    std::uint32_t id;  // Of a named user or group.

    friend bool operator==(const Entry&, const Entry&) = default;
  };
  bool IsValid() const;
  // The group's permissions as a mode shows them.
  std::uint16_t& GroupClass();

  std::vector<Entry> entries_;  // By tag, then by id.
};

}  // namespace certfs
