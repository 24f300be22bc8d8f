// A keystore in memory that a test fills with anything, also with what no writer would get in, and looks at
// as status/ does.

#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/issuer_link.h"
#include "store/concerns.h"
#include "store/memory_table.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

class WatchedKeystore {
 public:
  WatchedKeystore() {
    auto table = MakeMemoryTable();
    table_ = table.get();
    keystore = Must(Keystore::Over(std::move(table), kRoot, [this] { return now; }));
    inspector = std::make_unique<Inspector>(*keystore);
  }

  // Puts bytes into an entry, which is made if it is not there, past every rule.
  Number Force(const std::string& store, const std::string& alias, Member member, BytesView bytes) {
    const auto transaction = Must(table_->BeginTransaction());
    const Store in = *Must(transaction->FindStore(NameOf(store)));
    Entry entry = Must(transaction->FindEntry(in.number, AliasOf(alias))).value_or(Entry());
    if (entry.number == 0) {
      entry.store = in.number;
      entry.alias = AliasOf(alias);
      entry.attributes.mode = 0755;
      entry.number = Must(transaction->PutEntry(entry));
    }
    ++entry.revision;
    entry.file(member) = File();
    entry.file(member)->attributes.mode = IsKeyMaterial(member) ? 0600 : 0644;
    Must(transaction->PutFile(entry, member, bytes));
    Must(transaction->PutEntry(entry));
    Must(transaction->Commit());
    return entry.number;
  }
  void Force(const std::string& store, const std::string& alias, Member member, const std::string& vector) {
    Force(store, alias, member, VectorOf(vector));
  }
  void SetMode(Number entry, std::uint32_t mode) {
    AttributeChange change;
    change.mode = mode;
    Must(keystore->SetEntryAttributes(entry, change));
  }

  // What there is in a store with nothing wrong: a pair, its root, a CRL, an export password.
  void FillWell() {
    Force("TRUSTED_ROOTS", "root", Member::kCertificate, "root.pem");
    Force("MACHINE_SSL_CERT", "__MACHINE_CERT", Member::kCertificate, "chain.pem");
    Force("MACHINE_SSL_CERT", "__MACHINE_CERT", Member::kKey, "leaf.key");
    Must(keystore->SetSettings({SecretOf("a password"), ExportProfile::kModern}));
    backup_read = true;
  }

  std::shared_ptr<const Inspection> Look() {
    for (;;) {
      const auto snapshot = Must(keystore->Snapshot());
      auto found = Must(inspector->Inspect(*snapshot, std::chrono::floor<std::chrono::seconds>(now)));
      if (found) return found;
    }
  }
  std::vector<Concern> Concerns() {
    inspection = Look();
    ConcernSources from{*inspection, std::chrono::floor<std::chrono::seconds>(now), authority, own, false,
                        backup_read};
    from.has_export_password = !Must(Must(keystore->Snapshot())->GetSettings()).export_password.empty();
    return ConcernsOf(from);
  }
  // "critical expired machine/web", without what is only noted.
  std::vector<std::string> Found() {
    std::vector<std::string> found;
    for (const Concern& each : Concerns()) {
      if (each.urgency != Urgency::kInfo)
        found.push_back(std::string(ToString(each.urgency)) + " " + each.id + " " + each.subject);
    }
    return found;
  }
  Concern Get(const std::string& id) {
    for (const Concern& each : Concerns()) {
      if (each.id == id) return each;
    }
    ADD_FAILURE() << "there is no finding " << id;
    return {};
  }

  Time now = test::kVectorTime;
  std::unique_ptr<Keystore> keystore;
  std::unique_ptr<Inspector> inspector;
  std::shared_ptr<const Inspection> inspection;
  std::vector<HealthFinding> authority;
  std::set<Digest> own;
  bool backup_read = false;

 private:
  EntryTable* table_ = nullptr;
};

}  // namespace certfs
