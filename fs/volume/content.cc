#include "fs/volume/content.h"

#include "fs/volume/backup_files.h"
#include "store/audit_text.h"
#include "store/key_release.h"

namespace certfs {

std::uint64_t Content::size() const {
  if (audit) return audit->size();
  return spooled ? spooled->size() : bytes().size();
}

ContentPointer ContentCache::Find(NodeId node) {
  const auto place = places_.find(node);
  if (place == places_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, place->second);
  return recent_.front();
}

void ContentCache::Add(ContentPointer content) {
  if (places_.contains(content->node)) return;
  bytes_ += content->plain.size();
  recent_.push_front(std::move(content));
  places_.emplace(recent_.front()->node, recent_.begin());
  while (bytes_ > kBytesMax) {
    bytes_ -= recent_.back()->plain.size();
    places_.erase(recent_.back()->node);
    recent_.pop_back();
  }
}

Result<ContentPointer> LoadContent(TableSnapshot& snapshot, const Entry& entry, Member member) {
  return LoadContent(snapshot, entry, member, NodeId::OfFile(entry.number, member, entry.revision));
}

Result<ContentPointer> LoadContent(TableSnapshot& snapshot, const Entry& entry, Member member, NodeId node) {
  SecretBytes bytes = TRY(snapshot.ReadFile(entry, member));
  auto content = std::make_shared<Content>();
  content->node = node;
  content->attributes = entry.file(member)->attributes;
  if (member == Member::kKey) {
    if (const auto store = TRY(KeyRelease::StoreFor(snapshot, entry))) {
      content->store = store->number;
      content->enforced = store->enforce_revocation;
    }
    if (content->enforced && entry.file(Member::kCertificate))
      content->certificate =
          TRY(LoadContent(snapshot, entry, Member::kCertificate,
                          NodeId::OfFile(node.number(), Member::kCertificate, node.revision())));
  }
  if (IsKeyMaterial(member)) {
    content->secret = std::move(bytes);
  } else {
    const BytesView plain = bytes.Reveal();
    content->plain.assign(plain.begin(), plain.end());
  }
  return ContentPointer(std::move(content));
}

}  // namespace certfs
