#include "fs/fuse/adapter.h"

#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>

#include "fs/errno.h"
#include "fs/fuse/session.h"

namespace certfs {

namespace {

constexpr blksize_t kBlockBytes = 4096;

timespec TimespecOf(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.time_since_epoch().count(), (time - seconds).count()};
}

// A user may ask for any 64 bits of seconds; a time that ours cannot hold (before 1677, after 2262) is the
// nearest that it can. The kernel sends less than a second of nanoseconds.
Time TimeOf(const timespec& time) {
  constexpr std::chrono::seconds kEnd = std::chrono::floor<std::chrono::seconds>(Time::duration::max());
  const std::chrono::seconds seconds = std::clamp(
      std::chrono::seconds(time.tv_sec), -(kEnd - std::chrono::seconds(1)), kEnd - std::chrono::seconds(1));
  return Time(seconds + std::chrono::nanoseconds(std::clamp(time.tv_nsec, 0L, 999'999'999L)));
}

}  // namespace

Adapter::Adapter(Keystore& keystore, const VolumeOptions& options, bool stores_only_in, MountHost& host_in,
                 Connection& connection_in, std::function<void()> ready_in)
    : host(&host_in),
      connection(&connection_in),
      volume(keystore, host_in.processes(), *this, options),
      redirect(volume, &connection_in),
      directories((std::uint64_t{options.incarnation} << 32) + 1),
      stores_only(stores_only_in),
      ready(std::move(ready_in)) {}

NodeId Adapter::FromKernel(fuse_ino_t inode) const {
  return stores_only && inode == FUSE_ROOT_ID ? NodeId::Of(Fixed::kStores) : NodeId(inode);
}

NodeId Adapter::AskedBy(const Caller& caller, fuse_ino_t inode) {
  const NodeId asked = FromKernel(inode);
  if (asked.is_staging()) redirect.Asked(caller, asked);
  return asked;
}

fuse_ino_t Adapter::ToKernel(NodeId node) const {
  return stores_only && node == NodeId::Of(Fixed::kStores) ? FUSE_ROOT_ID : node.value();
}

void Adapter::ReplyEntry(EntryRequest& request, const Node& node) {
  // Before the reply: the kernel may forget the node as soon as it has it.
  volume.Named(node);
  if (!request.ReplyEntry(EntryOf(*this, node))) volume.Forget(node.id, 1);
}

void Adapter::NameChanged(NodeId directory, std::string_view name) {
  if (notifier) notifier->ForgetName(ToKernel(directory), std::string(name));
}
void Adapter::AttributesChanged(NodeId node) {
  if (notifier) notifier->ForgetAttributes(ToKernel(node));
}
void Adapter::Replaced(NodeId directory, std::string_view name, NodeId replaced) {
  if (waker) waker->Wake(directory, std::string(name), replaced);
}
void Adapter::ListingChanged(NodeId directory) {
  if (notifier) notifier->ForgetPages(ToKernel(directory));
  if (waker) waker->WakeDirectory(directory);
}
void Adapter::DropPages(NodeId node) {
  if (notifier) notifier->ForgetPages(ToKernel(node));
}
void Adapter::Settle(KernelHolds holds) {
  if (notifier) notifier->Settle(holds);
}
void Adapter::Refused(const std::string& line) { spdlog::warn("refused: {}", line); }

Adapter& AdapterOf(fuse_req_t request) { return *static_cast<Adapter*>(fuse_req_userdata(request)); }

Caller CallerOf(fuse_req_t request) {
  const fuse_ctx* const context = fuse_req_ctx(request);
  return {context->uid, context->gid, context->pid, context->umask, nullptr, Connection::IsResent()};
}

struct stat StatOf(const Adapter& adapter, const Node& node) {
  struct stat out {};
  out.st_ino = adapter.ToKernel(node.shown_as.value() != 0 ? node.shown_as : node.id);
  const mode_t type = node.type == NodeType::kDirectory ? S_IFDIR
                      : node.type == NodeType::kLink    ? S_IFLNK
                                                        : S_IFREG;
  out.st_mode = type | node.attributes.mode;
  out.st_nlink = node.links;
  out.st_uid = node.attributes.uid;
  out.st_gid = node.attributes.gid;
  out.st_size = static_cast<off_t>(node.size);
  out.st_blksize = kBlockBytes;
  out.st_blocks = static_cast<blkcnt_t>((node.size + 511) / 512);
  out.st_atim = TimespecOf(node.attributes.atime);
  out.st_mtim = TimespecOf(node.attributes.mtime);
  out.st_ctim = TimespecOf(node.attributes.ctime);
  return out;
}

double AttributesTimeoutOf(const Node& node) { return node.volatile_attributes ? 0 : kTimeoutSeconds; }

