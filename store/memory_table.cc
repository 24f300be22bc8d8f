#include "store/memory_table.h"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "crypto/sealing.h"
#include "store/hash_tree.h"
#include "store/memory_ledger.h"

namespace certfs {

namespace {

constexpr Number kNumberEnd = Number{1} << 32;  // As in SealedTable.
constexpr Number kOfStores = 0;

Bytes BytesOf(std::initializer_list<std::uint64_t> values) {
  Bytes bytes;
  Writer writer(bytes);
  for (const std::uint64_t value : values) writer.U64(value);
  return bytes;
}

// A place in the listing of `parent`, 0 for the list of stores. Hashed, so that the order is as odd as
// SealedTable's.
using Position = std::pair<Number, Cursor>;
Position PositionOf(Number parent, std::string_view name) {
  return {parent, CursorOf(Sha256({BytesOf({parent}), AsBytes(FoldName(name))}))};
}

std::pair<std::string, std::string> KeyOf(const IssuedSerial& serial) {
  return {std::string(AsText(serial.issuer)), std::string(AsText(serial.serial))};
}

// What a table is for as long as it lives. Without a key when no random bytes were to be had.
struct Identity {
  Identity() {
    SecretBytes key(32);
    const bool random = FillRandom(store_id).has_value() && FillRandom({key.data(), key.size()}).has_value();
    if (random) view_key = std::move(key);
  }

  StoreId store_id{};
  SecretBytes view_key;
};

// The positions lead to the numbers. Contents are shared between states, as they never change.
struct State {
  std::map<Number, Store> stores;
  std::map<Number, Entry> entries;
  std::map<Number, std::uint64_t> marks;  // Of entries: which change wrote it.
  std::map<Position, Number> order;
  std::map<std::pair<Number, Member>, std::shared_ptr<const SecretBytes>> contents;
  std::map<std::pair<std::string, std::string>, SerialHolder> serials;  // By KeyOf.
  std::shared_ptr<const Settings> settings = std::make_shared<const Settings>();
  std::shared_ptr<const AuthorityRecord> authority = std::make_shared<const AuthorityRecord>();
  MemoryLedger ledger;
  std::shared_ptr<const Identity> identity = std::make_shared<const Identity>();
  Number next_number = kFirstNumber;
  std::uint64_t used = 0;
  std::uint64_t commit = 1;
};

// The reading half of TableSnapshot or TableTransaction, over `state()`.
template <typename Interface>
class MemoryReads : public Interface {
 public:
  Result<std::optional<Store>> FindStoreFolded(const StoreName& name) final {
    return Find(state().stores, At(kOfStores, name.text()));
  }
  Result<std::optional<Entry>> FindEntryFolded(Number store, const Alias& alias) final {
    return Find(state().entries, At(store, alias.text()));
  }
  Result<std::optional<Store>> FindStoreByNumber(Number number) final { return Find(state().stores, number); }
  Result<std::optional<Entry>> FindEntryByNumber(Number number) final {
    return Find(state().entries, number);
  }
  Result<std::optional<std::uint64_t>> FindEntryMark(Number number) final {
    return Find(state().marks, number);
  }
  Result<std::optional<Listed<Store>>> NextStore(Cursor after, Cursor*) final {
    return Next(state().stores, kOfStores, after);
  }
  Result<std::optional<Listed<Entry>>> NextEntry(Number store, Cursor after, Cursor*) final {
    return Next(state().entries, store, after);
  }
  Result<SecretBytes> ReadFile(const Entry& entry, Member member) final {
    const auto& file = entry.file(member);
    if (!file) return Error(ErrorCode::kNotFound, "the entry has no such file");
    const auto found = state().contents.find({entry.number, member});
    if (found == state().contents.end() || Sha256({found->second->Reveal()}) != file->digest) {
      return Error(ErrorCode::kCorrupt, "the file is not the one that the entry knows");
    }
    return found->second->Clone();
  }
  Result<std::optional<SerialHolder>> FindSerial(const IssuedSerial& serial) final {
    const auto found = state().serials.find(KeyOf(serial));
    return found == state().serials.end() ? std::optional<SerialHolder>() : std::optional(found->second);
  }
  Result<Settings> GetSettings() final { return state().settings->Clone(); }
  Result<AuthorityRecord> GetAuthority() final { return state().authority->Clone(); }
  bool has_authority() final { return !state().authority->certificates.empty(); }
  Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial) final {
    return state().ledger.Find(serial);
  }
  Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number) final {
    return state().ledger.FindByNumber(number);
  }
  Result<void> ListIssued(Cursor after, const IssuedSink& sink) final {
    state().ledger.List(after, sink);
    return {};
  }
  Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) final {
    state().ledger.List(group, sink);
    return {};
  }
  std::uint64_t issued_count() final { return state().ledger.size(); }
  std::uint64_t commit() final { return state().commit; }
  StoreId store_id() final { return state().identity->store_id; }
  Result<SecretBytes> DeriveViewKey() final {
    const SecretBytes& key = state().identity->view_key;
    if (key.empty()) return Error(ErrorCode::kInternal, "there was no random key to be had");
    return key.Clone();
  }

 protected:
  virtual const State& state() const = 0;

  Number At(Number parent, std::string_view name) const {
    const auto found = state().order.find(PositionOf(parent, name));
    return found == state().order.end() ? 0 : found->second;
  }

 private:
  template <typename T>
  static std::optional<T> Find(const std::map<Number, T>& items, Number number) {
    const auto found = items.find(number);
    return found == items.end() ? std::nullopt : std::optional<T>(found->second);
  }

  template <typename T>
  std::optional<Listed<T>> Next(const std::map<Number, T>& items, Number parent, Cursor after) const {
    const auto next = state().order.upper_bound({parent, after});
    if (next == state().order.end() || next->first.first != parent) return std::nullopt;
    return Listed<T>{next->first.second, items.at(next->second)};
  }
};

