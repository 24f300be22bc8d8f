#include "tools/package/contents.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "crypto/base/utf8.h"
#include "tools/shown.h"

namespace certfs::package {

namespace {

constexpr std::size_t kBlockBytes = std::size_t{64} << 10;
constexpr std::uint32_t kPermissionBits = 0777;

struct FreeArchive {
  void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};

Error Refused(const std::string& name, const std::string& why) {
  return {ErrorCode::kRejected, Shown(name) + ": " + why};
}

// What an item is that is neither a plain file nor a directory; nothing for these.
std::optional<std::string> ForeignKind(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return "a hard link";
  if (archive_entry_symlink(entry) != nullptr) return "a symbolic link";
  if (archive_entry_sparse_count(entry) != 0) return "a sparse file";
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
      return std::nullopt;
    case AE_IFLNK:
      return "a symbolic link";
    case AE_IFCHR:
    case AE_IFBLK:
      return "a device";
    case AE_IFIFO:
      return "a FIFO";
    case AE_IFSOCK:
      return "a socket";
    default:
      return "of an unknown kind";
  }
}

// Takes off what says nothing: "./" in front, and a directory's slash behind.
std::string Tidy(std::string_view name, bool directory) {
  while (name.starts_with("./")) name.remove_prefix(2);
  if (directory && name.ends_with('/')) name.remove_suffix(1);
  return std::string(name);
}

Result<Time> TimeOf(archive_entry* entry, const std::string& name) {
  constexpr la_int64_t kSecondsMax = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
  const la_int64_t seconds = archive_entry_mtime(entry);
  const long nanoseconds = archive_entry_mtime_nsec(entry);
  if (seconds > kSecondsMax || seconds < -kSecondsMax || nanoseconds < 0 || nanoseconds > 999'999'999)
    return Refused(name, "a time out of bounds");
  return Time(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
}

// Nothing for the directory that the package itself is ("./").
Result<std::optional<Item>> ReadItem(archive_entry* entry) {
  const char* const path = archive_entry_pathname(entry);
  if (path == nullptr) return Error(ErrorCode::kMalformed, "an item without a name");
  const std::string name = path;
  if (const auto kind = ForeignKind(entry))
    return Refused(name, *kind + "; a package holds plain files and directories");
  Item item;
  item.directory = archive_entry_filetype(entry) == AE_IFDIR;
  item.name = Tidy(name, item.directory);
  if (item.directory && (item.name.empty() || item.name == ".") && !name.starts_with('/'))
    return std::optional<Item>();
  TRY(CheckName(item.name));
  const std::uint32_t mode = archive_entry_perm(entry);
  if ((mode & ~kPermissionBits) != 0) return Refused(name, "a mode with setuid, setgid or sticky bit");
  item.mode = mode;
  const la_int64_t size = archive_entry_size(entry);
  if (size < 0 || (item.directory && size != 0)) return Refused(name, "a size that it cannot have");
  item.size = static_cast<std::uint64_t>(size);
  item.mtime = TRY(TimeOf(entry, name));
  return std::optional(std::move(item));
}

// What there is at a name.
enum class Place { kDirectory, kImpliedDirectory, kFile };

// Sees to it that the items fit together, in bounded memory.
class Inventory {
 public:
  explicit Inventory(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  Result<void> Add(const Item& item) {
    // What is declared counts, before any of it is looked for.
    if (item.size > bytes_max_ - bytes_) {
      return Error(ErrorCode::kTooLarge, Shown(item.name) + ": with this it unpacks to more than " +
                                             std::to_string(bytes_max_) + " bytes; --max-size allows more");
    }
    bytes_ += item.size;
    for (std::size_t slash = item.name.find('/'); slash != std::string::npos;
         slash = item.name.find('/', slash + 1)) {
      TRY(Take(item.name.substr(0, slash), Place::kImpliedDirectory));
    }
    return Take(item.name, item.directory ? Place::kDirectory : Place::kFile);
  }

 private:
  Result<void> Take(std::string name, Place place) {
    const auto found = places_.find(name);
    if (found == places_.end()) {
      names_bytes_ += name.size();
      if (places_.size() == kItemsMax || names_bytes_ > kAllNamesBytesMax)
        return Error(ErrorCode::kTooLarge, "it holds too many names");
      places_.emplace(std::move(name), place);
      return {};
    }
    const bool both = (found->second == Place::kFile) != (place == Place::kFile);
    if (both) return Refused(name, "both a file and a directory");
    if (place == Place::kImpliedDirectory) return {};
    if (found->second != Place::kImpliedDirectory) return Refused(name, "it stands in there twice");
    found->second = place;
    return {};
  }

  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::size_t names_bytes_ = 0;
  std::unordered_map<std::string, Place> places_;
};

}  // namespace

Result<void> CheckName(const std::string& name) {
  if (name.empty()) return Error(ErrorCode::kRejected, "an item without a name");
  if (!IsUtf8(name) || HasControl(name)) return Refused(name, "a name with control characters, or not UTF-8");
  if (name.starts_with('/')) return Refused(name, "an absolute path");
  if (name.size() >= kNameBytesMax) return Refused(name.substr(0, 100) + "…", "a name that is too long");
  std::size_t depth = 0;
  for (std::string_view rest = name;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part == "..") return Refused(name, "a path that leads out of the package");
    if (part.empty() || part == ".") return Refused(name, "a path with empty parts");
    if (part.size() > kPartBytesMax) return Refused(name, "a name that is too long");
    if (++depth > kDepthMax) return Refused(name, "a path of too many parts");
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

struct ItemReader::State {
  explicit State(const Spool& from) : spool(from) {}

  static la_ssize_t Give(archive* reader, void* self, const void** bytes) {
    State& state = *static_cast<State*>(self);
    auto got = state.spool.Read(state.at, state.block);
    if (!got.has_value()) {
      state.failure = std::move(got).error();
      archive_set_error(reader, EIO, "refused");
      return ARCHIVE_FATAL;
    }
    state.at += got.value();
    *bytes = state.block.data();
    return static_cast<la_ssize_t>(got.value());
  }

  Error Failure() {
    if (failure) return *std::exchange(failure, std::nullopt);
    const char* const reason = archive_error_string(reader.get());
    return {ErrorCode::kMalformed, std::string("its content is no tar, or a damaged one: ") +
                                       Shown(reason != nullptr ? reason : "?")};
  }

  const Spool& spool;
  std::uint64_t at = 0;
  Bytes block = Bytes(kBlockBytes);
  std::optional<Error> failure;  // Of the spool.
  std::unique_ptr<archive, FreeArchive> reader{archive_read_new()};
  bool ready = false;
  std::uint64_t left = 0;  // Of the item's content.
};

ItemReader::ItemReader(const Spool& spool) : state_(std::make_unique<State>(spool)) {
  archive* const reader = state_->reader.get();
  // No filter: a compressed archive is none, so that nothing unpacks to more than is there.
  state_->ready = reader != nullptr && archive_read_support_format_tar(reader) == ARCHIVE_OK &&
                  archive_read_open(reader, state_.get(), nullptr, State::Give, nullptr) == ARCHIVE_OK;
}

ItemReader::~ItemReader() = default;

Result<std::optional<Item>> ItemReader::Next() {
  if (!state_->ready) return state_->Failure();
  for (;;) {
    archive_entry* entry = nullptr;
    const int end = archive_read_next_header(state_->reader.get(), &entry);
    if (end == ARCHIVE_EOF && !state_->failure) return std::optional<Item>();
    // It warns of what it cannot put into a locale's characters; what matters is checked below.
    if (end != ARCHIVE_OK && end != ARCHIVE_WARN) return state_->Failure();
    auto item = TRY(ReadItem(entry));
    if (!item) continue;
    state_->left = item->size;
    return item;
  }
}

Result<std::size_t> ItemReader::Read(std::span<std::uint8_t> out) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), state_->left));
  if (count == 0) return std::size_t{0};
  const la_ssize_t got = archive_read_data(state_->reader.get(), out.data(), count);
  if (got <= 0) return state_->Failure();
  state_->left -= static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

Result<std::vector<Item>> ReadContents(const Spool& spool, std::uint64_t bytes_max) {
  ItemReader reader(spool);
  Inventory inventory(bytes_max);
  std::vector<Item> items;
  Bytes piece(kBlockBytes);
  while (auto item = TRY(reader.Next())) {
    TRY(inventory.Add(*item));
    // What is declared but not there shows now, not half-way through.
    while (TRY(reader.Read(piece)) != 0) {
    }
    items.push_back(*std::move(item));
  }
  if (items.empty()) return Error(ErrorCode::kRejected, "it holds nothing");
  return items;
}

}  // namespace certfs::package