fuse_entry_param EntryOf(const Adapter& adapter, const Node& node) {
  fuse_entry_param entry{};
  entry.ino = adapter.ToKernel(node.id);
  entry.attr = StatOf(adapter, node);
  entry.attr_timeout = AttributesTimeoutOf(node);
  entry.entry_timeout = node.volatile_name ? 0 : kTimeoutSeconds;
  return entry;
}

void LogFailure(const char* operation, const Error& error) {
  spdlog::error("{}: {}: {}", operation, ToString(error.code()), error.message());
}
void LogException(const char* operation, const char* what) {
  spdlog::critical("{}: unexpected: {}", operation, what);
}

int ErrnoOf(const char* operation, const Error& error) {
  const int code = ToErrno(error.code());
  if (code == EIO) LogFailure(operation, error);
  return code;
}

namespace {

// Whether `outcome` says that what was asked is done already, and by whom: a daemon that ended before it
// answered.
template <typename T>
bool WasDoneBefore(const Result<T>& outcome, ErrorCode done) {
  return Connection::IsResent() && !outcome.has_value() && outcome.error().code() == done;
}

void OnInit(void* userdata, fuse_conn_info* connection) {
  // Staged bytes must not pass through pipes, and what the kernel caches is for us to say.
  connection->want &=
      ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                             FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA);
  connection->want |= connection->capable & (FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC |
                                             FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
  // A default ACL takes the umask's place, so that the kernel cannot apply it for us.
  connection->want |= connection->capable & (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
  static_cast<Adapter*>(userdata)->ready();
}

void OnLookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  EntryRequest request(req);
  Answer(request, "lookup", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const Caller caller = CallerOf(req);
    const NodeId directory = adapter.FromKernel(parent);
    if (adapter.waker) {
      if (const auto own = adapter.waker->Lookup(caller, directory, name)) {
        adapter.ReplyEntry(request, TRY(*own));
        return {};
      }
    }
    if (const auto staging =
            adapter.redirect.Find(caller, directory, name, std::chrono::steady_clock::now())) {
      const auto led = adapter.volume.GetAttributes(caller, *staging, 0);
      if (led.has_value()) {
        adapter.ReplyEntry(request, led.value());
        return {};
      }
      // A reader that met this inode had it dropped. The caller goes to the live file, where its open can
      // start over.
      adapter.redirect.Arrived(caller, *staging);
    }
    const Node node = TRY(adapter.volume.Lookup(caller, directory, name));
    adapter.ReplyEntry(request, node);
    return {};
  });
}

void OnForget(fuse_req_t req, fuse_ino_t inode, std::uint64_t count) {
  Adapter& adapter = AdapterOf(req);
  adapter.volume.Forget(adapter.FromKernel(inode), count);
  fuse_reply_none(req);
}
void OnForgetMulti(fuse_req_t req, std::size_t count, fuse_forget_data* forgotten) {
  Adapter& adapter = AdapterOf(req);
  for (std::size_t i = 0; i < count; ++i) {
    adapter.volume.Forget(adapter.FromKernel(forgotten[i].ino), forgotten[i].nlookup);
  }
  fuse_reply_none(req);
}

void OnGetAttributes(fuse_req_t req, fuse_ino_t inode, fuse_file_info* file) {
  AttributesRequest request(req);
  Answer(request, "getattr", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const Caller caller = CallerOf(req);
    const Node node =
        TRY(adapter.volume.GetAttributes(caller, adapter.AskedBy(caller, inode), file ? file->fh : 0));
    request.ReplyAttributes(StatOf(adapter, node), AttributesTimeoutOf(node));
    return {};
  });
}

void OnSetAttributes(fuse_req_t req, fuse_ino_t inode, struct stat* wanted, int valid, fuse_file_info* file) {
  AttributesRequest request(req);
  Answer(request, "setattr", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const Time now = std::chrono::system_clock::now();
    AttributeChange change;
    if ((valid & FUSE_SET_ATTR_MODE) != 0) change.mode = wanted->st_mode & 07777;
    if ((valid & FUSE_SET_ATTR_UID) != 0) change.uid = wanted->st_uid;
    if ((valid & FUSE_SET_ATTR_GID) != 0) change.gid = wanted->st_gid;
    if ((valid & FUSE_SET_ATTR_ATIME) != 0) change.atime = TimeOf(wanted->st_atim);
    if ((valid & FUSE_SET_ATTR_MTIME) != 0) change.mtime = TimeOf(wanted->st_mtim);
    if ((valid & FUSE_SET_ATTR_ATIME_NOW) != 0) change.atime = now;
    if ((valid & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime = now;
    std::optional<std::uint64_t> size;
    if ((valid & FUSE_SET_ATTR_SIZE) != 0) size = static_cast<std::uint64_t>(wanted->st_size);
    const Caller caller = CallerOf(req);
    const Node node = TRY(adapter.volume.SetAttributes(caller, adapter.AskedBy(caller, inode),
                                                       file ? file->fh : 0, change, size));
    request.ReplyAttributes(StatOf(adapter, node), AttributesTimeoutOf(node));
    return {};
  });
}

void OnReadLink(fuse_req_t req, fuse_ino_t inode) {
  LinkRequest request(req);
  Answer(request, "readlink", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    request.ReplyTarget(TRY(adapter.volume.ReadLink(adapter.FromKernel(inode))));
    return {};
  });
}

