// Callbacks of files and listings.

#include <fcntl.h>

#include <chrono>
#include <vector>

#include "fs/fuse/adapter.h"

namespace certfs {

namespace {

bool IsKeyMaterial(NodeId node) { return node.member() && IsKeyMaterial(*node.member()); }

// Whose pages are dropped when a handle is released that brought any: what is being written, and scratch, may
// be a key.
bool LeavesNoPages(NodeId node) {
  return node.is_staging() || node.is_view() || IsKeyMaterial(node) || node.fixed() == Fixed::kControl;
}

// Key material and what changes by the moment stays out of the page cache; so does what is being written.
bool IsUncached(NodeId node) {
  return node.is_staging() || node.is_view() || node.fixed() || IsKeyMaterial(node);
}

OpenMode ModeOf(int flags) {
  OpenMode mode;
  mode.read = (flags & O_ACCMODE) != O_WRONLY;
  mode.write = (flags & O_ACCMODE) != O_RDONLY;
  mode.append = (flags & O_APPEND) != 0;
  mode.truncate = (flags & O_TRUNC) != 0;
  mode.exclusive = (flags & O_EXCL) != 0;
  return mode;
}

void OnCreate(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t permissions, fuse_file_info* file) {
  OpenRequest request(req);
  Answer(request, "create", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const auto created = TRY(adapter.volume.Create(CallerOf(req), adapter.FromKernel(parent), name,
                                                   ModeOf(file->flags), permissions));
    file->fh = created.handle;
    file->direct_io = 1;
    adapter.paged.Opened(file->fh);
    if (!request.ReplyCreated(EntryOf(adapter, created.node), *file)) {
      static_cast<void>(adapter.paged.Release(file->fh));
      adapter.volume.Release(created.node.id, created.handle);
    }
    return {};
  });
}

void OnOpen(fuse_req_t req, fuse_ino_t inode, fuse_file_info* file) {
  OpenRequest request(req);
  Answer(request, "open", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const Caller caller = CallerOf(req);
    const NodeId node = adapter.FromKernel(inode);
    OpenMode mode = ModeOf(file->flags);
    // O_TRUNC asks for writing, whatever the access mode says.
    mode.write = mode.write || mode.truncate;
    if (mode.write && node.member())
      return adapter.redirect.OpenLive(caller, node, std::chrono::steady_clock::now());

    if (node.is_staging()) adapter.redirect.Arrived(caller, node);
    auto opened = adapter.volume.Open(caller, node, mode);
    if (!opened.has_value()) {
      adapter.volume.Unstage(node);  // Its note is gone, and nobody else would.
      return std::move(opened).error();
    }
    file->fh = opened.value();
    file->direct_io = IsUncached(node) ? 1 : 0;
    file->keep_cache = IsUncached(node) ? 0 : 1;
    file->noflush = mode.write ? 0 : 1;
    if (LeavesNoPages(node)) adapter.paged.Opened(file->fh);
    if (!request.ReplyOpen(*file)) {
      static_cast<void>(adapter.paged.Release(file->fh));
      adapter.volume.Release(node, file->fh);
    }
    if (node.is_staging()) adapter.redirect.Done(caller);
    return {};
  });
}

void OnRead(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* file) {
  BytesRequest request(req);
  Answer(request, "read", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const NodeId node = adapter.FromKernel(inode);
    const SecretBytes bytes =
        TRY(adapter.volume.Read(node, file->fh, static_cast<std::uint64_t>(offset), size));
    if (LeavesNoPages(node)) adapter.paged.Read(file->fh, file->lock_owner);
    request.ReplyBytes(bytes.Reveal());
    return {};
  });
}

void OnWrite(fuse_req_t req, fuse_ino_t, const char* data, std::size_t size, off_t offset,
             fuse_file_info* file) {
  WriteRequest request(req);
  Answer(request, "write", [&]() -> Result<void> {
    TRY(AdapterOf(req).volume.Write(CallerOf(req), file->fh, static_cast<std::uint64_t>(offset),
                                    AsBytes({data, size})));
    request.ReplyWritten(size);
    return {};
  });
  // It may be a key, and lies in the buffer of this thread of libfuse, which nobody wipes until something as
  // long comes.
  Wipe({reinterpret_cast<std::uint8_t*>(const_cast<char*>(data)), size});
}

void OnFlush(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  DoneRequest request(req);
  Answer(request, "flush", [&]() -> Result<void> {
    TRY(AdapterOf(req).volume.Flush(CallerOf(req), file->fh));
    request.ReplyDone();
    return {};
  });
}

void OnSync(fuse_req_t req, fuse_ino_t, int, fuse_file_info* file) {
  DoneRequest request(req);
  Answer(request, "fsync", [&]() -> Result<void> {
    TRY(AdapterOf(req).volume.Sync(CallerOf(req), file->fh));
    request.ReplyDone();
    return {};
  });
}

