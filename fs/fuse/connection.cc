#include "fs/fuse/connection.h"

#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "fs/fuse/adapter.h"

namespace certfs {

namespace {

constexpr std::array<char, 8> kMagic{'C', 'E', 'R', 'T', 'F', 'S', 'M', '1'};
constexpr std::size_t kPageBytes = 49152;
// fuse_in_header and fuse_init_in, and room for what later kernels add.
constexpr std::size_t kInitBytesMax = 256;
constexpr std::size_t kNotes = 128;
// Those of pairs lie in sets of kWays, by the thread.
constexpr std::size_t kPairNotes = 1024;
constexpr std::size_t kWays = 8;

// Of a request that is sent again (fuse.h of Linux 6.9, FUSE_UNIQUE_RESEND).
constexpr std::uint64_t kResentBit = std::uint64_t{1} << 63;
constexpr std::int32_t kNotifyResend = 7;  // FUSE_NOTIFY_RESEND

thread_local bool resent = false;

// All of a request, save one that writes.
constexpr std::size_t kRequestBytes = 8192;
thread_local const void* touched = nullptr;

std::int64_t SinceStart(Instant instant) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(instant.time_since_epoch()).count();
}
Instant InstantOf(std::int64_t nanoseconds) { return Instant(std::chrono::nanoseconds(nanoseconds)); }

// Whether it is a time at which a daemon of this machine may have made a note.
bool HasBeen(std::int64_t made) { return made >= 0 && made <= SinceStart(std::chrono::steady_clock::now()); }

// Where to write the note that `is_meant`: over itself, else where there is none, else over the oldest, of
// which nobody will ask any more.
template <typename Note, typename IsMeant>
Note& PlaceIn(std::span<Note> notes, const IsMeant& is_meant) {
  const auto itself = std::ranges::find_if(notes, is_meant);
  if (itself != notes.end()) return *itself;
  return *std::ranges::min_element(notes, {}, [](const Note& note) {
    return note.thread == 0 ? std::numeric_limits<std::int64_t>::min() : note.made;
  });
}

template <typename Note, typename IsMeant>
void DropFrom(std::span<Note> notes, const IsMeant& is_meant) {
  for (Note& each : notes) {
    if (is_meant(each)) each.thread = 0;
  }
}

}  // namespace

// Read and written by one daemon after another, perhaps of different versions: never change or reuse a field.
// All of it comes from a daemon that may have ended in the middle of anything, or was somebody else's: what
// is read is checked.
struct Connection::Page {
  struct Note {
    std::atomic<std::int32_t> thread;  // 0 for none, and while the rest is written.
    std::uint64_t live;
    std::uint64_t staging;
    std::int64_t made;  // Of the monotonic clock, which all processes of a machine share.
  };

  struct Pair {
    std::atomic<std::int32_t> thread;  // As above.
    std::uint8_t opened;
    std::uint8_t ended;
    std::uint16_t unused;
    std::uint64_t entry;
    std::uint64_t revision;
    std::int64_t made;
  };

  // Which note of all is meant.
  struct NoteOf {
    std::int32_t thread;
    bool operator()(const Note& note) const { return note.thread == thread; }
  };
  struct PairOf {
    std::int32_t thread;
    Number entry;
    bool operator()(const Pair& pair) const { return pair.thread == thread && pair.entry == entry; }
  };

  std::array<char, 8> magic;
  std::atomic<std::uint32_t> daemons;
  std::atomic<std::uint32_t> agreed;  // 1 once the kernel has its answer, and all below is there.
  std::uint32_t init_size;
  std::uint32_t flags;  // What was agreed on.
  std::uint32_t flags2;
  std::uint32_t unused;
  std::array<std::byte, kInitBytesMax> init;
  std::array<Note, kNotes> notes;
  std::array<Pair, kPairNotes> pairs;