class MemoryTable;

class MemorySnapshot final : public MemoryReads<TableSnapshot> {
 public:
  explicit MemorySnapshot(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  const State& state() const override { return *state_; }
  std::shared_ptr<const State> state_;
};

class MemoryTransaction final : public MemoryReads<TableTransaction> {
 public:
  MemoryTransaction(MemoryTable& table, std::unique_lock<std::mutex> turn, State state, Room room)
      : table_(table), turn_(std::move(turn)), state_(std::move(state)), room_(room) {
    ++state_.commit;
  }

  Result<Number> PutStore(Store store) override;
  Result<Number> PutEntry(Entry entry) override;
  Result<void> PutFile(Entry& entry, Member member, BytesView bytes) override;
  Result<void> RemoveFile(Entry& entry, Member member) override;
  Result<void> RemoveStore(const Store& store) override;
  Result<void> RemoveEntry(const Entry& entry) override;
  Result<void> PutSerial(const IssuedSerial& serial, const SerialHolder& holder) override;
  Result<void> PutSettings(const Settings& settings) override;
  Result<void> PutAuthority(const AuthorityRecord& record) override;
  Result<Number> PutIssued(IssuedCertificate issued) override;
  Result<void> Commit() override;
  bool WantsRoom() const override { return false; }

 private:
  const State& state() const override { return state_; }
  Result<Number> NewNumber();
  void Touch(Store& store);
  void DropContent(Number number, Member member);

  MemoryTable& table_;
  std::unique_lock<std::mutex> turn_;
  State state_;
  const Room room_;
};

class MemoryTable final : public EntryTable {
 public:
  explicit MemoryTable(std::uint64_t limit) : limit_(limit) {}

