// A staging inode: what one writer has written so far, and what is to come of it. Private to fs/.
//
// Thread-safety: its mutex guards it. Ownership: borrows the share of whoever writes.

#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/volume.h"
#include "fs/volume/staged_bytes.h"

namespace certfs {

// One staging inode and the one handle that writes to it.
struct Staging {
  // Of a writer who counts in `writers`, and takes from `quota`.
  Staging(ByteQuota& quota, ByteQuota& writers) : buffer(quota), writers_(writers) {}
  ~Staging() {
    if (counted_) writers_.Give(1);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Counts it. Returns false if its writer has as many as he may.
  bool Count() {
    counted_ = writers_.Take(1);
    return counted_;
  }

  // Makes the buffer `size` bytes long; returns false, and changes nothing, if there is no memory for it.
  bool Resize(std::size_t size) { return buffer.Resize(size); }
  // Drops what was written.
  void Discard() {
    buffer.Clear();
    dirty = false;
  }

  std::mutex mutex;  // Guards everything below that is not constant.

  NodeId node;                           // Constant.
  Number entry = 0;                      // Constant.
  Member member = Member::kCertificate;  // Constant.
  NodeId shown_as;                       // Constant: the live file that it was led away from; 0 for none.
  std::string path;                      // Constant; for refusals.
  bool created = false;                  // Constant: there was no file to replace.
  bool exclusive = false;                // Set before others see it: it must still be new when it goes live.
  Number basis = 0;                      // Constant: the entry whose bytes it starts with; 0 for none.
  Number replaces = 0;                   // Constant: of a staged entry's file, the live entry. Else 0.

  bool opened = false;
  Caller opener;
  std::int32_t opener_process = 0;
  bool append = false;

  Attributes attributes;        // What stat shows.
  std::uint64_t live_size = 0;  // What stat shows until it is opened.
  bool went_live = false;       // It was committed, and completed what was staged.
  AttributeChange wanted;       // What was set by handle and goes live with the next commit.

  // The file that this process removed before it came to write this one: it returns unless a commit succeeds.
  std::optional<RemovedFile> removed;
  bool committed = false;  // Something of it went live:
  Node became;             // to that its name leads since.
  // Set where the kernel holds a directory until the answer: what it is to be told meanwhile waits here.
  std::vector<std::pair<NodeId, std::string_view>>* untold = nullptr;
  bool placeholder = false;  // It left a placeholder, and
  NodeId from_placeholder;   // it was opened by one; 0 if not.

  StagedBytes buffer;
  bool dirty = false;               // Written since it was opened, committed or emptied.
  std::optional<Error> refused;     // Set: nothing goes until it is truncated to 0 or closed.
  std::int32_t writer_thread = 0;   // Who wrote last, and
  std::int32_t writer_process = 0;  // the process of that thread.

  // The process of `thread`. Asking costs a file of /proc, and most writers are one thread.
  std::int32_t ProcessOf(std::int32_t thread, const ProcessTable& processes) const {
    if (opener_process != 0 && thread == opener.thread) return opener_process;
    if (writer_process != 0 && thread == writer_thread) return writer_process;
    return processes.ProcessOf(thread);
  }

 private:
  ByteQuota& writers_;
  bool counted_ = false;
};
using StagingPointer = std::shared_ptr<Staging>;

}  // namespace certfs
