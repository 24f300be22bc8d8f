// What a mount has that outlives its daemon: the FUSE device, and a page of memory beside it on which the
// daemon notes what its successor must know (fs/README.md, "A mount that outlives its daemon"). Private to
// fs/fuse, save that the mounter keeps the two.
//
// The kernel tells a daemon once, in FUSE_INIT, what it can do, and is told what of that is wanted. A
// successor gets none: it is given the noted one again, with what was agreed on as all that can be wanted,
// and its answer goes nowhere. Then it asks for what its predecessor had taken and not answered
// (FUSE_NOTIFY_RESEND, since Linux 6.9).
//
// Thread-safety: as each function says. Ownership: a Connection owns its mapping of the page; the device goes
// to the session.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "crypto/base/descriptor.h"
#include "crypto/base/result.h"
#include "fs/fuse/redirect.h"
#include "fs/pair_notes.h"

struct fuse_session;
struct iovec;

namespace certfs {

struct ConnectionParts {
  Descriptor device;
  Descriptor page;
};

class Connection final : public NoteKeeper, public PairNotes {
 public:
  // Returns a page for a mount that nobody has served yet. kIo if there is no memory to be had.
  static Result<Descriptor> NewPage();

  // Takes both over, for one daemon more. kCorrupt if the page is not what a daemon of this format leaves;
  // kIo if it cannot be mapped.
  static Result<std::unique_ptr<Connection>> Open(ConnectionParts parts);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Whether an earlier daemon and the kernel have agreed already.
  bool is_resumed() const noexcept { return resumed_; }
  // Which daemon of this mount this is, from 1.
  std::uint32_t incarnation() const noexcept { return incarnation_; }

  // Has `session` speak through the device, which becomes its own. Its userdata is an Adapter that leads
  // here.
  Result<void> Attach(fuse_session* session);
  // Gives `session` the agreement of before, and asks for what was not answered. Precondition: attached,
  // is_resumed(), and nobody reads requests yet.
  Result<void> Resume(fuse_session* session);

  // Whether the request that the calling thread took last was taken before, by a daemon that ended without an
  // answer: it may have been carried out.
  static bool IsResent() noexcept;

  // --- The notes of writers that are on their way (redirect.h). Not thread-safe: Redirect has a mutex.
  void Keep(const RedirectNote& note) override;
  void Drop(std::int32_t thread) override;
  std::vector<RedirectNote> Kept() override;

  // --- The notes of readers between the halves of a pair (fs/pair_notes.h). Not thread-safe.
  void KeepPair(const PairNote& note) override;
  void DropPair(std::int32_t thread, Number entry) override;
  std::vector<PairNote> KeptPairs() override;

  // What libfuse calls for each request and each answer; may run on any thread.
  std::ptrdiff_t Receive(int device, void* buffer, std::size_t size);
  std::ptrdiff_t Send(int device, const iovec* parts, int count);

 private:
  struct Page;
  Connection(Descriptor device, Page* page);

  Descriptor device_;  // Until it is the session's.
  Page* const page_;
  const bool resumed_;
  const std::uint32_t incarnation_;
  bool swallows_ = false;  // While the agreement of before is gone through again; nobody else sends yet.
  std::atomic<std::uint64_t> init_unique_ = 0;  // Of the kernel's own FUSE_INIT, until it is answered.
};

}  // namespace certfs
