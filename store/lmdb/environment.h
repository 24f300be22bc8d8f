// The LMDB environment of one keystore. Private to store/; with transaction.h the only place that knows LMDB.
//
// Thread-safety: any thread. A process opens one directory at most once at a time, and does not fork
// meanwhile: both are rules of LMDB. Errors: kNoSpace when the map or the disk is full, kCorrupt when the
// examiner or LMDB itself finds the structure of data.mdb broken, or it or lock.mdb is no file of its own
// (CheckOnlyName in store/files.h), kReadOnly when the disk is mounted like
// that, kBusy when the map cannot change its size because transactions stay open, kIo otherwise.
//
// Root opens them with the rights of whoever has the directory (store/owner_rights.h).
//
// A data.mdb that is there is examined before LMDB reads a page of it, and again when something in it was
// found damaged (store/examiner.h).

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "store/entry_table.h"
#include "store/lmdb/gate.h"

struct MDB_env;

namespace certfs {
class Examination;  // store/examiner.h.
}

namespace certfs::lmdb {

// The named databases. store/README.md, "LMDB tables".
enum class Table : std::uint8_t { kManifest, kStores, kEntries, kContents, kNodes, kIssued };
inline constexpr std::size_t kTableCount = 6;
using Handles = std::array<unsigned int, kTableCount>;
inline constexpr unsigned int kNoHandle = ~0U;  // Of a table that is not there.

// Returns what LMDB's `code` means, as the failure of `what`.
Error Failure(std::string_view what, int code);

class Environment {
 public:
  // Opens `directory`, or makes its tables in it when `create`. A table that keystores of before had not is
  // made; where there is no room for that it stays missing, until Grow makes some.
  static Result<std::unique_ptr<Environment>> Open(const std::filesystem::path& directory,
                                                   std::uint64_t map_bytes, bool create);
  // Opens what is there for reading alone: every attempt to write fails. Nothing in the directory is made or
  // changed, save that this process takes a place among the readers in lock.mdb; where there is none nobody
  // has it open, and no locks are used. kCorrupt for a data.mdb that is shorter than it says.
  static Result<std::unique_ptr<Environment>> OpenReadOnly(const std::filesystem::path& directory);
  // Makes a new one in the single file `file`, for one process that is alone with it: without locks, and
  // durable only after Sync(). kAlreadyExists if the file is there.
  static Result<std::unique_ptr<Environment>> CreateFile(const std::filesystem::path& file,
                                                         std::uint64_t map_bytes);
  Result<void> Sync();

  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Makes room: for a table that is missing, pages that a reader who was killed still holds, else a map of
  // twice the size, up to `limit`; with Room::kReserve then a little more at a time, up to twice the limit
  // and that little. Returns false when it is that large already.
  Result<bool> Grow(std::uint64_t limit, Room room);

  // Takes over the size that another process gave the map.
  Result<void> AdoptSize();

  // As Transaction::UsedBytes, of the last commit.
  Result<std::uint64_t> UsedBytes();

  // Returns how many commits there were by other processes, give or take a constant.
  Result<std::uint64_t> ForeignCommits();
  // Held by our own commits from before they show until they are counted.
  std::unique_lock<std::mutex> BeginOwnCommit() { return std::unique_lock(own_mutex_); }
  // Precondition: the lock of BeginOwnCommit is held.
  void CountOwnCommit() noexcept { ++own_commits_; }

  // Who reads a state at this moment, or did when it died.
  struct ReaderSlot {
    int process = 0;
    std::uint64_t commit = 0;  // Pages that were freed since are not used again.
  };
  Result<std::vector<ReaderSlot>> Readers();

  // Says whether the disk beneath has no room left. Precondition: the caller is inside the gate.
  bool DiskIsFull() const noexcept;

