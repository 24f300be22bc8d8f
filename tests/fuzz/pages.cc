// Whoever may write to the keystore's directory makes data.mdb what he likes, and LMDB would follow every
// number in it: the walk that comes before it is what reads such a file first (store/README.md, "Before
// LMDB").

#include <lmdb.h>

#include <array>
#include <optional>

#include "store/lmdb/page_check.h"
#include "store/lmdb/page_walk.h"
#include "tests/fuzz/scratch.h"

namespace certfs::fuzz {

namespace {

// Also of a file that has less than its last page: one that was given up is never written.
constexpr std::uint64_t kPagesBeyondMax = 65536;

// The state that a file is in, as far as its metas say.
std::optional<lmdb::Meta> StateOf(BytesView file) {
  std::array<lmdb::Meta, lmdb::kMetas> metas;
  std::size_t at = 0;
  for (lmdb::Meta& meta : metas) {
    if (file.size() < at + lmdb::kMetaBytes) return std::nullopt;
    const char* wrong = nullptr;
    meta = lmdb::Meta::Parse(file.subspan(at, lmdb::kMetaBytes), &wrong);
    if (wrong != nullptr) return std::nullopt;
    at = metas[0].page_bytes();
  }
  if (lmdb::WhyNotPair(metas[0], metas[1]) != nullptr) return std::nullopt;
  return metas[lmdb::NewerOf(metas[0], metas[1])];
}

// Looks at every byte of every row.
std::uint64_t ReadRows(MDB_txn* transaction, const char* table) {
  std::uint64_t sum = 0;
  MDB_dbi rows = 0;
  MDB_cursor* cursor = nullptr;
  if (mdb_dbi_open(transaction, table, 0, &rows) != 0) return sum;
  if (mdb_cursor_open(transaction, rows, &cursor) != 0) return sum;
  MDB_val key;
  MDB_val value;
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    for (const MDB_val& each : {key, value}) {
      const auto* const bytes = static_cast<const std::uint8_t*>(each.mv_data);
      for (std::size_t i = 0; i < each.mv_size; ++i) sum += bytes[i];
    }
  }
  mdb_cursor_close(cursor);
  return sum;
}

// What was found sound LMDB reads without an accident; what it refuses is no accident.
void ReadByLmdb(const MemoryFile& file, std::size_t bytes) {
  MDB_env* environment = nullptr;
  PROPERTY(mdb_env_create(&environment) == 0);
  PROPERTY(mdb_env_set_mapsize(environment, bytes) == 0 && mdb_env_set_maxdbs(environment, 8) == 0);
  constexpr unsigned kFlags = MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR;
  MDB_txn* transaction = nullptr;
  if (mdb_env_open(environment, file.path().c_str(), kFlags, 0) == 0 &&
      mdb_txn_begin(environment, nullptr, MDB_RDONLY, &transaction) == 0) {
    std::uint64_t sum = 0;
    for (const char* const table : {"manifest", "stores", "entries", "contents", "nodes", "issued"})
      sum += ReadRows(transaction, table);
    if (sum != 0) NoteRead();
    mdb_txn_abort(transaction);
  }
  mdb_env_close(environment);
}

}  // namespace

// The walk says the same of bytes in memory and of a file of them, and LMDB may be trusted with what it calls
// sound.
int FuzzPages(const std::uint8_t* data, std::size_t size) {
  const BytesView bytes(data, size);
  const MemoryFile file(bytes);
  const auto checked = lmdb::CheckPages(file.number());
  PROPERTY(checked.has_value() || checked.error().code() == ErrorCode::kCorrupt);
  const auto state = StateOf(bytes);
  PROPERTY(lmdb::CheckMetas(file.number()).has_value() == state.has_value());
  PROPERTY(state || !checked.has_value());
  if (!state) return 0;
  int ready = 0;
  const auto walked = lmdb::WalkPages(bytes, *state, [&] { ++ready; });
  PROPERTY(walked.has_value() == checked.has_value() && ready <= 1);
  if (!walked.has_value()) return 0;
  const lmdb::PageFacts& facts = walked.value();
  PROPERTY(ready == 1 && facts.commit == state->commit && facts.commit == checked.value().commit);
  PROPERTY(facts.pages == checked.value().pages && facts.free == checked.value().free);
  PROPERTY(facts.pages + facts.free <= size / state->page_bytes() + kPagesBeyondMax);
  ReadByLmdb(file, size);
  return 0;
}

}  // namespace certfs::fuzz
