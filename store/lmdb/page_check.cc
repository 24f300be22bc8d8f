#include "store/lmdb/page_check.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "store/files.h"
#include "store/lmdb/page_layout.h"
#include "store/lmdb/page_walk.h"

namespace certfs::lmdb {

namespace {

// How often a state is walked over that others replace meanwhile.
constexpr int kAttemptsMax = 3;

Error ReadFailure(int error) {
  return {ErrorCode::kIo, "data.mdb cannot be read: " + std::generic_category().message(error)};
}

Error TooFast() { return {ErrorCode::kBusy, "data.mdb changes faster than it can be examined"}; }

Result<struct stat> StatusOf(int file) {
  struct stat status {};
  if (fstat(file, &status) != 0) return ReadFailure(errno);
  return status;
}

// Before anything is set aside for each of the pages that `meta` claims. Those beyond the end of the file are
// for the walk to miss.
Result<void> CheckClaim(const Meta& meta, const struct stat& status) {
  const std::uint64_t stored = StoredBytes(status);
  const std::uint64_t pages =
      std::min(meta.last_page + 1, static_cast<std::uint64_t>(status.st_size) / meta.page_bytes());
  if (pages <= PagesMax(stored, meta.page_bytes())) return {};
  return Damaged("it claims " + std::to_string(pages) + " pages, and the disk holds " +
                 std::to_string(stored / meta.page_bytes()) + " of them");
}

// Reads as much as there is.
Result<std::size_t> ReadAt(int file, std::uint64_t offset, std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = pread(file, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ReadFailure(errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

struct MetaPair {
  std::array<Meta, kMetas> metas;
  std::array<Bytes, kMetas> bytes;  // As they stand in the file.

  const Meta& newer() const { return metas[NewerOf(metas[0], metas[1])]; }
  // Whether what `other` was about is still a state that nothing has been taken from.
  bool Holds(const MetaPair& other) const {
    const std::size_t at = NewerOf(other.metas[0], other.metas[1]);
    return bytes[at] == other.bytes[at];
  }
};

using MetaBytes = std::array<Bytes, kMetas>;

Result<MetaBytes> ReadMetaBytes(int file) {
  MetaBytes metas;
  std::uint64_t offset = 0;
  for (Bytes& each : metas) {
    each.resize(kMetaBytes);
    const std::size_t got = TRY(ReadAt(file, offset, each));
    if (got == 0 && offset == 0) return Error(ErrorCode::kCorrupt, "data.mdb is empty");
    if (got < kMetaBytes) {
      return Error(ErrorCode::kCorrupt,
                   "data.mdb is cut short: it has " + std::to_string(offset + got) + " bytes");
    }
    const char* wrong = nullptr;
    const Meta first = Meta::Parse(metas[0], &wrong);
    if (wrong != nullptr) break;  // Nobody knows where the other one is.
    offset = first.page_bytes();
  }
  return metas;
}

Result<MetaPair> ParseMetas(MetaBytes bytes) {
  MetaPair pair;
  for (std::size_t i = 0; i < kMetas; ++i) {
    const char* wrong = nullptr;
    pair.metas[i] = Meta::Parse(bytes[i], &wrong);
    if (wrong != nullptr) return DamagedPage(i, "what LMDB begins with", wrong);
  }
  if (const char* wrong = WhyNotPair(pair.metas[0], pair.metas[1]); wrong != nullptr)
    return Damaged(std::string("what LMDB begins with: ") + wrong);
  pair.bytes = std::move(bytes);
  return pair;
}

// Whoever commits overwrites a meta, which is no single moment to whoever reads it meanwhile; and between one
// meta and the other there may be commits. What is read twice alike stood there at one moment.
Result<MetaPair> ReadMetas(int file) {
  constexpr int kReadsMax = 64;
  MetaBytes bytes = TRY(ReadMetaBytes(file));
  for (int reads = 1; reads < kReadsMax; ++reads) {
    MetaBytes again = TRY(ReadMetaBytes(file));
    if (bytes == again) return ParseMetas(std::move(bytes));
    bytes = std::move(again);
  }
  return TooFast();
}

// The file, to be read where it lies: a hundred thousand calls of pread(2) take longer than all the rest.
class Mapping {
 public:
  static Result<std::unique_ptr<Mapping>> Of(int file, std::uint64_t bytes) {
    void* const at = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) return ReadFailure(errno);
    return std::unique_ptr<Mapping>(new Mapping({static_cast<const std::uint8_t*>(at), bytes}));
  }
  ~Mapping() { munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size()); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  BytesView bytes() const noexcept { return bytes_; }

 private:
  explicit Mapping(BytesView bytes) : bytes_(bytes) {}
  BytesView bytes_;
};

}  // namespace

Result<void> CheckMetas(int file) {
  TRY(ReadMetas(file));
  return {};
}

Result<PageFacts> CheckPages(int file, const std::function<void()>& ready) {
  bool told = false;
  const std::function<void()> once = [&] {
    if (ready && !told) ready();
    told = true;
  };
  for (int attempt = 1;; ++attempt) {
    const MetaPair metas = TRY(ReadMetas(file));
    // What the metas speak of was there before they were.
    const struct stat status = TRY(StatusOf(file));
    TRY(CheckClaim(metas.newer(), status));
    const auto mapping = TRY(Mapping::Of(file, static_cast<std::uint64_t>(status.st_size)));
    auto facts = WalkPages(mapping->bytes(), metas.newer(), once);
    if (facts.has_value()) facts.value().attempts = attempt;
    if (facts.has_value() || facts.error().code() != ErrorCode::kCorrupt) return facts;
    if (TRY(ReadMetas(file)).Holds(metas)) return facts;
    if (attempt == kAttemptsMax) return TooFast();
  }
}

}  // namespace certfs::lmdb
