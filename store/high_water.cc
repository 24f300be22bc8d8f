#include "store/high_water.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/base/time.h"
#include "crypto/sealing.h"
#include "store/audit_log.h"
#include "store/files.h"
#include "store/second_thread.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kLabel = "certfs/v1/high-water\0"sv;
constexpr auto kMagic = "CERTFSHW"sv;
constexpr std::uint16_t kFormat = 1;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kRecordBytes = 56 + kMacBytes;
// Apart from each other by what a disk writes at once: a write that is torn takes one of them.
constexpr off_t kRecordDistance = 4096;
constexpr int kRecords = 2;

// What a place holds.
struct Record {
  HighWaterMark mark;
  std::int64_t written = 0;  // Seconds since 1970.
};

// What a place of the file was found to hold.
enum class Found { kNothing, kMark, kOfAnother, kNewer, kDamaged };

class Marks {
 public:
  static Result<Marks> Of(Keystore& keystore) {
    const auto snapshot = TRY(keystore.Snapshot());
    Marks marks;
    marks.store_id_ = snapshot->store_id();
    Bytes info;
    Writer writer(info);
    writer.Raw(AsBytes(kLabel));
    writer.Raw(marks.store_id_);
    marks.key_ = TRY(DeriveKey(TRY(snapshot->DeriveViewKey()), {}, info, kMacBytes));
    return marks;
  }

  Bytes Encode(const Record& slot) const {
    Bytes bytes;
    Writer writer(bytes);
    writer.Raw(AsBytes(kMagic));
    writer.U16(kFormat);
    writer.U16(0);
    writer.U32(0);
    writer.Raw(store_id_);
    writer.U64(slot.mark.commit);
    writer.U64(slot.mark.audit_line);
    writer.I64(slot.written);
    const Digest mac = HmacSha256(key_, {bytes});
    writer.Raw(mac);
    return bytes;
  }

  Found Decode(BytesView bytes, Record& slot) const {
    if (std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t each) { return each == 0; }))
      return Found::kNothing;
    if (bytes.size() < kRecordBytes || AsText(bytes.first(kMagic.size())) != kMagic) return Found::kDamaged;
    Reader reader(bytes);
    reader.Raw(kMagic.size());
    const std::uint16_t format = reader.U16();
    if (format > kFormat) return Found::kNewer;
    reader.Raw(6);
    StoreId store_id{};
    reader.Fill(store_id);
    if (store_id != store_id_) return Found::kOfAnother;
    slot.mark.commit = reader.U64();
    slot.mark.audit_line = reader.U64();
    slot.written = reader.I64();
    // All of it: what is not looked at here has to be as it was written.
    return EqualSecrets(Encode(slot), bytes.first(kRecordBytes)) ? Found::kMark : Found::kDamaged;
  }

 private:
  StoreId store_id_{};
  SecretBytes key_;
};

Result<HighWaterMark> MarkOf(Keystore& keystore) {
  HighWaterMark mark;
  // The log first: a commit that comes between the two is counted the next time.
  if (const AuditLog* const log = keystore.audit()) mark.audit_line = TRY(log->ReadAnchor()).last.number;
  mark.commit = TRY(keystore.Snapshot())->commit();
  return mark;
}

bool IsOlder(const HighWaterMark& a, const HighWaterMark& b) {
  return a.commit < b.commit || a.audit_line < b.audit_line;
}

std::string WordsOf(const HighWaterMark& mark) {
  return "commit " + std::to_string(mark.commit) + ", line " + std::to_string(mark.audit_line) +
         " of its audit log";
}

std::string ToAccept(const std::filesystem::path& file) {
  return "if that is as it should be, remove " + file.string() + ", and it begins anew";
}

Error WrongFile(const std::filesystem::path& file, const std::string& words) {
  return {ErrorCode::kRejected, "high-water-file", file.string() + ": " + words + "; " + ToAccept(file)};
}

