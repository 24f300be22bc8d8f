// What has data.mdb examined, before LMDB reads it and when something in it is damaged.

#include <fcntl.h>
#include <lmdb.h>

#include <utility>

#include "store/examiner.h"
#include "store/files.h"
#include "store/lmdb/environment.h"
#include "store/lmdb/unreadable_page.h"

namespace certfs::lmdb {

namespace {

// What is damaged stays so: there is no use in looking again at once.
constexpr auto kLookInterval = std::chrono::seconds(60);

Error Advised(const Error& damage) {
  return {damage.code(), damage.message() + "; certfs doctor --salvage copies what is whole of it"};
}

// What `examined` says of `file`: true for sound, false where nobody can tell because it changes too fast,
// and then its metas alone are.
Result<bool> Verdict(int file, const Result<void>& examined) {
  if (examined.has_value()) return true;
  if (examined.error().code() == ErrorCode::kBusy) {
    TRY(Examine(file, Extent::kMetas));
    return false;
  }
  if (examined.error().code() != ErrorCode::kCorrupt) return examined.error();
  return Advised(examined.error());
}

}  // namespace

Result<bool> Environment::ExamineFile() {
  const Descriptor file = TRY(OpenRegularFile(data_, O_RDONLY));
  return Verdict(file.number(), Examine(file.number(), Extent::kPages));
}

Result<bool> Environment::ExamineAhead() {
  const Descriptor file = TRY(OpenRegularFile(data_, O_RDONLY));
  auto examination = TRY(BeginExamination(file.number(), Extent::kPages));
  const auto first = examination->AwaitFirst();
  if (!first.has_value()) return Verdict(file.number(), first.error());
  if (!first.value()) return true;
  const std::lock_guard lock(ahead_mutex_);
  ahead_ = std::move(examination);
  contents_unknown_ = true;
  return true;
}

Result<void> Environment::MayRead(Table table) {
  if (table == Table::kContents && contents_unknown_.load(std::memory_order_acquire)) TRY(AwaitContents());
  if (!unsound_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(look_mutex_);
  if (damage_) return *damage_;
  return {};
}

Result<void> Environment::AwaitContents() {
  const std::lock_guard lock(ahead_mutex_);
  if (!ahead_) return {};
  auto ended = ahead_->AwaitEnd();
  ahead_.reset();
  if (!ended.has_value() && ended.error().code() == ErrorCode::kBusy) ended = ExaminePinned();
  if (!ended.has_value()) {
    // Nobody knows what lies there: nothing is read any more until somebody has looked again.
    const std::lock_guard looking(look_mutex_);
    damage_ = ended.error().code() == ErrorCode::kCorrupt ? Advised(ended.error()) : ended.error();
    unsound_ = true;
    next_look_ = std::chrono::steady_clock::now() + kLookInterval;
  }
  contents_unknown_.store(false, std::memory_order_release);
  return ended;
}

Result<void> Environment::ExaminePinned() {
  const std::thread::id entered = gate_.Enter();
  // What is free then stays as it is. Where it cannot be had, others may be too fast again.
  MDB_txn* pin = nullptr;
  if (env_ == nullptr || mdb_txn_begin(env_, nullptr, MDB_RDONLY, &pin) != 0) pin = nullptr;
  auto examined = ExamineFile();
  if (pin != nullptr) mdb_txn_abort(pin);
  gate_.Leave(entered);
  if (!examined.has_value()) return std::move(examined).error();
  if (!examined.value()) return Error(ErrorCode::kBusy, "data.mdb changes faster than it can be examined");
  return {};
}

Result<void> Environment::CheckSuspicion() {
  if (!suspected_.load(std::memory_order_relaxed) && !unsound_.load(std::memory_order_relaxed)) return {};
  const std::unique_lock lock(look_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    // Somebody is looking. Until he knows better, what was known before holds.
    if (!unsound_) return {};
    return Error(ErrorCode::kCorrupt, "data.mdb is damaged, and being examined once more");
  }
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_look_) {
    suspected_ = false;
    ++looks_;
    auto examined = ExaminePinned();
    next_look_ = std::chrono::steady_clock::now() + kLookInterval;
    // What could not be found out changes nothing.
    if (examined.has_value()) {
      damage_.reset();
    } else if (examined.error().code() == ErrorCode::kCorrupt) {
      damage_ = std::move(examined).error();
    }
    unsound_ = damage_.has_value();
  }
  if (damage_) return *damage_;
  return {};
}

Result<void> Environment::RenewMap(bool to_write) {
  if (replaced_ == ReplacedPages()) return {};
  {
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(renewal_mutex_);
    if (!to_write && (now < next_renewal_ || gate_.IsInside())) return {};
    next_renewal_ = now + kLookInterval;
  }
  std::uint64_t life = 0;
  {
    const Visit visit(gate_);
    life = life_;
    if (replaced_ == ReplacedPages()) return {};  // By somebody else, since.
  }
  auto renewed = Revive(life, to_write);
  return to_write ? std::move(renewed) : Result<void>();
}

}  // namespace certfs::lmdb
