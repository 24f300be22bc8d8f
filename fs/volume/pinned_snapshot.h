// A snapshot in which one file of one entry still has the bytes that somebody is pinned to. Private to fs/.
//
// Thread-safety: as the snapshot that it borrows.

#pragma once

#include "fs/volume/content.h"
#include "store/entry_table.h"

namespace certfs {

class PinnedSnapshot final : public TableSnapshot {
 public:
  PinnedSnapshot(TableSnapshot& now, ContentPointer pinned) : now_(now), pinned_(std::move(pinned)) {}

  // `entry` as it was when it had those bytes, as far as what shows them depends on it.
  Entry AsItWas(Entry entry) const {
    entry.revision = pinned_->node.revision();
    return entry;
  }

  Result<SecretBytes> ReadFile(const Entry& entry, Member member) override {
    if (entry.number == pinned_->node.number() && member == pinned_->node.member())
      return SecretBytes::CopyOf(pinned_->bytes());
    return now_.ReadFile(entry, member);
  }

  Result<std::optional<Store>> FindStoreFolded(const StoreName& name) override {
    return now_.FindStoreFolded(name);
  }
  Result<std::optional<Entry>> FindEntryFolded(Number store, const Alias& alias) override {
    return now_.FindEntryFolded(store, alias);
  }
  Result<std::optional<Store>> FindStoreByNumber(Number number) override {
    return now_.FindStoreByNumber(number);
  }
  Result<std::optional<Entry>> FindEntryByNumber(Number number) override {
    auto found = TRY(now_.FindEntryByNumber(number));
    if (found && number == pinned_->node.number()) return std::optional(AsItWas(*std::move(found)));
    return found;
  }
  Result<std::optional<std::uint64_t>> FindEntryMark(Number number) override {
    return now_.FindEntryMark(number);
  }
  Result<std::optional<Listed<Store>>> NextStore(Cursor after, Cursor* skipped) override {
    return now_.NextStore(after, skipped);
  }
  Result<std::optional<Listed<Entry>>> NextEntry(Number store, Cursor after, Cursor* skipped) override {
    return now_.NextEntry(store, after, skipped);
  }
  Result<void> ListEntries(Number store, Cursor after, const EntryHeadSink& sink) override {
    return now_.ListEntries(store, after, sink);
  }
  Result<std::optional<SerialHolder>> FindSerial(const IssuedSerial& serial) override {
    return now_.FindSerial(serial);
  }
  Result<Settings> GetSettings() override { return now_.GetSettings(); }
  Result<AuthorityRecord> GetAuthority() override { return now_.GetAuthority(); }
  bool has_authority() override { return now_.has_authority(); }
  Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial) override {
    return now_.FindIssued(serial);
  }
  Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number) override {
    return now_.FindIssuedByNumber(number);
  }
  Result<void> ListIssued(Cursor after, const IssuedSink& sink) override {
    return now_.ListIssued(after, sink);
  }
  Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) override {
    return now_.ListIssued(group, sink);
  }
  std::uint64_t issued_count() override { return now_.issued_count(); }
  std::uint64_t commit() override { return now_.commit(); }
  Result<SecretBytes> DeriveViewKey() override { return now_.DeriveViewKey(); }
  StoreId store_id() override { return now_.store_id(); }

 private:
  TableSnapshot& now_;
  ContentPointer pinned_;
};

}  // namespace certfs
