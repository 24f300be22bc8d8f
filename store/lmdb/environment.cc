#include "store/lmdb/environment.h"

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "store/examiner.h"
#include "store/files.h"
#include "store/lmdb/transaction.h"
#include "store/lmdb/unreadable_page.h"
#include "store/owner_rights.h"

namespace certfs::lmdb {

namespace {

// On disk: never change or reuse.
constexpr std::array<const char*, kTableCount> kTableNames{"manifest", "stores", "entries",
                                                           "contents", "nodes",  "issued"};

constexpr auto kDataName = "data.mdb";
constexpr auto kLockName = "lock.mdb";
constexpr unsigned int kReadersMax = 512;
constexpr unsigned int kTablesMax = 8;
// Those behind came later: data.mdb may be from before.
constexpr std::size_t kFirstTables = 5;

Error OpenFailure(const std::filesystem::path& directory, int code) {
  return Failure("open " + directory.string(), code);
}

// The directory that the single file `path` is in.
std::filesystem::path DirectoryOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

// Opens the lock file. A new one belongs to whoever has the data.
Result<Descriptor> OpenLockFile(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kLockName;
  TRY(CheckOnlyName(path));
  Descriptor made(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!made.open() && errno == EEXIST) return OpenRegularFile(path, O_RDWR);
  if (!made.open()) return Failure("make lock.mdb", errno);
  auto kept = KeepOwner(made.number(), directory / kDataName);
  if (kept.has_value()) return made;
  unlink(path.c_str());
  return std::move(kept).error();
}

// LMDB makes its lock file with a hole for each page and then writes to it through a mapping: on a full disk
// that is a SIGBUS, not an error.
Result<void> ReserveLockFile(const std::filesystem::path& directory) {
  constexpr off_t kBytes =
      off_t{64} * (kReadersMax + 4);  // A reader has 64 bytes; the header has less than four.
  const auto rights = TRY(OwnerRights::Take(directory));
  const Descriptor file = TRY(OpenLockFile(rights->directory()));
  const int code = posix_fallocate(file.number(), 0, kBytes);
  // Where blocks cannot be reserved nothing is lost but the warning.
  if (code != 0 && code != EOPNOTSUPP && code != EINVAL) return OpenFailure(directory, code);
  return {};
}

// LMDB opens its files by their names, follows links, and writes to whatever it takes for the lock file. So
// it is root for nobody but himself then, and what stands there was looked at.
Result<void> OpenFiles(MDB_env* env, const std::filesystem::path& path, unsigned int flags) {
  const bool is_directory = (flags & MDB_NOSUBDIR) == 0;
  const auto rights = TRY(OwnerRights::Take(is_directory ? path : DirectoryOf(path)));
  const std::filesystem::path& directory = rights->directory();
  const std::filesystem::path data = directory / (is_directory ? kDataName : path.filename());
  TRY(CheckOnlyName(data));
  if ((flags & MDB_NOLOCK) == 0) TRY(CheckOnlyName(directory / kLockName));
  const std::filesystem::path& opened = is_directory ? directory : data;
  if (const int code = mdb_env_open(env, opened.c_str(), MDB_NOTLS | flags, 0600); code != 0)
    return OpenFailure(path, code);
  return {};
}

ErrorCode CodeOf(int code) {
  switch (code) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
      return ErrorCode::kCorrupt;
    case EROFS:
      return ErrorCode::kReadOnly;
    case MDB_READERS_FULL:
      return ErrorCode::kBusy;
    case ENOMEM:
      return ErrorCode::kNoMemory;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

Error Failure(std::string_view what, int code) {
  return {CodeOf(code), "LMDB: " + std::string(what) + ": " + mdb_strerror(code)};
}

Environment::Environment(MDB_env* env) : env_(env), replaced_(ReplacedPages()) {}

Environment::~Environment() { mdb_env_close(env_); }

Result<std::unique_ptr<Environment>> Environment::Make(std::uint64_t map_bytes) {
  MDB_env* env = nullptr;
  if (const int code = mdb_env_create(&env); code != 0) return Failure("create the environment", code);
  std::unique_ptr<Environment> environment(new Environment(env));
  int code = mdb_env_set_mapsize(env, map_bytes);
  if (code == 0) code = mdb_env_set_maxreaders(env, kReadersMax);
  if (code == 0) code = mdb_env_set_maxdbs(env, kTablesMax);
  if (code != 0) return Failure("create the environment", code);
  return environment;
}

Result<void> Environment::OpenAt(const std::filesystem::path& path, unsigned int flags) {
  path_ = path;
  flags_ = flags;
  SurviveUnreadablePages();
  TRY(OpenFiles(env_, path, flags));
  // LMDB leaves its data file open across exec.
  int descriptor = -1;
  int code = mdb_env_get_fd(env_, &descriptor);
  if (code == 0 && fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) code = errno;
  // Slots of readers that were killed would keep old pages from being used again.
  int dead = 0;
  if (code == 0 && !read_only_) code = mdb_reader_check(env_, &dead);
  if (code != 0) return Failure("prepare " + path.string(), code);
  return {};
}

Result<std::unique_ptr<Environment>> Environment::Open(const std::filesystem::path& directory,
                                                       std::uint64_t map_bytes, bool create) {
  auto environment = TRY(Make(map_bytes));
  environment->data_ = directory / kDataName;
  const bool pin = !create && !TRY(environment->ExamineAhead());
  TRY(ReserveLockFile(directory));
  TRY(environment->OpenAt(directory, 0));
  if (pin) TRY(environment->ExaminePinned());
  if (create) {
    int data = -1;
    if (const int code = mdb_env_get_fd(environment->env_, &data); code != 0)
      return OpenFailure(directory, code);
    TRY(KeepOwner(data, directory / "keystore.hdr"));
  }
  TRY(environment->OpenTables(create));
  return environment;
}

Result<std::unique_ptr<Environment>> Environment::CreateFile(const std::filesystem::path& file,
                                                             std::uint64_t map_bytes) {
  {
    const auto rights = TRY(OwnerRights::Take(DirectoryOf(file)));
    const Descriptor made(open((rights->directory() / file.filename()).c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!made.open() && errno == EEXIST) return Error(ErrorCode::kAlreadyExists, file.string() + " is there");
    if (!made.open()) return Failure("create " + file.string(), errno);
  }
  auto environment = TRY(Make(map_bytes));
  TRY(environment->OpenAt(file, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC));
  TRY(environment->OpenTables(true));
  return environment;
}

Result<std::unique_ptr<Environment>> Environment::OpenReadOnly(const std::filesystem::path& directory) {
  constexpr std::uint64_t kSizeOfTheFile = 0;  // As its last writer had it.
  auto environment = TRY(Make(kSizeOfTheFile));
  environment->read_only_ = true;
  environment->data_ = directory / kDataName;
  const bool pin = !TRY(environment->ExamineFile());
  std::error_code error;
  const bool locked = std::filesystem::exists(directory / kLockName, error) || error;
  TRY(environment->OpenAt(directory, MDB_RDONLY | (locked ? 0U : static_cast<unsigned int>(MDB_NOLOCK))));
  if (pin) TRY(environment->ExaminePinned());
  TRY(environment->OpenTables(false));
  return environment;
}

Result<void> Environment::Sync() {
  constexpr int kForce = 1;
  const Visit visit(gate_);
  if (env_ == nullptr) return Failure("sync", MDB_PANIC);
  if (const int code = mdb_env_sync(env_, kForce); code != 0) return Failure("sync", code);
  return {};
}

Result<void> Environment::OpenTables(bool create) {
  Handles handles;
  handles.fill(kNoHandle);
  bool missing = false;
  {
    const auto transaction = TRY(Transaction::Begin(*this, create ? Access::kWrite : Access::kRead));
    for (std::size_t i = 0; i < kTableCount; ++i) {
      const int code = mdb_dbi_open(transaction->get(), kTableNames[i], create ? MDB_CREATE : 0, &handles[i]);
      if (code == MDB_NOTFOUND && i >= kFirstTables) {
        handles[i] = kNoHandle;
        missing = true;
        continue;
      }
      if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE) {
        return Error(ErrorCode::kCorrupt, std::string("data.mdb has no table of ") + kTableNames[i]);
      }
      if (code != 0) return Failure("open a table", code);
    }
    TRY(transaction->Commit());
  }
  {
    const std::lock_guard lock(handles_mutex_);
    handles_ = handles;
  }
  // What is there can be read without.
  if (!missing || read_only_) return {};
  auto added = AddTables();
  if (!added.has_value() && added.error().code() != ErrorCode::kNoSpace) return std::move(added).error();
  return {};
}

Handles Environment::handles() {
  const std::lock_guard lock(handles_mutex_);
  return handles_;
}

// Makes the tables that are missing. Returns whether there were any.
Result<bool> Environment::AddTables() {
  const std::lock_guard adding(adding_mutex_);
  Handles handles = this->handles();
  if (std::find(handles.begin(), handles.end(), kNoHandle) == handles.end()) return false;
  const auto transaction = TRY(Transaction::Begin(*this, Access::kWrite));
  for (std::size_t i = kFirstTables; i < kTableCount; ++i) {
    if (handles[i] != kNoHandle) continue;
    const int code = mdb_dbi_open(transaction->get(), kTableNames[i], MDB_CREATE, &handles[i]);
    if (code != 0) return Failure("make a table", code);
  }
  TRY(transaction->Commit());
  const std::lock_guard lock(handles_mutex_);
  handles_ = handles;
  return true;
}

void Environment::Close() noexcept {
  MDB_envinfo info;
  if (mdb_env_info(env_, &info) == 0) map_bytes_ = info.me_mapsize;
  mdb_env_close(std::exchange(env_, nullptr));
}

Result<void> Environment::OpenAgain(unsigned int flags) {
  // Only when the old one is gone: closing the second of two would drop the locks of both.
  auto other = TRY(Make(map_bytes_));
  other->read_only_ = (flags & MDB_RDONLY) != 0;
  TRY(other->OpenAt(path_, flags));
  TRY(other->OpenTables(false));
  env_ = std::exchange(other->env_, nullptr);
  replaced_ = other->replaced_.load();
  only_reads_ = flags != flags_;
  ++life_;
  suspected_ = true;  // A disk that failed may have more to show.
  const std::lock_guard lock(handles_mutex_);
  handles_ = other->handles_;
  return {};
}

Result<void> Environment::Revive(std::uint64_t life, bool to_write) {
  // Who is inside himself would wait for himself.
  if (gate_.IsInside() || !gate_.Close()) {
    return Error(ErrorCode::kBusy,
                 "after a failure of the disk the keystore is opened anew once nobody reads it");
  }
  Result<void> revived;
  if (life == life_) {
    if (env_ != nullptr) Close();
    revived = OpenAgain(flags_);
    if (!revived.has_value() && revived.error().code() == ErrorCode::kReadOnly) {
      auto to_read = OpenAgain(flags_ | MDB_RDONLY);
      if (!to_write) revived = std::move(to_read);
    }
  }
  gate_.Open();
  return revived;
}

// LMDB shows its table of readers only as text, a line each: process, thread, and the commit or "-".
Result<std::vector<Environment::ReaderSlot>> Environment::Readers() {
  std::vector<ReaderSlot> readers;
  const auto take = [](const char* text, void* into) -> int {
    std::istringstream line(text);
    ReaderSlot slot;
    std::string thread;
    if (line >> slot.process >> thread >> slot.commit)
      static_cast<std::vector<ReaderSlot>*>(into)->push_back(slot);
    return 0;
  };
  const Visit visit(gate_);
  const int code = env_ == nullptr ? MDB_PANIC : mdb_reader_list(env_, take, &readers);
  if (code < 0) return Failure("list readers", code);
  return readers;
}

Result<std::uint64_t> Environment::ForeignCommits() {
  constexpr int kAttemptsMax = 100;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    {
      const auto transaction = TRY(Transaction::Begin(*this, Access::kRead));
      const std::lock_guard lock(own_mutex_);
      // Begun again under the lock, so that no commit of our own shows that is not counted yet.
      mdb_txn_reset(transaction->get());
      const int code = mdb_txn_renew(transaction->get());
      MDB_envinfo info;
      // Another process made the map larger; the next transaction adopts that.
      if (code == MDB_MAP_RESIZED) continue;
      if (code != 0) return Failure("count the commits", code);
      if (const int failed = mdb_env_info(env_, &info); failed != 0)
        return Failure("count the commits", failed);
      // The file has a commit before readers get it, and nothing is written when they do: whoever looked in
      // between would take the state before that commit for the one behind it, and never look again.
      const std::uint64_t shown = mdb_txn_id(transaction->get());
      if (info.me_last_txnid == shown) return shown - own_commits_;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Error(ErrorCode::kBusy, "another process is in the middle of a commit");
}

Result<std::uint64_t> Environment::UsedBytes() {
  return TRY(Transaction::Begin(*this, Access::kRead))->UsedBytes();
}

}  // namespace certfs::lmdb
