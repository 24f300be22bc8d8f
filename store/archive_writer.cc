#include "store/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "store/archive_names.h"

namespace certfs {

namespace {

struct FreeArchive {
  void operator()(archive* writer) const noexcept { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const noexcept { archive_entry_free(entry); }
};

struct Moment {
  time_t seconds;
  long nanoseconds;
};
Moment MomentOf(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {static_cast<time_t>(seconds.time_since_epoch().count()),
          static_cast<long>((time - seconds).count())};
}

// One entry of an ACL, as the kernel's form has it (store/README.md, "Attributes").
struct AclEntry {
  std::uint16_t tag;
  std::uint16_t permissions;
  std::uint32_t id;
};
std::vector<AclEntry> EntriesOf(const AccessControlList& acl) {
  std::vector<AclEntry> entries;
  const Bytes bytes = acl.Encode();
  const auto number = [&](std::size_t at, std::size_t width) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value |= std::uint32_t{bytes[at + i]} << (8 * i);
    return value;
  };
  for (std::size_t at = 4; at + 8 <= bytes.size(); at += 8) {
    entries.push_back({static_cast<std::uint16_t>(number(at, 2)),
                       static_cast<std::uint16_t>(number(at + 2, 2)), number(at + 4, 4)});
  }
  return entries;
}

int TagOf(const AclEntry& entry) {
  switch (entry.tag) {
    case 1:
      return ARCHIVE_ENTRY_ACL_USER_OBJ;
    case 2:
      return ARCHIVE_ENTRY_ACL_USER;
    case 4:
      return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
    case 8:
      return ARCHIVE_ENTRY_ACL_GROUP;
    case 16:
      return ARCHIVE_ENTRY_ACL_MASK;
    default:
      return ARCHIVE_ENTRY_ACL_OTHER;
  }
}

// libarchive has ids of 31 bits in ACLs, and makes root's of greater ones: such a list is left out.
void SetAcl(archive_entry* entry, int type, const AccessControlList& acl) {
  const std::vector<AclEntry> entries = EntriesOf(acl);
  const auto named = [](const AclEntry& each) { return each.tag == 2 || each.tag == 8; };
  for (const AclEntry& each : entries) {
    if (named(each) && each.id > static_cast<std::uint32_t>(std::numeric_limits<int>::max())) return;
  }
  for (const AclEntry& each : entries) {
    archive_entry_acl_add_entry(entry, type, each.permissions, TagOf(each),
                                named(each) ? static_cast<int>(each.id) : -1, nullptr);
  }
}

// Of a name that is not, libarchive says that it writes it as bytes.
bool IsAscii(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void Describe(archive_entry* entry, const ArchiveItem& item, std::size_t size) {
  archive_entry_clear(entry);
  archive_entry_set_pathname(entry, item.path.c_str());
  archive_entry_set_filetype(entry, item.directory ? AE_IFDIR : AE_IFREG);
  archive_entry_set_size(entry, static_cast<la_int64_t>(size));
  const Attributes& attributes = item.attributes;
  archive_entry_set_perm(entry, attributes.mode);
  archive_entry_set_uid(entry, attributes.uid);
  archive_entry_set_gid(entry, attributes.gid);
  const Moment atime = MomentOf(attributes.atime);
  const Moment mtime = MomentOf(attributes.mtime);
  const Moment ctime = MomentOf(attributes.ctime);
  archive_entry_set_atime(entry, atime.seconds, atime.nanoseconds);
  archive_entry_set_mtime(entry, mtime.seconds, mtime.nanoseconds);
  archive_entry_set_ctime(entry, ctime.seconds, ctime.nanoseconds);
  if (!attributes.access_acl.empty()) SetAcl(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, attributes.access_acl);
  if (!attributes.default_acl.empty()) SetAcl(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, attributes.default_acl);
  for (const auto& [name, value] : item.extras)
    archive_entry_xattr_add_entry(entry, name.c_str(), value.data(), value.size());
}

}  // namespace

struct ArchiveWriter::State {
  explicit State(ArchiveSink taker) : sink(std::move(taker)) {}

  // Never fails as libarchive sees it, which would forget memory of its own then: what comes after a failure
  // is dropped.
  static la_ssize_t Take(archive*, void* self, const void* bytes, std::size_t size) {
    State& state = *static_cast<State*>(self);
    if (!state.failure && !state.ended) {
      auto taken = state.sink({static_cast<const std::uint8_t*>(bytes), size});
      if (!taken.has_value()) state.failure = std::move(taken).error();
    }
    return static_cast<la_ssize_t>(size);
  }

  Error Failure() {
    if (failure) return *failure;
    const char* const reason = archive_error_string(writer.get());
    return {ErrorCode::kInternal, std::string("libarchive: ") + (reason != nullptr ? reason : "failed")};
  }

  ArchiveSink sink;
  std::unique_ptr<archive_entry, FreeEntry> entry{archive_entry_new()};
  std::optional<Error> failure;  // Of the sink.
  bool ready = false;
  bool ended = false;                                                 // The sink may be gone.
  std::unique_ptr<archive, FreeArchive> writer{archive_write_new()};  // Last: calls Take while it goes.
};

ArchiveWriter::ArchiveWriter(ArchiveSink sink) : state_(std::make_unique<State>(std::move(sink))) {
  archive* const writer = state_->writer.get();
  // Blocks of no size: what is written goes to the sink as it comes, and stays in no buffer of libarchive's.
  state_->ready = writer != nullptr && state_->entry != nullptr &&
                  archive_write_set_format_pax(writer) == ARCHIVE_OK &&
                  archive_write_set_format_option(writer, "pax", "xattrheader", "SCHILY") == ARCHIVE_OK &&
                  archive_write_set_bytes_per_block(writer, 0) == ARCHIVE_OK &&
                  archive_write_open(writer, state_.get(), nullptr, State::Take, nullptr) == ARCHIVE_OK;
}

// libarchive writes the end of the archive once more, or for the first time.
ArchiveWriter::~ArchiveWriter() { state_->ended = true; }

Result<void> ArchiveWriter::Put(const ArchiveItem& item, BytesView content) {
  if (!state_->ready) return state_->Failure();
  archive* const writer = state_->writer.get();
  Describe(state_->entry.get(), item, content.size());
  const NamesAreBytes plain;
  const int header = archive_write_header(writer, state_->entry.get());
  const bool binary_name = header == ARCHIVE_WARN && !IsAscii(item.path);
  if (header != ARCHIVE_OK && !binary_name) return state_->Failure();
  if (!content.empty() &&
      archive_write_data(writer, content.data(), content.size()) != static_cast<la_ssize_t>(content.size())) {
    return state_->Failure();
  }
  if (archive_write_finish_entry(writer) != ARCHIVE_OK || state_->failure) return state_->Failure();
  return {};
}

Result<void> ArchiveWriter::Finish() {
  if (!state_->ready || archive_write_close(state_->writer.get()) != ARCHIVE_OK || state_->failure)
    return state_->Failure();
  return {};
}

}  // namespace certfs