  // Where notes of `thread` may lie.
  std::span<Pair> PairsOf(std::int32_t thread) {
    const std::size_t set = static_cast<std::uint32_t>(thread) % (kPairNotes / kWays);
    return std::span(pairs).subspan(set * kWays, kWays);
  }
};

Result<Descriptor> Connection::NewPage() {
  static_assert(sizeof(Page) <= kPageBytes);
  Descriptor page(memfd_create("certfs-connection", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!page.open() || ftruncate(page.number(), kPageBytes) != 0 ||
      pwrite(page.number(), kMagic.data(), kMagic.size(), 0) != static_cast<ssize_t>(kMagic.size()) ||
      fcntl(page.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return Error(ErrorCode::kIo, std::string("a page of memory: ") + std::strerror(errno));
  return page;
}

Result<std::unique_ptr<Connection>> Connection::Open(ConnectionParts parts) {
  struct stat status {};
  if (fstat(parts.page.number(), &status) != 0 || status.st_size != static_cast<off_t>(kPageBytes))
    return Error(ErrorCode::kCorrupt, "what the daemon before left is not a page of a mount");
  void* const mapped = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, parts.page.number(), 0);
  if (mapped == MAP_FAILED) return Error(ErrorCode::kIo, std::string("mmap: ") + std::strerror(errno));
  auto* const page = std::launder(reinterpret_cast<Page*>(mapped));
  std::unique_ptr<Connection> connection(new Connection(std::move(parts.device), page));
  if (page->magic != kMagic)
    return Error(ErrorCode::kCorrupt, "what the daemon before left is of another format");
  const std::size_t size = page->init_size;
  if (connection->is_resumed() && (size < sizeof(fuse_in_header) + 16 || size > kInitBytesMax))
    return Error(ErrorCode::kCorrupt, "what the daemon before left of its agreement is damaged");
  return connection;
}

Connection::Connection(Descriptor device, Page* page)
    : device_(std::move(device)),
      page_(page),
      resumed_(page->agreed.load() == 1),
      incarnation_(page->daemons.fetch_add(1) + 1) {}

Connection::~Connection() { munmap(page_, kPageBytes); }

Result<void> Connection::Attach(fuse_session* session) {
  fuse_custom_io io{};
  io.read = [](int device, void* buffer, std::size_t size, void* adapter) -> ssize_t {
    return static_cast<Adapter*>(adapter)->connection->Receive(device, buffer, size);
  };
  io.writev = [](int device, iovec* parts, int count, void* adapter) -> ssize_t {
    return static_cast<Adapter*>(adapter)->connection->Send(device, parts, count);
  };
  const int outcome = fuse_session_custom_io(session, &io, device_.number());
  if (outcome != 0) return Error(ErrorCode::kInternal, "libfuse refused the device");
  static_cast<void>(device_.Release());
  return {};
}

Result<void> Connection::Resume(fuse_session* session) {
  std::array<std::byte, kInitBytesMax> bytes = page_->init;
  fuse_in_header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.len = page_->init_size;
  header.unique &= ~kResentBit;
  std::memcpy(bytes.data(), &header, sizeof header);
  // More than was agreed on the kernel would not do.
  fuse_init_in init{};
  const std::size_t size = std::min(sizeof init, page_->init_size - sizeof header);
  std::memcpy(&init, bytes.data() + sizeof header, size);
  init.flags = page_->flags;
  init.flags2 = page_->flags2;
  std::memcpy(bytes.data() + sizeof header, &init, size);

  fuse_buf request{};
  request.size = page_->init_size;
  request.mem = bytes.data();
  swallows_ = true;
  fuse_session_process_buf(session, &request);
  swallows_ = false;
  if (fuse_session_exited(session) != 0)
    return Error(ErrorCode::kInternal, "libfuse refused the agreement of the daemon before");

  fuse_out_header again{};
  again.len = sizeof again;
  again.error = kNotifyResend;
  // A kernel that does not know it has let these fail when the daemon before ended.
  if (write(fuse_session_fd(session), &again, sizeof again) < 0 && errno != EINVAL)
    return Error(ErrorCode::kIo, std::string("the device: ") + std::strerror(errno));
  return {};
}

bool Connection::IsResent() noexcept { return resent; }

std::ptrdiff_t Connection::Receive(int device, void* buffer, std::size_t size) {
  // To a process that is being killed the kernel gives no page any more: what it then cannot copy there it
  // answers itself, with EIO, and does not send again.
  if (touched != buffer) std::memset(buffer, 0, std::min(size, kRequestBytes));
  touched = buffer;
  const ssize_t got = read(device, buffer, size);
  fuse_in_header header;
  if (got < static_cast<ssize_t>(sizeof header)) return got;
  std::memcpy(&header, buffer, sizeof header);
  resent = (header.unique & kResentBit) != 0;
  if (header.opcode == FUSE_INIT && static_cast<std::size_t>(got) <= kInitBytesMax) {
    init_unique_ = header.unique;
    page_->init_size = static_cast<std::uint32_t>(got);
    std::memcpy(page_->init.data(), buffer, static_cast<std::size_t>(got));
  }
  return got;
}

std::ptrdiff_t Connection::Send(int device, const iovec* parts, int count) {
  if (swallows_) {
    std::size_t size = 0;
    for (int i = 0; i < count; ++i) size += parts[i].iov_len;
    return static_cast<std::ptrdiff_t>(size);
  }
  const ssize_t sent = writev(device, parts, count);
  if (init_unique_ == 0 || sent < 0 || count < 2) return sent;
  fuse_out_header header;
  std::memcpy(&header, parts[0].iov_base, sizeof header);
  if (header.unique != init_unique_) return sent;
  init_unique_ = 0;
  fuse_init_out answer{};
  std::memcpy(&answer, parts[1].iov_base, std::min(sizeof answer, parts[1].iov_len));
  page_->flags = answer.flags;
  page_->flags2 = answer.flags2;
  if (header.error == 0) page_->agreed = 1;
  return sent;
}

void Connection::Keep(const RedirectNote& note) {
  Page::Note& place = PlaceIn(std::span<Page::Note>(page_->notes), Page::NoteOf{note.thread});
  place.thread = 0;
  place.live = note.live.value();
  place.staging = note.staging.value();
  place.made = SinceStart(note.made);
  place.thread = note.thread;
}

void Connection::Drop(std::int32_t thread) {
  DropFrom(std::span<Page::Note>(page_->notes), Page::NoteOf{thread});
}

std::vector<RedirectNote> Connection::Kept() {
  std::vector<RedirectNote> notes;
  for (const Page::Note& each : page_->notes) {
    const std::int32_t thread = each.thread;
    if (thread == 0 || !HasBeen(each.made)) continue;
    notes.push_back({thread, NodeId(each.live), NodeId(each.staging), InstantOf(each.made)});
  }
  return notes;
}

void Connection::KeepPair(const PairNote& note) {
  // A thread in the middle of more than kWays pairs is out of step in the oldest of them.
  Page::Pair& place = PlaceIn(page_->PairsOf(note.thread), Page::PairOf{note.thread, note.entry});
  place.thread = 0;
  place.opened = static_cast<std::uint8_t>(note.opened);
  place.ended = note.ended ? 1 : 0;
  place.entry = note.entry;
  place.revision = note.revision;
  place.made = SinceStart(note.first);
  place.thread = note.thread;
}

void Connection::DropPair(std::int32_t thread, Number entry) {
  DropFrom(page_->PairsOf(thread), Page::PairOf{thread, entry});
}

std::vector<PairNote> Connection::KeptPairs() {
  std::vector<PairNote> notes;
  for (const Page::Pair& each : page_->pairs) {
    const std::int32_t thread = each.thread;
    if (thread == 0 || !HasBeen(each.made)) continue;
    notes.push_back({thread, each.entry, static_cast<Member>(each.opened), each.revision,
                     InstantOf(each.made), each.ended == 1});
  }
  return notes;
}

}  // namespace certfs
