// The immutable bytes of one revision of a file. Private to fs/.
//
// Thread-safety: a Content is constant once it is shared; a ContentCache is not thread-safe by itself.

#pragma once

#include <list>
#include <map>
#include <memory>

#include "crypto/base/secret.h"
#include "fs/node_id.h"
#include "store/entry_table.h"

namespace certfs {

class AuditText;
class SpooledFile;

// The bytes of a revision, with its attributes when it was read.
struct Content {
  NodeId node;
  Attributes attributes;
  Bytes plain;                                 // Public material;
  SecretBytes secret;                          // key material; one of the two is empty,
  std::shared_ptr<const SpooledFile> spooled;  // or both: a backup, which lies on disk,
  std::shared_ptr<const AuditText> audit;      // or the audit log, which is opened as it is read.
  // Of a key, by which it is told whether it may be handed out once it is not live any more: its store, and,
  // where that enforced revocation when it was read, the certificate of the same revision, if there was one.
  Number store = 0;
  bool enforced = false;
  std::shared_ptr<const Content> certificate;

  BytesView bytes() const { return secret.empty() ? BytesView(plain) : secret.Reveal(); }
  std::uint64_t size() const;
};
using ContentPointer = std::shared_ptr<const Content>;

// Reads a live file's bytes, as those of its own node or of `node`.
Result<ContentPointer> LoadContent(TableSnapshot& snapshot, const Entry& entry, Member member);
Result<ContentPointer> LoadContent(TableSnapshot& snapshot, const Entry& entry, Member member, NodeId node);

// The public contents last read, so that re-opening a file neither reads nor unseals it.
class ContentCache {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{8} << 20;

  ContentPointer Find(NodeId node);
  void Add(ContentPointer content);

 private:
  std::list<ContentPointer> recent_;  // Newest first.
  std::map<NodeId, std::list<ContentPointer>::iterator> places_;
  std::size_t bytes_ = 0;
};

}  // namespace certfs