void OnMakeDirectory(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  EntryRequest request(req);
  Answer(request, "mkdir", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const NodeId directory = adapter.FromKernel(parent);
    auto made = adapter.volume.MakeDirectory(CallerOf(req), directory, name, mode);
    if (WasDoneBefore(made, ErrorCode::kAlreadyExists))
      made = adapter.volume.Lookup(CallerOf(req), directory, name);
    adapter.ReplyEntry(request, TRY(std::move(made)));
    return {};
  });
}

void OnRemoveDirectory(fuse_req_t req, fuse_ino_t parent, const char* name) {
  DoneRequest request(req);
  Answer(request, "rmdir", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    auto removed = adapter.volume.RemoveDirectory(CallerOf(req), adapter.FromKernel(parent), name);
    if (!WasDoneBefore(removed, ErrorCode::kNotFound)) TRY(std::move(removed));
    request.ReplyDone();
    return {};
  });
}

void OnUnlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  DoneRequest request(req);
  Answer(request, "unlink", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    auto removed = adapter.volume.Unlink(CallerOf(req), adapter.FromKernel(parent), name);
    if (!WasDoneBefore(removed, ErrorCode::kNotFound)) TRY(std::move(removed));
    request.ReplyDone();
    return {};
  });
}

void OnRename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
              const char* new_name, unsigned flags) {
  DoneRequest request(req);
  Answer(request, "rename", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    if (adapter.waker && adapter.waker->IsOwnRename(CallerOf(req), name)) {
      request.ReplyDone();
      return {};
    }
    auto renamed = adapter.volume.Rename(CallerOf(req), adapter.FromKernel(parent), name,
                                         adapter.FromKernel(new_parent), new_name, flags);
    if (!WasDoneBefore(renamed, ErrorCode::kNotFound)) TRY(std::move(renamed));
    request.ReplyDone();
    return {};
  });
}

void OnLink(fuse_req_t req, fuse_ino_t inode, fuse_ino_t parent, const char* name) {
  EntryRequest request(req);
  Answer(request, "link", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    const Node node =
        TRY(adapter.volume.Link(CallerOf(req), adapter.FromKernel(inode), adapter.FromKernel(parent), name));
    adapter.ReplyEntry(request, node);
    return {};
  });
}

void RefuseSpecial(fuse_req_t req, fuse_ino_t parent, const char* name) {
  EntryRequest request(req);
  Answer(request, "mknod", [&]() -> Result<void> {
    Adapter& adapter = AdapterOf(req);
    return adapter.volume.MakeSpecial(CallerOf(req), adapter.FromKernel(parent), name);
  });
}
void OnSymlink(fuse_req_t req, const char*, fuse_ino_t parent, const char* name) {
  RefuseSpecial(req, parent, name);
}
void OnMakeNode(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t, dev_t) {
  RefuseSpecial(req, parent, name);
}

void OnUsage(fuse_req_t req, fuse_ino_t) {
  UsageRequest request(req);
  Answer(request, "statfs", [&]() -> Result<void> {
    const Usage usage = AdapterOf(req).volume.GetUsage();
    struct statvfs out {};
    out.f_bsize = out.f_frsize = kBlockBytes;
    out.f_blocks = usage.limit / kBlockBytes;
    out.f_bfree = out.f_bavail = (usage.limit - std::min(usage.limit, usage.used)) / kBlockBytes;
    out.f_namemax = kNameBytesMax;
    request.ReplyUsage(out);
    return {};
  });
}

}  // namespace

void SetNameOperations(fuse_lowlevel_ops& operations) {
  operations.init = OnInit;
  operations.lookup = OnLookup;
  operations.forget = OnForget;
  operations.forget_multi = OnForgetMulti;
  operations.getattr = OnGetAttributes;
  operations.setattr = OnSetAttributes;
  operations.readlink = OnReadLink;
  operations.mkdir = OnMakeDirectory;
  operations.rmdir = OnRemoveDirectory;
  operations.unlink = OnUnlink;
  operations.rename = OnRename;
  operations.symlink = OnSymlink;
  operations.link = OnLink;
  operations.mknod = OnMakeNode;
  operations.statfs = OnUsage;
}

}  // namespace certfs
