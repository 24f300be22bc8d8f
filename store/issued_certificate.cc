#include "store/issued_certificate.h"

#include <algorithm>

namespace certfs {

namespace {

Bytes Numeral(std::uint32_t value) {
  Bytes bytes;
  Writer(bytes).U32(value);
  return bytes;
}

Bytes Folded(std::string_view name) {
  const std::string folded = FoldName(name);
  return {folded.begin(), folded.end()};
}

}  // namespace

IssuedCertificate IssuedCertificate::Clone() const {
  IssuedCertificate copy;
  copy.number = number;
  copy.authority = authority;
  copy.certificate = certificate;
  copy.serial = serial;
  copy.not_before = not_before;
  copy.not_after = not_after;
  copy.common_name = common_name;
  copy.names = names;
  copy.profile = profile;
  copy.uid = uid;
  copy.gid = gid;
  copy.issued = issued;
  copy.revocation = revocation;
  copy.entry = entry;
  copy.replaces = replaces;
  copy.replaced_by = replaced_by;
  copy.pickup = pickup;
  copy.key = key.Clone();
  return copy;
}

IssuedGroupKey IssuedGroupKey::Day(std::chrono::sys_days day) {
  return {IssuedGroup::kDay, Numeral(static_cast<std::uint32_t>(day.time_since_epoch().count()))};
}

IssuedGroupKey IssuedGroupKey::Name(std::string_view name) { return {IssuedGroup::kName, Folded(name)}; }

IssuedGroupKey IssuedGroupKey::Pickup(std::string_view name) { return {IssuedGroup::kPickup, Folded(name)}; }

IssuedGroupKey IssuedGroupKey::Revoked(std::uint32_t authority) {
  return {IssuedGroup::kRevoked, Numeral(authority)};
}

IssuedGroupKey IssuedGroupKey::Placed(std::uint32_t authority) {
  return {IssuedGroup::kPlaced, Numeral(authority)};
}

IssuedGroupKey IssuedGroupKey::InEntry(Number entry) {
  Bytes value;
  Writer(value).U64(entry);
  return {IssuedGroup::kEntry, std::move(value)};
}

std::vector<IssuedGroupKey> GroupsOf(const IssuedCertificate& issued) {
  std::vector<IssuedGroupKey> groups;
  const auto add = [&](IssuedGroupKey key) {
    if (std::find(groups.begin(), groups.end(), key) == groups.end()) groups.push_back(std::move(key));
  };
  if (!issued.certificate.empty())
    add(IssuedGroupKey::Day(std::chrono::floor<std::chrono::days>(issued.not_after)));
  if (!issued.common_name.empty()) add(IssuedGroupKey::Name(issued.common_name));
  for (const std::string& name : issued.names) add(IssuedGroupKey::Name(name));
  if (!issued.pickup.empty()) add(IssuedGroupKey::Pickup(issued.pickup));
  if (issued.revocation) add(IssuedGroupKey::Revoked(issued.authority));
  if (issued.entry != 0) {
    add(IssuedGroupKey::Placed(issued.authority));
    add(IssuedGroupKey::InEntry(issued.entry));
  }
  return groups;
}

}  // namespace certfs