// Holds flock(2) on a file while it lives.
class Locked {
 public:
  static Result<Locked> Take(int file, const std::filesystem::path& path) {
    while (flock(file, LOCK_EX) != 0) {
      if (errno != EINTR) return SystemFailure("lock " + path.string(), errno);
    }
    return Locked(file);
  }
  ~Locked() {
    if (file_ >= 0) flock(file_, LOCK_UN);
  }
  Locked(Locked&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Locked& operator=(Locked&&) = delete;
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  explicit Locked(int file) : file_(file) {}
  int file_;
};

Result<void> WriteAt(int file, off_t offset, BytesView bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(file, bytes.data(), bytes.size(), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemFailure("write " + path.string(), errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += put;
  }
  return {};
}

// In the keystore's directory it would be put back with all else.
Result<void> CheckPlace(const std::filesystem::path& keystore, const std::filesystem::path& file) {
  std::error_code failure;
  const auto inside = std::filesystem::weakly_canonical(file, failure);
  if (failure) return Error(ErrorCode::kIo, file.string() + ": " + failure.message());
  const auto directory = std::filesystem::canonical(keystore, failure);
  if (failure) return {};
  if (std::mismatch(directory.begin(), directory.end(), inside.begin(), inside.end()).first !=
      directory.end())
    return {};
  return Error(ErrorCode::kInvalidArgument,
               file.string() + ": lies in the keystore, with which it would be put back; name one elsewhere");
}

}  // namespace

class HighWaterFile {
 public:
  HighWaterFile(std::filesystem::path path, int file, Marks marks)
      : path_(std::move(path)), file_(file), marks_(std::move(marks)) {}

  // kNotFound where it is not there.
  static Result<std::unique_ptr<HighWaterFile>> Open(const std::filesystem::path& path, int flags,
                                                     Marks marks) {
    const int number = open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (number < 0 && errno == ENOENT) return Error(ErrorCode::kNotFound, path.string() + ": is not there");
    if (number < 0 && (errno == EISDIR || errno == ELOOP)) return WrongFile(path, "is no file");
    if (number < 0) return SystemFailure("open " + path.string(), errno);
    auto file = std::make_unique<HighWaterFile>(path, number, std::move(marks));
    struct stat status {};
    if (fstat(number, &status) != 0) return SystemFailure("look at " + path.string(), errno);
    if (!S_ISREG(status.st_mode)) return WrongFile(path, "is no file");
    return file;
  }

  // Makes it beside its name, so that there is never half of one; somebody else may come first.
  static Result<void> Make(const std::filesystem::path& path, const Marks& marks, const Record& slot) {
    const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
    const std::string beside = path.string() + ".new." + std::to_string(getpid());
    unlink(beside.c_str());
    const Descriptor file(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.open()) return SystemFailure("make " + beside, errno);
    const auto make = [&]() -> Result<void> {
      TRY(WriteAt(file.number(), 0, marks.Encode(slot), beside));
      if (ftruncate(file.number(), kRecordDistance * kRecords) != 0 || fsync(file.number()) != 0)
        return SystemFailure("write " + beside, errno);
      if (link(beside.c_str(), path.c_str()) != 0 && errno != EEXIST)
        return SystemFailure("make " + path.string(), errno);
      return {};
    };
    auto made = make();
    unlink(beside.c_str());
    if (!made.has_value()) return made;
    return SyncDirectory(directory);
  }

  // The highest mark in it, and by `place` where it stands. Refuses a file without one.
  Result<Record> Read(int* place = nullptr) const {
    std::optional<Record> newest;
    Found worst = Found::kNothing;
    for (int i = 0; i < kRecords; ++i) {
      std::array<std::uint8_t, kRecordBytes> bytes{};
      ssize_t got = 0;
      do {
        got = pread(file_.number(), bytes.data(), bytes.size(), i * kRecordDistance);
      } while (got < 0 && errno == EINTR);
      if (got < 0) return SystemFailure("read " + path_.string(), errno);
      Record slot;
      const Found found = marks_.Decode({bytes.data(), static_cast<std::size_t>(got)}, slot);
      if (found != Found::kMark) {
        worst = std::max(worst, found);
      } else if (!newest || IsOlder(newest->mark, slot.mark)) {
        newest = slot;
        if (place != nullptr) *place = i;
      }
    }
    if (newest) return *newest;
    switch (worst) {
      case Found::kOfAnother:
        return WrongFile(path_, "is the high-water file of another keystore");
      case Found::kNewer:
        return Error(ErrorCode::kUnsupported, path_.string() + ": was written by a newer certfs");
      case Found::kNothing:
        return WrongFile(path_, "is empty");
      case Found::kDamaged:
      case Found::kMark:
        break;
    }
    return WrongFile(path_, "is damaged or forged, or no high-water file");
  }

  // The file first: what it says was in the keystore before, and others may be committing.
  Result<void> Compare(Keystore& keystore) const {
    Record seen;
    {
      const Locked locked = TRY(Locked::Take(file_.number(), path_));
      seen = TRY(Read());
    }
    const HighWaterMark mark = TRY(MarkOf(keystore));
    if (!IsOlder(mark, seen.mark)) return {};
    return Error(ErrorCode::kRejected, "older-than-high-water",
                 "it is older than it was: it is at " + WordsOf(mark) + ", and " + path_.string() +
                     " saw it at " + WordsOf(seen.mark) + " (" +
                     FormatTimestamp(std::chrono::sys_seconds(std::chrono::seconds(seen.written))) +
                     "); somebody put an older copy in its place; " + ToAccept(path_));
  }