void OnRelease(fuse_req_t req, fuse_ino_t inode, fuse_file_info* file) {
  DoneRequest request(req);
  Answer(request, "release", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const NodeId node = adapter.FromKernel(inode);
    adapter.volume.Release(node, file->fh);
    if (LeavesNoPages(node) && adapter.paged.Release(file->fh)) adapter.DropPages(node);
    request.ReplyDone();
    return {};
  });
}

// --- Listings

void OnOpenDirectory(fuse_req_t req, fuse_ino_t inode, fuse_file_info* file) {
  OpenRequest request(req);
  Answer(request, "opendir", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const NodeId node = adapter.FromKernel(inode);
    // The names in a store are the same for everybody, and may be many. An open that fails lists for itself.
    const auto contents = adapter.volume.ListingDigest(node);
    if (contents.has_value() && contents.value()) {
      file->cache_readdir = 1;
      file->keep_cache = adapter.listings.Opened(node, *contents.value()) ? 1 : 0;
    }
    file->fh = adapter.directories.Add();
    if (!request.ReplyOpen(*file)) adapter.directories.Remove(file->fh);
    return {};
  });
}

void OnReleaseDirectory(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  DoneRequest request(req);
  AdapterOf(req).directories.Remove(file->fh);
  request.ReplyDone();
}

void OnSyncDirectory(fuse_req_t req, fuse_ino_t, int, fuse_file_info*) { DoneRequest(req).ReplyDone(); }

void List(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* file, bool plus) {
  BytesRequest request(req);
  Answer(request, "readdir", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    if (offset == 0) adapter.directories.Restart(file->fh);
    std::vector<char> buffer(size);
    std::size_t used = 0;
    std::vector<NodeId> named;  // A listing with attributes is a lookup of each child.
    const auto sink = [&](const DirectoryItem& item) {
      const std::string name(item.name);
      fuse_entry_param entry = EntryOf(adapter, item.node);
      const bool dots = name == "." || name == "..";
      if (dots || !item.complete) entry.ino = 0;  // Not looked up: the kernel asks if somebody wants to know.
      const off_t next = static_cast<off_t>(item.offset);
      const std::size_t needed =
          plus ? fuse_add_direntry_plus(req, buffer.data() + used, size - used, name.c_str(), &entry, next)
               : fuse_add_direntry(req, buffer.data() + used, size - used, name.c_str(), &entry.attr, next);
      if (needed > size - used) return false;
      used += needed;
      if (plus && !dots && (item.node.id.member() || item.node.revision)) {
        named.push_back(item.node.id);
        adapter.volume.Named(item.node);
      }
      return true;
    };
    const auto forget = [&] {
      for (const NodeId node : named) adapter.volume.Forget(node, 1);
    };
    auto listed = adapter.volume.List(CallerOf(req), adapter.FromKernel(inode),
                                      static_cast<std::uint64_t>(offset), sink);
    if (!listed.has_value()) {
      if (listed.error().code() != ErrorCode::kCorrupt) {
        forget();
        return listed;
      }
      // The kernel would keep the names without the error that ends them.
      adapter.listings.Forget(adapter.FromKernel(inode));
      if (adapter.directories.MetDamage(file->fh)) LogFailure("readdir", listed.error());
    }
    // Everything that can be named comes first; then, once, the error.
    if (used == 0 && adapter.directories.TakeUntold(file->fh)) {
      request.ReplyError(EIO);
      return {};
    }
    if (!request.ReplyBytes(AsBytes({buffer.data(), used}))) forget();
    return {};
  });
}

void OnReadDirectory(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* file) {
  List(req, inode, size, offset, file, false);
}
void OnReadDirectoryPlus(fuse_req_t req, fuse_ino_t inode, std::size_t size, off_t offset,
                         fuse_file_info* file) {
  List(req, inode, size, offset, file, true);
}

}  // namespace

std::uint64_t OpenDirectories::Add() {
  const std::lock_guard lock(mutex_);
  open_.emplace(next_, Damage::kNone);
  return next_++;
}

void OpenDirectories::Remove(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  open_.erase(handle);
}

void OpenDirectories::Restart(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  if (const auto open = open_.find(handle); open != open_.end()) open->second = Damage::kNone;
}

bool OpenDirectories::MetDamage(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto open = open_.find(handle);
  if (open == open_.end() || open->second != Damage::kNone) return false;
  open->second = Damage::kMet;
  return true;
}

bool OpenDirectories::TakeUntold(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto open = open_.find(handle);
  if (open == open_.end() || open->second != Damage::kMet) return false;
  open->second = Damage::kTold;
  return true;
}

void SetFileOperations(fuse_lowlevel_ops& operations) {
  operations.create = OnCreate;
  operations.open = OnOpen;
  operations.read = OnRead;
  operations.write = OnWrite;
  operations.flush = OnFlush;
  operations.fsync = OnSync;
  operations.release = OnRelease;
  operations.opendir = OnOpenDirectory;
  operations.releasedir = OnReleaseDirectory;
  operations.fsyncdir = OnSyncDirectory;
  operations.readdir = OnReadDirectory;
  operations.readdirplus = OnReadDirectoryPlus;
}

}  // namespace certfs
