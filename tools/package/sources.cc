#include "tools/package/sources.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "tools/package/extraction.h"
#include "tools/shown.h"
#include "tools/system.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::uint32_t kPermissionBits = 0777;
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

struct CloseStream {
  void operator()(DIR* stream) const noexcept { closedir(stream); }
};
struct FreeWriter {
  void operator()(archive* writer) const noexcept { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const noexcept { archive_entry_free(entry); }
};

Error Unreadable(const fs::path& path, int error) {
  return {ErrorCode::kInvalidArgument, SystemError(Shown(path.string()), error).message()};
}

Error Refused(const fs::path& path, const std::string& why) {
  return {ErrorCode::kRejected, Shown(path.string()) + ": " + why};
}

std::optional<std::string> ForeignKind(const struct stat& status) {
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return std::nullopt;
  if (S_ISLNK(status.st_mode)) return "a symbolic link";
  if (S_ISFIFO(status.st_mode)) return "a FIFO";
  if (S_ISSOCK(status.st_mode)) return "a socket";
  return "a device";
}

Time TimeOf(const struct stat& status) {
  return Time(std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec));
}

Result<Item> ItemOf(const fs::path& path, const std::string& name, const struct stat& status) {
  if (const auto kind = ForeignKind(status))
    return Refused(path, *kind + "; a package holds plain files and directories");
  const bool directory = S_ISDIR(status.st_mode);
  // A directory's are about what is made in it here, and are left out.
  if (!directory && (status.st_mode & 07777 & ~kPermissionBits) != 0)
    return Refused(path, "it has a setuid, setgid or sticky bit, which a package may not hold");
  auto named = CheckName(name);
  if (!named.has_value()) return std::move(named).error().Within(Shown(path.string()));
  return Item{name, directory, status.st_mode & kPermissionBits,
              directory ? 0 : static_cast<std::uint64_t>(status.st_size), TimeOf(status)};
}

Result<void> Add(std::vector<Source>& sources, Source source) {
  sources.push_back(std::move(source));
  if (sources.size() <= kItemsMax) return {};
  return Error(ErrorCode::kTooLarge, "more than " + std::to_string(kItemsMax) + " files and directories");
}

Result<std::vector<std::string>> NamesIn(const Descriptor& directory, const fs::path& path) {
  // A stream closes what it is made of.
  Descriptor own(openat(directory.number(), ".", kDirectoryFlags));
  const std::unique_ptr<DIR, CloseStream> stream(own.open() ? fdopendir(own.number()) : nullptr);
  if (!stream) return Unreadable(path, errno);
  own.Release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* const entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return Unreadable(path, errno);
  std::ranges::sort(names);
  return names;
}

// A directory of the command line, and its name in the package.
struct Tree {
  fs::path path;
  std::string name;
  std::shared_ptr<const Descriptor> top;
};

// Adds what is in `directory`, which is open on `beneath` in `tree`.
Result<void> FindIn(const Tree& tree, const Descriptor& directory, const std::string& beneath,
                    std::vector<Source>& sources) {
  for (const std::string& child : TRY(NamesIn(directory, tree.path / beneath))) {
    const std::string below = beneath.empty() ? child : beneath + "/" + child;
    const fs::path path = tree.path / below;
    struct stat status {};
    if (fstatat(directory.number(), child.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return Unreadable(path, errno);
    Item item = TRY(ItemOf(path, tree.name.empty() ? below : tree.name + "/" + below, status));
    TRY(Add(sources, {path, std::move(item), tree.top, below}));
    if (!S_ISDIR(status.st_mode)) continue;
    const Descriptor inner(openat(directory.number(), child.c_str(), kDirectoryFlags | O_NOFOLLOW));
    if (!inner.open()) return Unreadable(path, errno);
    TRY(FindIn(tree, inner, below, sources));
  }
  return {};
}

// Adds `path` and what is below it, as `name`; of an empty name only what is below.
Result<void> Find(const fs::path& path, const std::string& name, std::vector<Source>& sources) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return Unreadable(path, errno);
  if (!name.empty()) {
    Item item = TRY(ItemOf(path, name, status));
    TRY(Add(sources, {path, std::move(item)}));
  }
  if (!S_ISDIR(status.st_mode)) return {};
  const auto top = std::make_shared<const Descriptor>(open(path.c_str(), kDirectoryFlags | O_NOFOLLOW));
  if (!top->open()) return Unreadable(path, errno);
  return FindIn({path, name, top}, *top, {}, sources);
}

// What a path on the command line is called in the package; empty for "." and the like.
Result<std::string> NameFor(const std::string& text) {
  fs::path path = fs::path(text);
  if (!path.has_filename()) path = path.parent_path();  // A slash behind.
  const std::string last = path.filename().string();
  if (last == ".") return std::string();
  if (last == ".." || last.empty() || last == "/")
    return Error(ErrorCode::kInvalidArgument,
                 Shown(text) + ": has no name of its own to go by; name what is in it");
  return last;
}

// Writes one tar by libarchive, which hands on blocks as they come.
class TarWriter {
 public:
  explicit TarWriter(const std::function<Result<void>(BytesView)>& sink) : sink_(sink) {
    ready_ = writer_ && entry_ && archive_write_set_format_pax(writer_.get()) == ARCHIVE_OK &&
             archive_write_set_bytes_per_block(writer_.get(), 0) == ARCHIVE_OK &&
             archive_write_open(writer_.get(), this, nullptr, Take, nullptr) == ARCHIVE_OK;
  }

  Result<void> Begin(const Item& item) {
    if (!ready_) return Failure();
    archive_entry* const entry = entry_.get();
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, item.name.c_str());
    archive_entry_set_filetype(entry, item.directory ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, item.mode);
    archive_entry_set_size(entry, static_cast<la_int64_t>(item.size));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(item.mtime);
    archive_entry_set_mtime(entry, static_cast<time_t>(seconds.time_since_epoch().count()),
                            static_cast<long>((item.mtime - seconds).count()));
    // It warns of a name that is not ASCII, that it writes it as bytes.
    return Check(archive_write_header(writer_.get(), entry));
  }

  Result<void> Put(BytesView content) {
    const la_ssize_t put = archive_write_data(writer_.get(), content.data(), content.size());
    if (failure_ || put != static_cast<la_ssize_t>(content.size())) return Failure();
    return {};
  }

  Result<void> Finish() { return Check(archive_write_close(writer_.get())); }

 private:
  // Never fails as libarchive sees it: what comes after a failure is dropped.
  static la_ssize_t Take(archive*, void* self, const void* bytes, std::size_t size) {
    TarWriter& writer = *static_cast<TarWriter*>(self);
    if (!writer.failure_) {
      auto taken = writer.sink_({static_cast<const std::uint8_t*>(bytes), size});
      if (!taken.has_value()) writer.failure_ = std::move(taken).error();
    }
    return static_cast<la_ssize_t>(size);
  }

  Result<void> Check(int end) {
    if (failure_ || (end != ARCHIVE_OK && end != ARCHIVE_WARN)) return Failure();
    return {};
  }

  Error Failure() {
    if (failure_) return *failure_;
    const char* const reason = writer_ ? archive_error_string(writer_.get()) : nullptr;
    return {ErrorCode::kInternal, std::string("libarchive: ") + (reason != nullptr ? reason : "no memory")};
  }

  const std::function<Result<void>(BytesView)>& sink_;
  std::unique_ptr<archive, FreeWriter> writer_{archive_write_new()};
  std::unique_ptr<archive_entry, FreeEntry> entry_{archive_entry_new()};
  std::optional<Error> failure_;  // Of the sink.
  bool ready_ = false;
};

