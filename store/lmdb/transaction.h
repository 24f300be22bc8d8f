// One transaction of LMDB. Private to store/.
//
// Thread-safety: none; it belongs to one thread. Ownership: borrows its Environment.
// Errors: as Environment.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/lmdb/environment.h"

struct MDB_txn;

namespace certfs::lmdb {

enum class Access : std::uint8_t { kRead, kWrite };

class Transaction {
 public:
  // A second writer waits here for the first, whichever process it is in.
  static Result<std::unique_ptr<Transaction>> Begin(Environment& environment, Access access);
  ~Transaction() { Abandon(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Views hold until the next change and the end of the transaction.
  Result<std::optional<BytesView>> Get(Table table, BytesView key);
  Result<void> Put(Table table, BytesView key, BytesView value);
  // Removing what is not there is no failure.
  Result<void> Remove(Table table, BytesView key);

  // Shows the rows behind `after`, in the order of their keys, until `sink` returns false. It changes nothing
  // meanwhile.
  using RowSink = std::function<bool(BytesView key, BytesView value)>;
  Result<void> Scan(Table table, BytesView after, const RowSink& sink);

  // Puts a row behind all others of the table: what is copied in order lies in as few pages as it can.
  Result<void> Append(Table table, BytesView key, BytesView value);

  // Returns how many bytes all tables take, as they would be after a commit: without pages that are free, or
  // were only copied, and without the list of these.
  Result<std::uint64_t> UsedBytes();

  // Durable on return. The transaction is spent, whatever the outcome. kIo, and nothing is changed, where a
  // page could not be read since it began.
  Result<void> Commit();

  // Says whether the map was too small for what this transaction tried to do.
  bool map_full() const noexcept { return map_full_; }

  // Gives up every change. The transaction is spent.
  void Abandon() noexcept;

  // The number of the commit whose state this transaction began from.
  std::uint64_t base() const noexcept { return base_; }
  MDB_txn* get() noexcept { return txn_; }

 private:
  Transaction(Environment& environment, const Handles& handles, MDB_txn* txn, std::thread::id entered,
              std::uint64_t base, std::uint64_t replaced)
      : environment_(environment),
        handles_(handles),
        txn_(txn),
        entered_(entered),
        base_(base),
        replaced_(replaced) {}

  // Returns what `code` means, as the failure of `what`, and notes what WantsRoom asks for.
  Error Fail(std::string_view what, int code);
  unsigned int HandleOf(Table table) const noexcept { return handles_[static_cast<std::size_t>(table)]; }
  bool Lacks(Table table) const noexcept { return HandleOf(table) == kNoHandle; }

  Environment& environment_;
  const Handles handles_;
  MDB_txn* txn_;
  std::thread::id entered_;  // Who passed the gate.
  std::uint64_t base_;
  const std::uint64_t replaced_;  // Pages (unreadable_page.h), when it began.
  bool map_full_ = false;
  int first_failure_ = 0;
};

}  // namespace certfs::lmdb
