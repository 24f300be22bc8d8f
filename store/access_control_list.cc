#include "store/access_control_list.h"

#include <algorithm>
#include <tuple>

namespace certfs {

namespace {

// On disk, and in the kernel's linux/posix_acl_xattr.h: never change or reuse. Little-endian, unlike all else
// of ours.
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kEntryBytes = 8;
constexpr std::uint16_t kOwner = 0x01;
constexpr std::uint16_t kUser = 0x02;
constexpr std::uint16_t kGroupOwner = 0x04;
constexpr std::uint16_t kGroup = 0x08;
constexpr std::uint16_t kMask = 0x10;
constexpr std::uint16_t kOthers = 0x20;
constexpr std::uint32_t kNoId = 0xffffffff;

std::uint32_t Take(BytesView bytes, std::size_t at, std::size_t width) {
  std::uint32_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | bytes[at + i];
  return value;
}

void Put(Bytes& bytes, std::uint32_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

bool IsNamed(std::uint16_t tag) { return tag == kUser || tag == kGroup; }

Error Malformed() { return {ErrorCode::kInvalidArgument, "not a valid access control list"}; }

}  // namespace

Result<AccessControlList> AccessControlList::Parse(BytesView bytes) {
  if (bytes.size() < kHeaderBytes || (bytes.size() - kHeaderBytes) % kEntryBytes != 0) return Malformed();
  if (bytes.size() > kHeaderBytes + kEntriesMax * kEntryBytes) return Malformed();
  if (Take(bytes, 0, 4) != kVersion) return Malformed();
  AccessControlList list;
  for (std::size_t at = kHeaderBytes; at < bytes.size(); at += kEntryBytes) {
    list.entries_.push_back({static_cast<std::uint16_t>(Take(bytes, at, 2)),
                             static_cast<std::uint16_t>(Take(bytes, at + 2, 2)), Take(bytes, at + 4, 4)});
  }
  std::sort(list.entries_.begin(), list.entries_.end(), [](const Entry& left, const Entry& right) {
    return std::tie(left.tag, left.id) < std::tie(right.tag, right.id);
  });
  if (!list.IsValid()) return Malformed();
  return list;
}

// One owner, group and others; names at most once each; a mask at most once, and where there are names
// (POSIX.1e, 23.1.2).
bool AccessControlList::IsValid() const {
  bool named = false;
  int counts[kOthers + 1] = {};
  const Entry* last = nullptr;
  for (const Entry& entry : entries_) {
    switch (entry.tag) {
      case kUser:
      case kGroup:
        if (entry.id == kNoId) return false;
        named = true;
        break;
      case kOwner:
      case kGroupOwner:
      case kMask:
      case kOthers:
        if (entry.id != kNoId) return false;
        break;
      default:
        return false;
    }
    if ((entry.permissions & ~7) != 0) return false;
    if (last != nullptr && last->tag == entry.tag && last->id == entry.id) return false;
    ++counts[entry.tag];
    last = &entry;
  }
  return counts[kOwner] == 1 && counts[kGroupOwner] == 1 && counts[kOthers] == 1 &&
         (counts[kMask] == 1 || (counts[kMask] == 0 && !named));
}

Bytes AccessControlList::Encode() const {
  Bytes bytes;
  if (empty()) return bytes;
  Put(bytes, kVersion, 4);
  for (const Entry& entry : entries_) {
    Put(bytes, entry.tag, 2);
    Put(bytes, entry.permissions, 2);
    Put(bytes, entry.id, 4);
  }
  return bytes;
}

bool AccessControlList::IsMode() const {
  return std::none_of(entries_.begin(), entries_.end(),
                      [](const Entry& entry) { return IsNamed(entry.tag) || entry.tag == kMask; });
}

std::uint16_t& AccessControlList::GroupClass() {
  std::uint16_t* group = nullptr;
  for (Entry& entry : entries_) {  // The mask comes after the group.
    if (entry.tag == kGroupOwner || entry.tag == kMask) group = &entry.permissions;
  }
  return *group;
}

std::uint32_t AccessControlList::mode() const {
  std::uint32_t owner = 0;
  std::uint32_t group = 0;
  std::uint32_t others = 0;
  for (const Entry& entry : entries_) {
    if (entry.tag == kOwner) owner = entry.permissions;
    if (entry.tag == kGroupOwner || entry.tag == kMask) group = entry.permissions;
    if (entry.tag == kOthers) others = entry.permissions;
  }
  return owner << 6 | group << 3 | others;
}

void AccessControlList::SetMode(std::uint32_t mode) {
  if (empty()) return;
  GroupClass() = static_cast<std::uint16_t>(mode >> 3 & 7);
  for (Entry& entry : entries_) {
    if (entry.tag == kOwner) entry.permissions = static_cast<std::uint16_t>(mode >> 6 & 7);
    if (entry.tag == kOthers) entry.permissions = static_cast<std::uint16_t>(mode & 7);
  }
}

void AccessControlList::Limit(const Limits& limits) {
  for (Entry& entry : entries_) {
    std::uint32_t allowed = 7;
    if (entry.tag == kOwner) allowed = limits.owner;
    if (entry.tag == kGroupOwner) allowed = limits.group;
    if (entry.tag == kMask) allowed = limits.mask;
    if (entry.tag == kOthers) allowed = limits.others;
    entry.permissions = static_cast<std::uint16_t>(entry.permissions & allowed);
  }
}

}  // namespace certfs
