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
constexpr std::uint64_t kRevisionMask = (std::uint64_t{1} << 28) - 1;

constexpr bool IsDirectory(Fixed fixed) {
  return fixed == Fixed::kRoot || fixed == Fixed::kStores || fixed == Fixed::kStatus;
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

bool NodeId::is_staging() const { return (value_ & kStagingBit) != 0; }

std::optional<Fixed> NodeId::fixed() const {
  const std::uint64_t slot = value_ & kSlotMask;
  if (is_staging() || slot > kSlotDirectory || number() > static_cast<Number>(Fixed::kVersion))
    return std::nullopt;
  const auto fixed = static_cast<Fixed>(number());
  if (NodeId::Of(fixed) != *this) return std::nullopt;
  return fixed;
}

std::optional<Number> NodeId::directory() const {
  if (is_staging() || (value_ & kSlotMask) != kSlotDirectory || number() < kFirstNumber) return std::nullopt;
  return number();
}

std::optional<Member> NodeId::member() const {
  const std::uint64_t slot = value_ & kSlotMask;
  if (is_staging() || slot < 2) return std::nullopt;
  return static_cast<Member>(slot - 1);
}

Number NodeId::number() const { return value_ >> kNumberShift & kNumberMask; }

Revision NodeId::revision() const { return value_ >> kRevisionShift & kRevisionMask; }

bool NodeId::HasRevision(Revision revision) const { return this->revision() == (revision & kRevisionMask); }

}  // namespace certfs
