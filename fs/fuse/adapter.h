// From libfuse's callbacks to the volume and back: for each operation a cast, a call and a reply. Private to
// fs/fuse.

#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>

#include "fs/fuse/connection.h"
#include "fs/fuse/kernel_cache.h"
#include "fs/fuse/mount_host.h"
#include "fs/fuse/notifier.h"
#include "fs/fuse/redirect.h"
#include "fs/fuse/request.h"
#include "fs/fuse/waker.h"
#include "fs/operation_counts.h"
#include "fs/volume.h"

namespace certfs {

// What each opendir has told so far about damage among its children. Handles are counted, never addresses:
// one that another process gave out is unknown here, and answers as if nothing had been damaged. May be used
// from any thread.
class OpenDirectories {
 public:
  explicit OpenDirectories(std::uint64_t first) : next_(first) {}

  std::uint64_t Add();
  void Remove(std::uint64_t handle);

  // Says that a listing starts over: it may tell of damage again.
  void Restart(std::uint64_t handle);
  // Says that damage was met. Returns whether that is news.
  bool MetDamage(std::uint64_t handle);
  // Returns whether damage was met and not told yet; it then counts as told.
  bool TakeUntold(std::uint64_t handle);

 private:
  enum class Damage { kNone, kMet, kTold };

  std::mutex mutex_;
  std::uint64_t next_;                              // Guarded by mutex_.
  std::unordered_map<std::uint64_t, Damage> open_;  // Guarded by mutex_.
};

// Everything that the callbacks of one mount share; their userdata.
struct Adapter final : VolumeObserver {
  // Borrows all but the options.
  Adapter(Keystore& keystore, const VolumeOptions& options, bool stores_only, MountHost& host,
          Connection& connection, std::function<void()> ready);

  // The kernel's root may stand for /stores (-o subtree=stores): the only place that knows.
  NodeId FromKernel(fuse_ino_t inode) const;
  // Of what `caller` asks to be told or to change: a staging inode to which the daemon before led it is there
  // again (redirect.h).
  NodeId AskedBy(const Caller& caller, fuse_ino_t inode);

  // Answers a lookup with `node`.
  void ReplyEntry(EntryRequest& request, const Node& node);
  fuse_ino_t ToKernel(NodeId node) const;

  void NameChanged(NodeId directory, std::string_view name) override;
  void AttributesChanged(NodeId node) override;
  void Replaced(NodeId directory, std::string_view name, NodeId replaced) override;
  void ListingChanged(NodeId directory) override;
  void DropPages(NodeId node) override;
  void Settle(KernelHolds holds) override;
  void Refused(const std::string& line) override;

  MountHost* const host;
  Connection* const connection;
  Volume volume;
  Redirect redirect;
  OpenDirectories directories;
  PagedHandles paged;
  KeptListings listings;
  std::unique_ptr<Notifier> notifier;  // Made once the session exists.
  std::unique_ptr<Waker> waker;        // Made once the mount exists; null where nobody is to be woken.
  const bool stores_only;
  std::function<void()> ready;  // Called when the kernel and we have agreed on the protocol.
};

// Names and attributes may be up to this old: what another process changed shows after it at the latest.
inline constexpr double kTimeoutSeconds = 1.0;

Adapter& AdapterOf(fuse_req_t request);
Caller CallerOf(fuse_req_t request);
struct stat StatOf(const Adapter& adapter, const Node& node);
fuse_entry_param EntryOf(const Adapter& adapter, const Node& node);

// Logs what nobody should ever see, once, at the seam.
void LogFailure(const char* operation, const Error& error);
void LogException(const char* operation, const char* what);
int ErrnoOf(const char* operation, const Error& error);

// Counts and runs one operation and answers its failures: the only place where exceptions stop, because
// libfuse is C.
template <typename Operation>
void Answer(Request& request, const char* name, Operation&& operation) noexcept {
  AdapterOf(request.raw()).volume.counts().Began(name);
  try {
    const Result<void> outcome = operation();
    if (!outcome.has_value()) request.ReplyError(ErrnoOf(name, outcome.error()));
  } catch (const std::bad_alloc&) {
    request.ReplyError(ENOMEM);
  } catch (const std::exception& defect) {
    LogException(name, defect.what());
    request.ReplyError(EIO);
  }
}

// Fills in the callbacks: of names and attributes (adapter.cc), of files and listings (adapter_files.cc), of
// extended attributes (adapter_xattrs.cc).
void SetNameOperations(fuse_lowlevel_ops& operations);
void SetFileOperations(fuse_lowlevel_ops& operations);
void SetXattrOperations(fuse_lowlevel_ops& operations);

}  // namespace certfs
