// The size of the map: how it grows, and follows what another process made of it.

#include <lmdb.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "store/lmdb/environment.h"

namespace certfs::lmdb {

namespace {

// How much larger the map becomes for a removal at the limit: a thousand pages, of which most removals copy
// some dozens.
constexpr std::uint64_t kReserveBytes = std::uint64_t{4} << 20;

// What other threads may take of the address space while the map changes: glibc reserves this much when one
// of them first allocates.
constexpr std::uint64_t kTakenMeanwhile = std::uint64_t{128} << 20;

// Says whether `bytes` of address space can be had beside what is in use. Returns an errno, 0 for yes.
int FindAddressSpace(std::uint64_t bytes) {
  void* const space = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return errno;
  munmap(space, bytes);
  return 0;
}

}  // namespace

Result<void> Environment::Resize(std::uint64_t bytes) {
  if (!gate_.Close())
    return Error(ErrorCode::kBusy, "the keystore cannot change its size while it is being read");
  // LMDB gives its map up before it asks for the new one, and when that fails has none, for ever: the next
  // transaction would crash. So what the new map takes beyond the old is asked for first.
  MDB_envinfo info;
  MDB_stat stat;
  int code = env_ == nullptr ? MDB_PANIC : mdb_env_info(env_, &info);
  if (code == 0) code = mdb_env_stat(env_, &stat);
  if (code == 0) {
    // Another process's size is known only to LMDB. It doubled a map that was full.
    const std::uint64_t used = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
    const std::uint64_t size = bytes != 0 ? bytes : 2 * used;
    const std::uint64_t more = size > info.me_mapsize ? size - info.me_mapsize : 0;
    code = FindAddressSpace(more + kTakenMeanwhile);
  }
  if (code == 0) {
    code = mdb_env_set_mapsize(env_, bytes);
    if (code != 0) Close();
  }
  gate_.Open();
  if (code != 0) return Failure("change the size of the map", code);
  return {};
}

Result<bool> Environment::Grow(std::uint64_t limit, Room room) {
  {
    const Visit visit(gate_);
    if (env_ == nullptr) return Failure("measure the map", MDB_PANIC);
    // LMDB notices by itself only that a writer died. What a reader held is never used again until somebody
    // asks.
    int dead = 0;
    if (mdb_reader_check(env_, &dead) == 0 && dead > 0) return true;
  }
  auto added = AddTables();
  if (added.has_value() && added.value()) return true;
  std::uint64_t size = 0;
  {
    const Visit visit(gate_);
    if (!added.has_value() && (added.error().code() != ErrorCode::kNoSpace || DiskIsFull())) return added;
    MDB_envinfo info;
    const int code = env_ == nullptr ? MDB_PANIC : mdb_env_info(env_, &info);
    if (code != 0) return Failure("measure the map", code);
    size = info.me_mapsize;
  }
  // What the last commit freed cannot be used by the next one, and one commit may have replaced everything:
  // beyond twice the limit there is always room.
  const std::uint64_t end = 2 * limit + kReserveBytes;
  if (size >= limit && (room != Room::kReserve || size >= end)) return false;
  TRY(Resize(size < limit ? std::min(2 * size, limit) : std::min(size + kReserveBytes, end)));
  TRY(AddTables());
  return true;
}

Result<void> Environment::AdoptSize() { return Resize(0); }

bool Environment::DiskIsFull() const noexcept {
  constexpr fsblkcnt_t kBlocksMin = 16;  // What a small commit writes.
  mdb_filehandle_t file = -1;
  struct statvfs status {};
  if (env_ == nullptr || mdb_env_get_fd(env_, &file) != 0 || fstatvfs(file, &status) != 0) return false;
  return status.f_bavail < kBlocksMin;
}

}  // namespace certfs::lmdb
