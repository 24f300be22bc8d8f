#include "store/lmdb/transaction.h"

#include <lmdb.h>

#include <cerrno>
#include <utility>

#include "store/lmdb/unreadable_page.h"

namespace certfs::lmdb {

namespace {

// LMDB only reads through the values that it is given.
MDB_val ValueOf(BytesView bytes) { return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())}; }

constexpr int kAttemptsMax = 16;

// A table that there was no room to make. Room can be had; it is Grow that makes it then.
constexpr int kTableMissing = MDB_MAP_FULL;
// LMDB's own: what its file begins with, and the table that the named ones hang off.
constexpr std::uint64_t kMetaPages = 2;
constexpr MDB_dbi kTableOfTables = 1;

Error Spent() { return {ErrorCode::kInternal, "the transaction is over"}; }

}  // namespace

Result<std::unique_ptr<Transaction>> Transaction::Begin(Environment& environment, Access access) {
  if (access == Access::kWrite) TRY(environment.MayRead(Table::kContents));
  TRY(environment.CheckSuspicion());
  TRY(environment.RenewMap(access == Access::kWrite));
  for (int attempt = 1;; ++attempt) {
    const std::thread::id entered = environment.gate().Enter();
    MDB_txn* txn = nullptr;
    const Handles handles = environment.handles();  // Before it begins: it knows no table of later.
    const bool write = access == Access::kWrite;
    const std::uint64_t life = environment.life();
    const std::uint64_t replaced = ReplacedPages();
    int code = MDB_PANIC;
    if (environment.Serves(write)) {
      // A process that was killed while it read still holds the pages of its moment: for as long as its slot
      // is taken, no page freed since is used again, and the file grows with every commit. Looking costs a
      // system call for each other process; a failure to look is none to write.
      int dead = 0;
      if (write) static_cast<void>(mdb_reader_check(environment.get(), &dead));
      code = mdb_txn_begin(environment.get(), nullptr, write ? 0 : MDB_RDONLY, &txn);
    }
    if (code == 0) {
      const std::uint64_t id = mdb_txn_id(txn);
      return std::unique_ptr<Transaction>(
          new Transaction(environment, handles, txn, entered, write ? id - 1 : id, replaced));
    }
    environment.gate().Leave(entered);
    if (attempt == kAttemptsMax) return Failure("begin a transaction", code);
    switch (code) {
      case MDB_MAP_RESIZED:
        // Another process made the map larger than ours, and may do so again meanwhile.
        TRY(environment.AdoptSize());
        break;
      case MDB_PANIC:
        TRY(environment.Revive(life, write));
        break;
      default:
        return Failure("begin a transaction", code);
    }
  }
}

void Transaction::Abandon() noexcept {
  if (txn_ == nullptr) return;
  mdb_txn_abort(std::exchange(txn_, nullptr));
  environment_.gate().Leave(entered_);
}

Error Transaction::Fail(std::string_view what, int code) {
  // After a failure LMDB does nothing more in a transaction, and says that it is a bad one: for the reason of
  // the first. Damage that it meets while it looks for a table it tells in no other way.
  if (code == MDB_BAD_TXN) code = first_failure_ != 0 ? first_failure_ : MDB_CORRUPTED;
  if (first_failure_ == 0) first_failure_ = code;
  map_full_ = map_full_ || code == MDB_MAP_FULL;
  Error failure = Failure(what, code);
  if (failure.code() == ErrorCode::kCorrupt) environment_.Suspect();
  return failure;
}

Result<std::optional<BytesView>> Transaction::Get(Table table, BytesView key) {
  if (txn_ == nullptr) return Spent();
  if (Lacks(table)) return Failure("read", kTableMissing);
  TRY(environment_.MayRead(table));
  MDB_val name = ValueOf(key);
  MDB_val value;
  const int code = mdb_get(txn_, HandleOf(table), &name, &value);
  if (code == MDB_NOTFOUND) return std::optional<BytesView>();
  if (code != 0) return Fail("read", code);
  return std::optional<BytesView>(BytesView(static_cast<const std::uint8_t*>(value.mv_data), value.mv_size));
}