bool IsTheSame(const struct stat& status, const Item& item) {
  return S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == item.size &&
         TimeOf(status) == item.mtime;
}

Error Changed(const Source& source) {
  return Refused(source.path, "it changed while it was packed; try again");
}

Result<Descriptor> OpenSource(const Source& source) {
  // A FIFO that came in its place must not be waited for.
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  Descriptor file;
  if (source.top) {
    const auto parent = OpenBeneath(*source.top, ParentOf(source.beneath), false);
    if (!parent.has_value()) return Changed(source);
    file = Descriptor(openat(parent.value().number(), LastOf(source.beneath).c_str(), kFlags));
  } else {
    file = Descriptor(open(source.path.c_str(), kFlags));
  }
  if (!file.open()) return Unreadable(source.path, errno);
  return file;
}

Result<void> WriteContent(const Source& source, TarWriter& writer,
                          const std::function<void(std::uint64_t)>& progress) {
  const Descriptor file = TRY(OpenSource(source));
  struct stat status {};
  if (fstat(file.number(), &status) != 0) return Unreadable(source.path, errno);
  const auto changed = [&] { return Changed(source); };
  if (!IsTheSame(status, source.item)) return changed();
  Bytes piece(kPieceBytes);
  for (std::uint64_t left = source.item.size; left > 0;) {
    const ssize_t got = read(file.number(), piece.data(), std::min<std::uint64_t>(left, piece.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unreadable(source.path, errno);
    if (got == 0) return changed();
    TRY(writer.Put(BytesView(piece).first(static_cast<std::size_t>(got))));
    progress(static_cast<std::uint64_t>(got));
    left -= static_cast<std::uint64_t>(got);
  }
  if (fstat(file.number(), &status) != 0) return Unreadable(source.path, errno);
  if (!IsTheSame(status, source.item)) return changed();
  return {};
}

}  // namespace

Result<std::vector<Source>> FindSources(const std::vector<std::string>& paths) {
  std::vector<Source> sources;
  for (const std::string& path : paths) {
    const std::string name = TRY(NameFor(path));
    TRY(Find(path, name, sources));
  }
  std::set<std::string_view> names;
  for (const Source& source : sources) {
    if (!names.insert(source.item.name).second)
      return Refused(source.path, "something else goes into the package under that name, too");
  }
  if (sources.empty()) return Error(ErrorCode::kInvalidArgument, "there is nothing to put into the package");
  return sources;
}

std::uint64_t BytesOf(const std::vector<Source>& sources) {
  std::uint64_t bytes = 0;
  for (const Source& source : sources) bytes += source.item.size;
  return bytes;
}

Result<void> WriteTar(const std::vector<Source>& sources, const std::function<Result<void>(BytesView)>& sink,
                      const std::function<void(std::uint64_t)>& progress) {
  TarWriter writer(sink);
  for (const Source& source : sources) {
    auto begun = writer.Begin(source.item);
    if (!begun.has_value()) return std::move(begun).error().Within(Shown(source.path.string()));
    if (!source.item.directory) TRY(WriteContent(source, writer, progress));
  }
  return writer.Finish();
}

}  // namespace certfs::package