  // Notes that something was damaged: whoever begins a transaction next has the file examined first, at most
  // once a minute.
  void Suspect() noexcept { suspected_ = true; }
  // For whoever is about to have LMDB read a table, or to begin to write, which is like reading contents:
  // waits until the contents of files are known to be sound, which opening does not. kCorrupt while the file
  // is known to be damaged, also to transactions that were begun before.
  Result<void> MayRead(Table table);
  // Has it examined if it is suspected. kCorrupt while it is known to be damaged: LMDB is not to read it.
  Result<void> CheckSuspicion();
  // Opens it anew where pages of the map were replaced (unreadable_page.h) since it was opened: the disk may
  // have them again by now. To read that is done once a minute at most, and what stands in its way is no
  // error; to write, always, because a commit on pages of zeros would be damage that stays: kBusy and others
  // as Revive.
  Result<void> RenewMap(bool to_write);
  // How often CheckSuspicion had it examined. For tests.
  std::uint64_t suspicions_examined() const noexcept { return looks_; }

  // After a failure to write LMDB serves nothing more, not even what it has: MDB_PANIC, for ever. Opens it
  // anew, unless somebody has since `life`: with the state before the change that failed, and where the disk
  // is read-only by now for reading alone, until somebody is going to write again. kBusy while this thread,
  // or for too long another one, has a transaction open.
  Result<void> Revive(std::uint64_t life, bool to_write);
  // How often it was opened, and whether a transaction can be begun in this life. Precondition, of both: the
  // caller is inside the gate.
  std::uint64_t life() const noexcept { return life_; }
  bool Serves(bool to_write) const noexcept { return env_ != nullptr && !(to_write && only_reads_); }
  // Null where it could not be opened anew yet.
  MDB_env* get() noexcept { return env_; }
  Gate& gate() noexcept { return gate_; }
  // The tables as they can be used by a transaction that is begun afterwards.
  Handles handles();

 private:
  explicit Environment(MDB_env* env);
  static Result<std::unique_ptr<Environment>> Make(std::uint64_t map_bytes);
  Result<void> OpenAt(const std::filesystem::path& path, unsigned int flags);
  Result<void> OpenTables(bool create);
  Result<bool> AddTables();
  Result<void> Resize(std::uint64_t bytes);
  // Preconditions, of both: the gate is closed.
  void Close() noexcept;
  Result<void> OpenAgain(unsigned int flags);

  // Has data.mdb examined. Returns false where others change it too fast for that: then, once it is open,
  // ExaminePinned.
  Result<bool> ExamineFile();
  // The same, and returns when all but the contents of files is sound: MayRead waits for these.
  Result<bool> ExamineAhead();
  Result<void> AwaitContents();
  // The same while a transaction of this process keeps the pages of a state from being used again.
  Result<void> ExaminePinned();

  MDB_env* env_;  // Changed while the gate is closed, as the next five.
  bool only_reads_ = false;
  std::uint64_t life_ = 1;
  std::uint64_t map_bytes_ = 0;  // Of the last life.
  std::filesystem::path path_;
  unsigned int flags_ = 0;
  Gate gate_;
  std::mutex own_mutex_;           // Taken inside the gate.
  std::uint64_t own_commits_ = 0;  // Guarded by own_mutex_.
  std::mutex adding_mutex_;        // Held by whoever adds tables.
  std::mutex handles_mutex_;
  Handles handles_{};  // Guarded by handles_mutex_.
  bool read_only_ = false;
  std::filesystem::path data_;  // data.mdb.
  std::mutex ahead_mutex_;
  std::unique_ptr<Examination> ahead_;  // Guarded by ahead_mutex_; under way while contents_unknown_.
  std::atomic<bool> contents_unknown_ = false;
  std::atomic<bool> suspected_ = false;
  std::atomic<bool> unsound_ = false;
  std::atomic<std::uint64_t> looks_ = 0;
  std::mutex look_mutex_;
  std::optional<Error> damage_;                        // Guarded by look_mutex_; set while unsound_.
  std::chrono::steady_clock::time_point next_look_{};  // Guarded by look_mutex_.
  std::atomic<std::uint64_t> replaced_;  // Pages, when it was opened. Changed while the gate is closed.
  std::mutex renewal_mutex_;
  std::chrono::steady_clock::time_point next_renewal_{};  // Guarded by renewal_mutex_.
};

}  // namespace certfs::lmdb