  Result<std::unique_ptr<TableSnapshot>> Snapshot() override {
    return std::unique_ptr<TableSnapshot>(std::make_unique<MemorySnapshot>(Current()));
  }
  Result<std::unique_ptr<TableTransaction>> BeginTransaction(Room room) override {
    std::unique_lock turn(turn_);
    return std::unique_ptr<TableTransaction>(
        std::make_unique<MemoryTransaction>(*this, std::move(turn), *Current(), room));
  }
  std::uint64_t limit() const { return limit_; }
  Usage GetUsage() override { return {Current()->used, limit_}; }
  Result<std::uint64_t> ForeignCommits() override { return 0; }
  Result<bool> Grow(Room) override { return false; }

  // Never twice the same: a transaction that is abandoned must not lend its digests to the next one.
  std::uint64_t NewMark() { return ++marks_; }

  void Publish(std::shared_ptr<const State> state) {
    const std::lock_guard lock(mutex_);
    state_ = std::move(state);
  }

 private:
  std::shared_ptr<const State> Current() {
    const std::lock_guard lock(mutex_);
    return state_;
  }

  const std::uint64_t limit_;
  std::atomic<std::uint64_t> marks_ = 0;
  std::mutex turn_;   // Held by the one transaction.
  std::mutex mutex_;  // Guards `state_` alone.
  std::shared_ptr<const State> state_ = std::make_shared<State>();
};

Result<Number> MemoryTransaction::NewNumber() {
  if (state_.next_number >= kNumberEnd)
    return Error(ErrorCode::kNoSpace, "the keystore has used up its numbers");
  return state_.next_number++;
}

// Any value that was never there before says that something changed.
void MemoryTransaction::Touch(Store& store) {
  store.entries = Sha256({BytesOf({store.number, table_.NewMark()})});
}

void MemoryTransaction::DropContent(Number number, Member member) {
  const auto found = state_.contents.find({number, member});
  if (found == state_.contents.end()) return;
  state_.used -= found->second->size();
  state_.contents.erase(found);
}

Result<Number> MemoryTransaction::PutStore(Store store) {
  const Number taken = At(kOfStores, store.name.text());
  if (taken != 0 && taken != store.number) return Error(ErrorCode::kAlreadyExists, "the name is taken");
  store.entries = {};
  store.entry_count = 0;
  if (store.number == 0) {
    store.number = TRY(NewNumber());
  } else {
    const auto old = state_.stores.find(store.number);
    if (old == state_.stores.end()) return Error(ErrorCode::kNotFound, "there is no such store");
    store.entries = old->second.entries;
    store.entry_count = old->second.entry_count;
    state_.order.erase(PositionOf(kOfStores, old->second.name.text()));
  }
  const Number number = store.number;
  state_.order[PositionOf(kOfStores, store.name.text())] = number;
  state_.stores.insert_or_assign(number, std::move(store));
  return number;
}

Result<Number> MemoryTransaction::PutEntry(Entry entry) {
  const Number taken = At(entry.store, entry.alias.text());
  if (taken != 0 && taken != entry.number) return Error(ErrorCode::kAlreadyExists, "the alias is taken");
  const auto store = state_.stores.find(entry.store);
  if (store == state_.stores.end()) return Error(ErrorCode::kNotFound, "there is no such store");
  if (entry.number == 0) {
    entry.number = TRY(NewNumber());
  } else {
    const auto old = state_.entries.find(entry.number);
    if (old == state_.entries.end()) return Error(ErrorCode::kNotFound, "there is no such entry");
    Store& from = state_.stores.at(old->second.store);
    state_.order.erase(PositionOf(from.number, old->second.alias.text()));
    --from.entry_count;
    Touch(from);
  }
  ++store->second.entry_count;
  Touch(store->second);
  const Number number = entry.number;
  state_.marks[number] = table_.NewMark();
  state_.order[PositionOf(entry.store, entry.alias.text())] = number;
  state_.entries.insert_or_assign(number, std::move(entry));
  return number;
}

Result<void> MemoryTransaction::PutFile(Entry& entry, Member member, BytesView bytes) {
  if (entry.number == 0 || bytes.empty())
    return Error(ErrorCode::kInvalidArgument, "no number, or nothing to store");
  DropContent(entry.number, member);
  state_.contents[{entry.number, member}] = std::make_shared<const SecretBytes>(SecretBytes::CopyOf(bytes));
  state_.used += bytes.size();
  auto& file = entry.file(member);
  if (!file) file.emplace();
  file->size = static_cast<std::uint32_t>(bytes.size());
  file->digest = Sha256({bytes});
  return {};
}

Result<void> MemoryTransaction::RemoveFile(Entry& entry, Member member) {
  DropContent(entry.number, member);
  entry.file(member).reset();
  return {};
}

Result<void> MemoryTransaction::RemoveStore(const Store& store) {
  const auto old = state_.stores.find(store.number);
  if (old == state_.stores.end()) return Error(ErrorCode::kNotFound, "there is no such store");
  if (old->second.entry_count != 0) return Error(ErrorCode::kNotEmpty, "the store holds entries");
  state_.order.erase(PositionOf(kOfStores, old->second.name.text()));
  state_.stores.erase(old);
  return {};
}

Result<void> MemoryTransaction::RemoveEntry(const Entry& entry) {
  const auto old = state_.entries.find(entry.number);
  if (old == state_.entries.end()) return Error(ErrorCode::kNotFound, "there is no such entry");
  Store& store = state_.stores.at(old->second.store);
  state_.order.erase(PositionOf(store.number, old->second.alias.text()));
  --store.entry_count;
  Touch(store);
  for (const Member member : kMembers) DropContent(old->first, member);
  state_.marks.erase(old->first);
  state_.entries.erase(old);
  return {};
}

Result<void> MemoryTransaction::PutSerial(const IssuedSerial& serial, const SerialHolder& holder) {
  if (holder.files == 0) {
    state_.serials.erase(KeyOf(serial));
  } else {
    state_.serials.insert_or_assign(KeyOf(serial), holder);
  }
  return {};
}

Result<void> MemoryTransaction::PutSettings(const Settings& settings) {
  if (settings.export_password.size() > kExportPasswordBytesMax)
    return Error(ErrorCode::kInvalidArgument, "the export password is longer than 1024 bytes");
  state_.settings = std::make_shared<const Settings>(settings.Clone());
  return {};
}

Result<void> MemoryTransaction::PutAuthority(const AuthorityRecord& record) {
  TRY(CheckAuthority(record));
  state_.authority = std::make_shared<const AuthorityRecord>(record.Clone());
  return {};
}

Result<Number> MemoryTransaction::PutIssued(IssuedCertificate issued) {
  TRY(CheckIssued(issued));
  const auto taken = state_.ledger.Find(issued.serial);
  if (taken && taken->number != issued.number)
    return Error(ErrorCode::kAlreadyExists, "another certificate has this serial number");
  if (issued.number != 0 && !taken) return Error(ErrorCode::kNotFound, "there is no such line of the ledger");
  if (issued.number == 0) issued.number = TRY(NewNumber());
  const Number number = issued.number;
  state_.ledger.Put(std::move(issued));
  return number;
}

Result<void> MemoryTransaction::Commit() {
  if (!turn_.owns_lock()) return Error(ErrorCode::kInternal, "the transaction is over");
  const std::unique_lock turn = std::move(turn_);  // Spent, whatever the outcome.
  if (room_ != Room::kReserve && state_.used > table_.limit())
    return Error(ErrorCode::kNoSpace, "the keystore has reached its size limit");
  table_.Publish(std::make_shared<const State>(std::move(state_)));
  return {};
}

}  // namespace

std::unique_ptr<EntryTable> MakeMemoryTable(std::uint64_t limit) {
  return std::make_unique<MemoryTable>(limit);
}

}  // namespace certfs
