// From libfuse's callbacks to the volume and back: for each operation a cast, a call and a reply. Private to fs/fuse.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fs/fuse/notifier.h"
#include "fs/fuse/redirect.h"
#include "fs/fuse/request.h"
#include "fs/volume.h"

namespace certfs {

// Everything that the callbacks of one mount share; their userdata.
struct Adapter final : VolumeObserver {
  Adapter(Keystore& keystore, const VolumeOptions& options, bool stores_only, std::function<void()> ready);

  // The kernel's root may stand for /stores (-o subtree=stores): the only place that knows.
  NodeId FromKernel(fuse_ino_t inode) const;
  fuse_ino_t ToKernel(NodeId node) const;

  void NameChanged(NodeId directory, std::string_view name) override;
  void DropPages(NodeId node) override;
  void Refused(const std::string& line) override;

  Volume volume;
  Redirect redirect;
  std::unique_ptr<Notifier> notifier;  // Made once the session exists.
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

// Runs one operation and answers its failures: the only place where exceptions stop, because libfuse is C.
template <typename Operation>
void Answer(Request& request, const char* name, Operation&& operation) noexcept {
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

// Fills in the callbacks: of names and attributes (adapter.cc), of files and listings (adapter_files.cc).
void SetNameOperations(fuse_lowlevel_ops& operations);
void SetFileOperations(fuse_lowlevel_ops& operations);

}  // namespace certfs