Result<void> Transaction::Put(Table table, BytesView key, BytesView value) {
  if (txn_ == nullptr) return Spent();
  if (Lacks(table)) return Fail("write", kTableMissing);
  MDB_val name = ValueOf(key);
  MDB_val data = ValueOf(value);
  if (const int code = mdb_put(txn_, HandleOf(table), &name, &data, 0); code != 0) {
    return Fail("write", code);
  }
  return {};
}

Result<void> Transaction::Append(Table table, BytesView key, BytesView value) {
  if (txn_ == nullptr) return Spent();
  if (Lacks(table)) return Fail("write", kTableMissing);
  MDB_val name = ValueOf(key);
  MDB_val data = ValueOf(value);
  const int code = mdb_put(txn_, HandleOf(table), &name, &data, MDB_APPEND);
  if (code != 0) return Fail("write", code);
  return {};
}

Result<void> Transaction::Scan(Table table, BytesView after, const RowSink& sink) {
  if (txn_ == nullptr) return Spent();
  if (Lacks(table)) return Failure("read", kTableMissing);
  TRY(environment_.MayRead(table));
  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(txn_, HandleOf(table), &cursor); code != 0) return Fail("read", code);
  const std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> owner(cursor, mdb_cursor_close);
  Bytes next(after.begin(), after.end());
  next.push_back(0);  // The least key that is greater.
  MDB_val key = ValueOf(next);
  MDB_val value;
  int code = mdb_cursor_get(cursor, &key, &value, after.empty() ? MDB_FIRST : MDB_SET_RANGE);
  for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    const auto view = [](const MDB_val& of) {
      return BytesView(static_cast<const std::uint8_t*>(of.mv_data), of.mv_size);
    };
    if (!sink(view(key), view(value))) return {};
  }
  if (code != MDB_NOTFOUND) return Fail("read", code);
  return {};
}

Result<void> Transaction::Remove(Table table, BytesView key) {
  if (txn_ == nullptr) return Spent();
  if (Lacks(table)) return {};
  MDB_val name = ValueOf(key);
  const int code = mdb_del(txn_, HandleOf(table), &name, nullptr);
  if (code != 0 && code != MDB_NOTFOUND) return Fail("remove", code);
  return {};
}

Result<std::uint64_t> Transaction::UsedBytes() {
  if (txn_ == nullptr) return Spent();
  MDB_stat stat;
  std::uint64_t pages = kMetaPages;
  const auto add = [&](MDB_dbi table) -> Result<void> {
    if (const int code = mdb_stat(txn_, table, &stat); code != 0) return Fail("measure a table", code);
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return {};
  };
  TRY(add(kTableOfTables));
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    if (!Lacks(table)) TRY(add(HandleOf(table)));
  }
  return pages * stat.ms_psize;
}

Result<void> Transaction::Commit() {
  if (txn_ == nullptr) return Spent();
  const bool counts = mdb_txn_id(txn_) != base_;  // A write: its own number is the next.
  if (counts && ReplacedPages() != replaced_) {
    // LMDB may have taken the zeros for what stood there, which pages are free for instance.
    Abandon();
    return Error(ErrorCode::kIo, "commit: a page of data.mdb could not be read meanwhile");
  }
  int code = 0;
  {
    const auto own = environment_.BeginOwnCommit();
    code = mdb_txn_commit(std::exchange(txn_, nullptr));
    if (code == 0 && counts) environment_.CountOwnCommit();
  }
  // LMDB calls a write that the disk had room for only in part an I/O error.
  if (code == EIO && environment_.DiskIsFull()) code = ENOSPC;
  environment_.gate().Leave(entered_);
  if (code != 0) return Fail("commit", code);
  return {};
}

}  // namespace certfs::lmdb
