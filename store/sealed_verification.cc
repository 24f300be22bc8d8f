// Reading all there is. What leads to a record is followed from the manifest down, so that what is whole here
// is whole for every reader; then the rows are counted, to see whether any of them was not led to.

#include "store/sealed_entry_table.h"

namespace certfs {

namespace {

// Hears of the damaged nodes of a tree.
class NodeCheck final : public TreeVisitor {
 public:
  NodeCheck(std::string subject, std::vector<Damage>& damages)
      : subject_(std::move(subject)), damages_(damages) {}

  bool TakeKnown(const Digest&) override { return false; }
  Result<void> Take(const Digest&, const std::vector<TreeItem>&, bool) override { return {}; }
  void Damaged(Error error) override { damages_.push_back({subject_, error.message()}); }
  bool full() const override { return false; }

 private:
  const std::string subject_;
  std::vector<Damage>& damages_;
};

// Subtrees of that many items are visited at a time; it only bounds memory.
constexpr std::size_t kItemsMax = 64;

class Verifier {
 public:
  Verifier(SealedView& view, lmdb::Transaction& transaction, const VerificationProgress& progress)
      : view_(view), transaction_(transaction), progress_(progress) {}

  Result<void> CountRows();
  Result<void> ReadStores();
  Result<void> ReadLedger();
  void ReadSingles();
  // Of what it read, and what was damaged, against the rows that there are.
  void CompareCounts();

  VerificationReport& report() { return report_; }

 private:
  // Notes damage; any other failure ends the verification.
  Result<void> Note(std::string subject, const Error& error);
  Result<void> ReadEntries(const Store& store);
  Result<void> ReadFiles(const std::string& path, const Entry& entry);
  void Advance();

  SealedView& view_;
  lmdb::Transaction& transaction_;
  const VerificationProgress& progress_;
  VerificationReport report_;
  std::uint64_t rows_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t unread_ = 0;  // Rows that were led to, and are damaged.
  bool cut_off_ = false;      // Damage hides what lies behind it.
};

Result<void> Verifier::Note(std::string subject, const Error& error) {
  if (error.code() != ErrorCode::kCorrupt) return error;
  report_.damages.push_back({std::move(subject), error.message()});
  return {};
}

void Verifier::Advance() {
  ++done_;
  if (progress_) progress_(done_, rows_);
}

Result<void> Verifier::CountRows() {
  for (const lmdb::Table table : {lmdb::Table::kStores, lmdb::Table::kEntries, lmdb::Table::kContents}) {
    TRY(transaction_.Scan(table, {}, [&](BytesView, BytesView) {
      ++rows_;
      return true;
    }));
  }
  return {};
}

Result<void> Verifier::ReadStores() {
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto store = view_.NextStore(after, &skipped);
    if (!store.has_value()) {
      cut_off_ = true;
      TRY(Note("a store", store.error()));
      if (skipped <= after) return {};
      after = skipped;
      continue;
    }
    if (!store.value()) return {};
    after = store.value()->at;
    ++report_.stores;
    Advance();
    TRY(ReadEntries(store.value()->item));
  }
}

Result<void> Verifier::ReadEntries(const Store& store) {
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto entry = view_.NextEntry(store.number, after, &skipped);
    if (!entry.has_value()) {
      cut_off_ = true;
      TRY(Note(store.name.text(), entry.error()));
      if (skipped <= after) return {};
      after = skipped;
      continue;
    }
    if (!entry.value()) return {};
    after = entry.value()->at;
    ++report_.entries;
    Advance();
    TRY(ReadFiles(store.name.text() + "/" + entry.value()->item.alias.text(), entry.value()->item));
  }
}

Result<void> Verifier::ReadFiles(const std::string& path, const Entry& entry) {
  for (const Member member : kMembers) {
    if (!entry.file(member)) continue;
    Advance();
    auto bytes = view_.ReadFile(entry, member);
    if (!bytes.has_value()) {
      ++unread_;
      TRY(Note(path + "/" + std::string(FileName(member)), bytes.error()));
      continue;
    }
    ++report_.files;
    report_.bytes += bytes.value().size();
  }
  return {};
}

Result<void> Verifier::ReadLedger() {
  auto listed = view_.ListIssued(0, [&](Cursor, const IssuedCertificate&) {
    ++report_.issued;
    return true;
  });
  if (!listed.has_value()) TRY(Note("the ledger of the authority", listed.error()));
  return {};
}

void Verifier::ReadSingles() {
  auto settings = view_.GetSettings();
  if (!settings.has_value()) report_.damages.push_back({"the settings", settings.error().message()});
  auto authority = view_.GetAuthority();
  if (!authority.has_value())
    report_.damages.push_back({"the certificate authority", authority.error().message()});
}

void Verifier::CompareCounts() {
  const std::uint64_t led_to = report_.stores + report_.entries + report_.files + unread_;
  // Of what damage hides nobody knows whether anything leads to it.
  if (!cut_off_ && rows_ > led_to) report_.unreferenced = rows_ - led_to;
}

}  // namespace

Result<VerificationReport> SealedTable::Verify(const VerificationProgress& progress) {
  const auto transaction = TRY(lmdb::Transaction::Begin(*shared_.environment, lmdb::Access::kRead));
  const std::shared_ptr<CheckedState> state = TRY(shared_.StateOf(*transaction));
  const Manifest& manifest = state->manifest();
  SealedView view(shared_, *transaction, *state, manifest, nullptr);
  Verifier verifier(view, *transaction, progress);
  TRY(verifier.CountRows());
  verifier.ReadSingles();
  TRY(verifier.ReadStores());
  TRY(verifier.ReadLedger());
  verifier.CompareCounts();
  // The indexes, which no record hangs off: what is damaged there is refused, or not found, when it is asked.
  const struct {
    Number tree;
    const Digest& root;
    const char* subject;
  } indexes[] = {{kTreeOfSerials, manifest.serials, "the index of serial numbers"},
                 {kTreeOfGroups, manifest.groups, "the index of the ledger"}};
  LmdbNodes nodes(*transaction, shared_.nodes);
  for (const auto& index : indexes) {
    NodeCheck check(index.subject, verifier.report().damages);
    TRY(HashTree(nodes, index.tree, index.root).Visit(0, kItemsMax, check));
  }
  return std::move(verifier.report());
}

}  // namespace certfs
