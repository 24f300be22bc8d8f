#include "store/view/attributes.h"

#include <algorithm>
#include <tuple>

namespace certfs::view {

Time LastModified(const Entry& entry) {
  Time last{};
  for (const auto& file : entry.files) {
    if (file) last = std::max(last, file->attributes.mtime);
  }
  return last;
}

Attributes OfFile(Attributes attributes) {
  attributes.default_acl = {};
  return attributes;
}

Attributes OfListing(const Attributes& directory) {
  Attributes attributes = OfFile(directory);
  attributes.mode &= 0666;
  // The mask that an ACL stands in was the directory's; its group bits are what the mode shows.
  if (!attributes.access_acl.empty()) {
    attributes.access_acl = {};
    attributes.mode &= 0606;
  }
  return attributes;
}

bool IsPendingShown(const EntryMaterial& material) {
  if (!material.staged) return true;
  const auto guards = [](const Attributes& directory) {
    return std::tuple(directory.uid, directory.gid, directory.mode & 0111U, directory.access_acl.Encode());
  };
  const auto& request = material.staged->file(Member::kSigningRequest);
  return guards(material.staged->attributes) == guards(material.entry.attributes) &&
         (!request || (request->attributes.mode & 0004U) != 0);
}

Attributes OfPending(const EntryMaterial& material) {
  Attributes attributes = OfFile(material.staged->file(Member::kSigningRequest)->attributes);
  if (!IsPendingShown(material)) {
    attributes.mode &= 0600;
    attributes.access_acl = {};
  }
  return attributes;
}

}  // namespace certfs::view
