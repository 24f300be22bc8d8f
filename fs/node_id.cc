#include "fs/node_id.h"

namespace certfs {

namespace {

constexpr std::uint64_t kStagingBit = std::uint64_t{1} << 63;
constexpr std::uint64_t kSlotMask = 7;
constexpr std::uint64_t kSlotFixedFile = 0;
constexpr std::uint64_t kSlotDirectory = 1;
constexpr int kNumberShift = 3;
constexpr std::uint64_t kNumberMask = 0xFFFFFFFF;
constexpr int kRevisionShift = 35;
constexpr std::uint64_t kRevisionMask = (std::uint64_t{1} << 27) - 1;
constexpr std::uint64_t kViewBit = std::uint64_t{1} << 62;
constexpr int kViewKindShift = 35;
constexpr std::uint64_t kViewKindMask = 31;
constexpr int kViewStateShift = 40;
constexpr std::uint64_t kViewStateMask = (std::uint64_t{1} << 22) - 1;
constexpr std::uint64_t kHashedKind = 31;  // Of the directory hashed/; 0 is any other.

constexpr bool IsDirectory(Fixed fixed) {
  return fixed == Fixed::kRoot || fixed == Fixed::kStores || fixed == Fixed::kStatus ||
         fixed == Fixed::kExport || fixed == Fixed::kBackup || fixed == Fixed::kAuthority ||
         fixed == Fixed::kRequests || fixed == Fixed::kIssued || fixed == Fixed::kProfiles;
}

}  // namespace

NodeId NodeId::Of(Fixed fixed) {
  const std::uint64_t slot = IsDirectory(fixed) ? kSlotDirectory : kSlotFixedFile;
  return NodeId(static_cast<std::uint64_t>(fixed) << kNumberShift | slot);
}

NodeId NodeId::OfDirectory(Number number) {
  return NodeId((number & kNumberMask) << kNumberShift | kSlotDirectory);
}

NodeId NodeId::OfFile(Number entry, Member member, Revision revision) {
  const std::uint64_t slot = static_cast<std::uint64_t>(member) + 1;
  return NodeId((revision & kRevisionMask) << kRevisionShift | (entry & kNumberMask) << kNumberShift | slot);
}

NodeId NodeId::OfStaging(std::uint64_t count) { return NodeId(count | kStagingBit); }

NodeId NodeId::OfViewDirectory(Number number) {
  return NodeId(kViewBit | (number & kNumberMask) << kNumberShift | kSlotDirectory);
}

NodeId NodeId::OfHashedDirectory(Number store) {
  return NodeId(OfViewDirectory(store).value() | kHashedKind << kViewKindShift);
}

NodeId NodeId::OfView(std::uint8_t kind, Number number, const Digest& identity) {
  std::uint64_t state = 0;
  for (std::size_t i = 0; i < sizeof state; ++i) state = state << 8 | identity[i];
  return NodeId(kViewBit | (state & kViewStateMask) << kViewStateShift |
                (kind & kViewKindMask) << kViewKindShift | (number & kNumberMask) << kNumberShift |
                kSlotFixedFile);
}

bool NodeId::is_view() const { return !is_staging() && (value_ & kViewBit) != 0; }

bool NodeId::is_view_directory() const {
  return is_view() && (value_ & kSlotMask) == kSlotDirectory &&
         (value_ >> kViewKindShift & kViewKindMask) == 0;
}

bool NodeId::is_hashed_directory() const {
  return is_view() && (value_ & kSlotMask) == kSlotDirectory &&
         (value_ >> kViewKindShift & kViewKindMask) == kHashedKind;
}

std::optional<std::uint8_t> NodeId::view_kind() const {
  if (!is_view() || (value_ & kSlotMask) != kSlotFixedFile) return std::nullopt;
  return static_cast<std::uint8_t>(value_ >> kViewKindShift & kViewKindMask);
}

bool NodeId::is_staging() const { return (value_ & kStagingBit) != 0; }

std::optional<Fixed> NodeId::fixed() const {
  const std::uint64_t slot = value_ & kSlotMask;
  if (is_staging() || is_view() || slot > kSlotDirectory || number() > static_cast<Number>(kLastFixed))
    return std::nullopt;
  const auto fixed = static_cast<Fixed>(number());
  if (NodeId::Of(fixed) != *this) return std::nullopt;
  return fixed;
}

std::optional<Number> NodeId::directory() const {
  if (is_staging() || is_view()) return std::nullopt;
  if ((value_ & kSlotMask) != kSlotDirectory || number() < kFirstNumber) return std::nullopt;
  return number();
}

std::optional<Member> NodeId::member() const {
  const std::uint64_t slot = value_ & kSlotMask;
  if (is_staging() || is_view() || slot < 2) return std::nullopt;
  return static_cast<Member>(slot - 1);
}

Number NodeId::number() const { return value_ >> kNumberShift & kNumberMask; }

Revision NodeId::revision() const { return value_ >> kRevisionShift & kRevisionMask; }

bool NodeId::HasRevision(Revision revision) const { return this->revision() == (revision & kRevisionMask); }

}  // namespace certfs
