// What the kernel may have in its page cache of this mount, as far as it is for us to say. Private to
// fs/fuse.
//
// Thread-safety: both may be used from any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "crypto/base/bytes.h"
#include "fs/node_id.h"

namespace certfs {

// Which open handles on key material brought pages of it into the page cache. direct_io keeps read(2) out of
// it, but neither sendfile(2), splice(2), a private mapping nor readahead(2). The kernel says who asks in a
// read(2) (FUSE_READ_LOCKOWNER); a read for the page cache is nobody's, and has no owner.
class PagedHandles {
 public:
  void Opened(std::uint64_t handle);
  // Hears of a read by `handle`; `owner` is 0 where the kernel named none.
  void Read(std::uint64_t handle, std::uint64_t owner);
  // Forgets the handle. Returns whether pages are to be dropped: it brought some in, or was opened by an
  // earlier process of this mount and may have.
  bool Release(std::uint64_t handle);

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, bool> paged_;  // By handle. Guarded by mutex_.
};

// In which state directories were when the kernel last began to keep their listing anew.
class KeptListings {
 public:
  // Hears that `directory`, whose contents have that digest now, is opened. Returns whether the listing that
  // the kernel may have kept of it is still good; if not, the kernel is to be told so.
  bool Opened(NodeId directory, const Digest& contents);
  // Says that what the kernel reads now is not to be kept.
  void Forget(NodeId directory);

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Digest> kept_;  // By node. Guarded by mutex_.
};

}  // namespace certfs
