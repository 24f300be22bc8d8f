// An EntryTable that fails at a call of one's choice, and otherwise is the table that it wraps.

#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "store/entry_table.h"

namespace certfs {

// Counts the calls to a table, its snapshots and its transactions, and says which of them fails. `code` is
// what it then returns. What fails has not been done; a commit that fails is abandoned.
struct Faults {
  std::size_t fail_at = 0;  // 1 is the next call; 0 lets all of them through.
  ErrorCode code = ErrorCode::kIo;
  bool grows = false;  // What Grow answers.
  std::size_t failed = 0;
  std::function<void()> begins = {};                 // Called once, before the next transaction.
  std::function<void(Member, BytesView)> puts = {};  // Called for each file put, also where that fails.

  Result<void> Pass() {
    if (fail_at == 0 || --fail_at != 0) return {};
    ++failed;
    return Error(code, "a fault, as ordered");
  }
};

template <typename Interface>
class FaultyReads : public Interface {
 public:
  FaultyReads(std::unique_ptr<Interface> real, Faults& faults) : real_(std::move(real)), faults_(faults) {}

  Result<std::optional<Store>> FindStoreFolded(const StoreName& name) final {
    TRY(faults_.Pass());
    return real_->FindStoreFolded(name);
  }
  Result<std::optional<Entry>> FindEntryFolded(Number store, const Alias& alias) final {
    TRY(faults_.Pass());
    return real_->FindEntryFolded(store, alias);
  }
  Result<std::optional<Store>> FindStoreByNumber(Number number) final {
    TRY(faults_.Pass());
    return real_->FindStoreByNumber(number);
  }
  Result<std::optional<Entry>> FindEntryByNumber(Number number) final {
    TRY(faults_.Pass());
    return real_->FindEntryByNumber(number);
  }
  Result<std::optional<Listed<Store>>> NextStore(Cursor after, Cursor* skipped) final {
    TRY(faults_.Pass());
    return real_->NextStore(after, skipped);
  }
  Result<std::optional<Listed<Entry>>> NextEntry(Number store, Cursor after, Cursor* skipped) final {
    TRY(faults_.Pass());
    return real_->NextEntry(store, after, skipped);
  }
  Result<SecretBytes> ReadFile(const Entry& entry, Member member) final {
    TRY(faults_.Pass());
    return real_->ReadFile(entry, member);
  }
  Result<std::optional<std::uint64_t>> FindEntryMark(Number number) final {
    TRY(faults_.Pass());
    return real_->FindEntryMark(number);
  }
  Result<std::optional<SerialHolder>> FindSerial(const IssuedSerial& serial) final {
    TRY(faults_.Pass());
    return real_->FindSerial(serial);
  }
  Result<Settings> GetSettings() final {
    TRY(faults_.Pass());
    return real_->GetSettings();
  }
  Result<AuthorityRecord> GetAuthority() final {
    TRY(faults_.Pass());
    return real_->GetAuthority();
  }
  bool has_authority() final { return real_->has_authority(); }
  Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial) final {
    TRY(faults_.Pass());
    return real_->FindIssued(serial);
  }
  Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number) final {
    TRY(faults_.Pass());
    return real_->FindIssuedByNumber(number);
  }
  Result<void> ListIssued(Cursor after, const IssuedSink& sink) final {
    TRY(faults_.Pass());
    return real_->ListIssued(after, sink);
  }
  Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) final {
    TRY(faults_.Pass());
    return real_->ListIssued(group, sink);
  }
  std::uint64_t issued_count() final { return real_->issued_count(); }
  std::uint64_t commit() final { return real_->commit(); }
  StoreId store_id() final { return real_->store_id(); }
  Result<SecretBytes> DeriveViewKey() final {
    TRY(faults_.Pass());
    return real_->DeriveViewKey();
  }

 protected:
  std::unique_ptr<Interface> real_;
  Faults& faults_;
};

class FaultyTransaction final : public FaultyReads<TableTransaction> {
 public:
  using FaultyReads::FaultyReads;

  Result<Number> PutStore(Store store) override {
    TRY(faults_.Pass());
    return real_->PutStore(std::move(store));
  }
  Result<Number> PutEntry(Entry entry) override {
    TRY(faults_.Pass());
    return real_->PutEntry(std::move(entry));
  }
  Result<void> PutFile(Entry& entry, Member member, BytesView bytes) override {
    if (faults_.puts) faults_.puts(member, bytes);
    TRY(faults_.Pass());
    return real_->PutFile(entry, member, bytes);
  }
  Result<void> RemoveFile(Entry& entry, Member member) override {
    TRY(faults_.Pass());
    return real_->RemoveFile(entry, member);
  }
  Result<void> RemoveStore(const Store& store) override {
    TRY(faults_.Pass());
    return real_->RemoveStore(store);
  }
  Result<void> RemoveEntry(const Entry& entry) override {
    TRY(faults_.Pass());
    return real_->RemoveEntry(entry);
  }
  Result<void> PutSerial(const IssuedSerial& serial, const SerialHolder& holder) override {
    TRY(faults_.Pass());
    return real_->PutSerial(serial, holder);
  }
  Result<void> PutSettings(const Settings& settings) override {
    TRY(faults_.Pass());
    return real_->PutSettings(settings);
  }
  Result<void> PutAuthority(const AuthorityRecord& record) override {
    TRY(faults_.Pass());
    return real_->PutAuthority(record);
  }
  Result<Number> PutIssued(IssuedCertificate issued) override {
    TRY(faults_.Pass());
    return real_->PutIssued(std::move(issued));
  }
  Result<void> Commit() override {
    if (auto passed = faults_.Pass(); !passed.has_value()) {
      real_.reset();
      return passed;
    }
    return real_->Commit();
  }
  // Room is what the fault was for, or what the real one wants.
  bool WantsRoom() const override { return faults_.failed != 0 || (real_ && real_->WantsRoom()); }
};

class FaultyTable final : public EntryTable {
 public:
  // `faults` outlives the table.
  FaultyTable(std::unique_ptr<EntryTable> real, Faults& faults) : real_(std::move(real)), faults_(faults) {}

  Result<std::unique_ptr<TableSnapshot>> Snapshot() override {
    TRY(faults_.Pass());
    return std::unique_ptr<TableSnapshot>(
        std::make_unique<FaultyReads<TableSnapshot>>(TRY(real_->Snapshot()), faults_));
  }
  Result<std::unique_ptr<TableTransaction>> BeginTransaction(Room room) override {
    if (const auto begins = std::exchange(faults_.begins, nullptr)) begins();
    TRY(faults_.Pass());
    return std::unique_ptr<TableTransaction>(
        std::make_unique<FaultyTransaction>(TRY(real_->BeginTransaction(room)), faults_));
  }
  Usage GetUsage() override { return real_->GetUsage(); }
  Result<std::uint64_t> ForeignCommits() override { return real_->ForeignCommits(); }
  Result<bool> Grow(Room) override {
    TRY(faults_.Pass());
    return faults_.grows;
  }

 private:
  std::unique_ptr<EntryTable> real_;
  Faults& faults_;
};

}  // namespace certfs
