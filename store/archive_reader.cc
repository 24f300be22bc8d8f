#include "store/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "crypto/base/utf8.h"
#include "store/archive_names.h"
#include "store/backup_layout.h"

namespace certfs {

namespace {

struct FreeArchive {
  void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};

Error Odd(const std::string& what) { return {ErrorCode::kMalformed, what}; }

// Mode bits besides those of permission: libarchive keeps the kind of file apart.
constexpr std::uint32_t kModeMax = 07777;

Result<Time> TimeOf(la_int64_t seconds, long nanoseconds) {
  constexpr la_int64_t kSecondsMax = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
  if (seconds > kSecondsMax || seconds < -kSecondsMax || nanoseconds < 0 || nanoseconds > 999'999'999)
    return Odd("a time out of bounds");
  return Time(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
}

Result<std::uint32_t> IdOf(la_int64_t id) {
  if (id < 0 || id > std::numeric_limits<std::uint32_t>::max()) return Odd("an owner out of bounds");
  return static_cast<std::uint32_t>(id);
}

// An ACL, if the item has one of that name.
Result<AccessControlList> AclOf(const ArchivedItem& item, std::string_view name) {
  const auto found = item.extras.find(name);
  if (found == item.extras.end()) return AccessControlList();
  auto acl = AccessControlList::Parse(AsBytes(found->second));
  if (!acl.has_value()) return Odd("an ACL that is none");
  return acl;
}

Result<void> ReadAttributes(archive_entry* entry, ArchivedItem& item) {
  Attributes& attributes = item.attributes;
  attributes.uid = TRY(IdOf(archive_entry_uid(entry)));
  attributes.gid = TRY(IdOf(archive_entry_gid(entry)));
  attributes.mode = archive_entry_perm(entry) & kModeMax;
  attributes.atime = TRY(TimeOf(archive_entry_atime(entry), archive_entry_atime_nsec(entry)));
  attributes.mtime = TRY(TimeOf(archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)));
  attributes.ctime = TRY(TimeOf(archive_entry_ctime(entry), archive_entry_ctime_nsec(entry)));
  attributes.access_acl = TRY(AclOf(item, kExtraAccessAcl));
  attributes.default_acl = TRY(AclOf(item, kExtraDefaultAcl));
  // Mode and list are in step in a keystore. In the archive the group's bits of the mode are the owning
  // group's, because libarchive has one place for both.
  const AccessControlList& access = attributes.access_acl;
  if (access.IsMode() && !access.empty()) return Odd("an ACL that says no more than a mode does");
  if (!access.empty()) attributes.mode = (attributes.mode & ~kBitsOfAcl) | access.mode();
  if (!item.directory && !attributes.default_acl.empty()) return Odd("a file with a default ACL");
  return {};
}

Result<void> ReadExtras(archive_entry* entry, ArchivedItem& item) {
  static constexpr std::array<std::string_view, 7> kKnown{kExtraRevision,  kExtraEnforce, kExtraChanged,
                                                          kExtraOrigin,    kExtraDated,   kExtraAccessAcl,
                                                          kExtraDefaultAcl};
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    if (std::ranges::find(kKnown, std::string_view(name)) == kKnown.end())
      return Odd("an attribute that no backup has");
    if (!item.extras.emplace(name, std::string(static_cast<const char*>(value), size)).second)
      return Odd("an attribute that stands twice");
  }
  return {};
}

Result<ArchivedItem> ReadItem(archive_entry* entry) {
  ArchivedItem item;
  const char* const path = archive_entry_pathname(entry);
  if (path == nullptr) return Odd("an item without a name");
  item.path = path;
  // It is going to be shown.
  if (!IsUtf8(item.path) || HasControl(item.path)) return Odd("an item of a name that cannot be shown");
  const auto within = [&](Error error) { return std::move(error).Within(item.path); };
  const auto type = archive_entry_filetype(entry);
  item.directory = type == AE_IFDIR;
  if ((type != AE_IFDIR && type != AE_IFREG) || archive_entry_hardlink(entry) != nullptr ||
      archive_entry_symlink(entry) != nullptr || archive_entry_sparse_count(entry) != 0) {
    return within(Odd("neither a plain file nor a directory"));
  }
  if (item.directory != item.path.ends_with('/')) return within(Odd("a name that is not its kind's"));
  if (item.directory) item.path.pop_back();
  const la_int64_t size = archive_entry_size(entry);
  if (size < 0 || (item.directory && size != 0)) return within(Odd("a size that it cannot have"));
  item.size = static_cast<std::uint64_t>(size);
  auto read = ReadExtras(entry, item);
  if (read.has_value()) read = ReadAttributes(entry, item);
  if (!read.has_value()) return within(std::move(read).error());
  return item;
}

}  // namespace

struct ArchiveReader::State {
  explicit State(ArchiveSource from) : source(std::move(from)) {}

  static la_ssize_t Give(archive* reader, void* self, const void** bytes) {
    State& state = *static_cast<State*>(self);
    auto next = state.source();
    if (next.has_value()) {
      *bytes = next.value().data();
      return static_cast<la_ssize_t>(next.value().size());
    }
    state.failure = std::move(next).error();
    archive_set_error(reader, EIO, "refused");
    return ARCHIVE_FATAL;
  }

  // What went wrong, whatever libarchive calls it.
  Error Failure() {
    if (failure) return *std::exchange(failure, std::nullopt);
    const char* const reason = archive_error_string(reader.get());
    return Odd(std::string("not an archive as certfs writes it: ") +
               (reason != nullptr ? reason : "damaged"));
  }

  ArchiveSource source;
  std::optional<Error> failure;  // Of the source.
  std::unique_ptr<archive, FreeArchive> reader{archive_read_new()};
  std::uint64_t size = 0;  // Of the current item.
  bool ready = false;
};

ArchiveReader::ArchiveReader(ArchiveSource source) : state_(std::make_unique<State>(std::move(source))) {
  archive* const reader = state_->reader.get();
  const NamesAreBytes plain;
  state_->ready = reader != nullptr && archive_read_support_format_tar(reader) == ARCHIVE_OK &&
                  archive_read_open(reader, state_.get(), nullptr, State::Give, nullptr) == ARCHIVE_OK;
}

ArchiveReader::~ArchiveReader() = default;

Result<std::optional<ArchivedItem>> ArchiveReader::Next() {
  if (!state_->ready) return state_->Failure();
  const NamesAreBytes plain;
  archive_entry* entry = nullptr;
  const int end = archive_read_next_header(state_->reader.get(), &entry);
  if (end == ARCHIVE_EOF && !state_->failure) return std::optional<ArchivedItem>();
  // A warning as well: there is nothing to warn of in what certfs writes.
  if (end != ARCHIVE_OK) return state_->Failure();
  ArchivedItem item = TRY(ReadItem(entry));
  state_->size = item.size;
  return std::optional(std::move(item));
}

Result<SecretBytes> ArchiveReader::Content() {
  SecretBytes content(static_cast<std::size_t>(state_->size));
  if (content.empty()) return content;
  const la_ssize_t got = archive_read_data(state_->reader.get(), content.data(), content.size());
  if (got != static_cast<la_ssize_t>(content.size())) return state_->Failure();
  return content;
}

std::uint64_t ArchiveReader::bytes() const {
  return static_cast<std::uint64_t>(archive_filter_bytes(state_->reader.get(), 0));
}

}  // namespace certfs