  // Makes `mark` the highest one, unless another process has written one that is no lower. Returns what is
  // the highest now.
  Result<HighWaterMark> Raise(HighWaterMark mark, Time now) {
    const Locked locked = TRY(Locked::Take(file_.number(), path_));
    int place = 0;
    const Record highest = TRY(Read(&place));
    if (!IsOlder(highest.mark, mark)) return highest.mark;
    mark.commit = std::max(mark.commit, highest.mark.commit);
    mark.audit_line = std::max(mark.audit_line, highest.mark.audit_line);
    const Record slot{mark, std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count()};
    TRY(WriteAt(file_.number(), (kRecords - 1 - place) * kRecordDistance, marks_.Encode(slot), path_));
    if (fdatasync(file_.number()) != 0) return SystemFailure("sync " + path_.string(), errno);
    return mark;
  }

 private:
  const std::filesystem::path path_;
  const Descriptor file_;
  const Marks marks_;
};

Result<void> CheckHighWater(Keystore& keystore, const std::filesystem::path& file) {
  const auto opened = TRY(HighWaterFile::Open(file, O_RDONLY, TRY(Marks::Of(keystore))));
  return opened->Compare(keystore);
}

ReachablePath PathOfHighWater(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) return {file, Reach::kWrite};
  return {file.has_parent_path() ? file.parent_path() : ".", Reach::kKeep};
}

Result<std::unique_ptr<HighWater>> HighWater::Keep(Keystore& keystore, const std::filesystem::path& file,
                                                   Failed failed) {
  if (const AuditLog* const log = keystore.audit()) TRY(CheckPlace(log->directory(), file));
  auto opened = HighWaterFile::Open(file, O_RDWR, TRY(Marks::Of(keystore)));
  if (!opened.has_value() && opened.error().code() == ErrorCode::kNotFound) {
    Record first;
    first.mark = TRY(MarkOf(keystore));
    first.written = std::chrono::floor<std::chrono::seconds>(keystore.Now()).time_since_epoch().count();
    const Marks marks = TRY(Marks::Of(keystore));
    TRY(HighWaterFile::Make(file, marks, first));
    opened = HighWaterFile::Open(file, O_RDWR, TRY(Marks::Of(keystore)));
  }
  if (!opened.has_value()) return std::move(opened).error();
  TRY(opened.value()->Compare(keystore));
  std::unique_ptr<HighWater> kept(new HighWater(keystore, std::move(opened).value(), std::move(failed)));
  TRY(kept->Write());
  kept->thread_ = std::make_unique<SecondThread>([high_water = kept.get()] { high_water->Run(); });
  if (kept->thread_->failure()) return *kept->thread_->failure();
  return kept;
}

HighWater::HighWater(Keystore& keystore, std::unique_ptr<HighWaterFile> file, Failed failed)
    : keystore_(keystore), failed_(std::move(failed)), file_(std::move(file)) {}

HighWater::~HighWater() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    wake_.notify_all();
  }
  thread_.reset();
  static_cast<void>(Write());
}

void HighWater::Note() {
  const std::lock_guard lock(mutex_);
  noted_ = true;
  wake_.notify_all();
}

Result<void> HighWater::Write() {
  const std::lock_guard lock(writing_);
  const auto write = [&]() -> Result<void> {
    const HighWaterMark mark = TRY(MarkOf(keystore_));
    if (IsOlder(written_, mark)) written_ = TRY(file_->Raise(mark, keystore_.Now()));
    return {};
  };
  auto outcome = WithinMemory(write);
  if (failing_ != !outcome.has_value() && failed_)
    failed_(outcome.has_value() ? std::nullopt : std::optional(outcome.error()));
  failing_ = !outcome.has_value();
  return outcome;
}

void HighWater::Run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    wake_.wait(lock, [&] { return noted_ || ending_; });
    if (ending_) return;
    noted_ = false;
    lock.unlock();
    const bool failed = !Write().has_value();
    lock.lock();
    // Whoever commits without end has it written twice in that time: the other half is for whoever tells us.
    // What failed is tried again.
    wake_.wait_for(lock, kWrittenWithin / 2, [&] { return ending_; });
    noted_ = noted_ || failed;
  }
}

}  // namespace certfs
