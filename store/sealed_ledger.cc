// The authority and its ledger in a sealed table: one record beside the settings, a record a line, and two
// hash trees that lead to the lines (store/README.md, "The authority").

#include <algorithm>
#include <utility>

#include "store/sealed_transaction.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kIssuedLabel = "certfs/v1/issued\0"sv;
constexpr auto kGroupLabel = "certfs/v1/group\0"sv;
constexpr std::size_t kGroupBytes = 3;  // Of a key in the tree of groups: the rest is the line's.

Error Damaged(Number number, std::string_view how) {
  return {ErrorCode::kCorrupt, "issued certificate " + std::to_string(number) + ": " + std::string(how)};
}

// What the keys of a group's lines begin with; zeros behind.
Digest GroupPrefix(const Manifest& manifest, const IssuedGroupKey& group) {
  const Bytes kind{static_cast<std::uint8_t>(group.group)};
  const Digest hidden = HmacSha256(manifest.index_key, {AsBytes(kGroupLabel), kind, group.value});
  Digest prefix{};
  std::copy_n(hidden.begin(), kGroupBytes, prefix.begin());
  return prefix;
}

bool HasPrefix(const Digest& key, const Digest& prefix) {
  return std::equal(prefix.begin(), prefix.begin() + kGroupBytes, key.begin());
}

bool IsIn(const IssuedCertificate& issued, const IssuedGroupKey& group) {
  const auto groups = GroupsOf(issued);
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace

Digest IssuedKey(const Manifest& manifest, const SerialNumber& serial) {
  return HmacSha256(manifest.index_key, {AsBytes(kIssuedLabel), serial});
}

Digest GroupedKey(const Manifest& manifest, const IssuedGroupKey& group, const Digest& issued_key) {
  Digest key = GroupPrefix(manifest, group);
  std::copy_n(issued_key.begin(), key.size() - kGroupBytes, key.begin() + kGroupBytes);
  return key;
}

// --- Reading

Result<AuthorityRecord> SealedView::GetAuthority() {
  if (manifest_.authority == Digest{}) return AuthorityRecord{};
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kManifest, kAuthorityKey));
  if (!sealed) return Error(ErrorCode::kCorrupt, "the record of the authority is missing");
  auto record = Open(*sealed, RecordKind::kAuthority, 0, 0, &manifest_.authority);
  if (!record.has_value()) return std::move(record).error().Within("the authority");
  return DecodeAuthority(record.value().plaintext.Reveal());
}

// Reads the line of that number. Its digest becomes `digest`; nothing where there is no record.
Result<std::optional<IssuedCertificate>> SealedView::OpenIssued(Number number, Digest& digest) {
  // Where nothing was ever issued there may be no table either.
  if (manifest_.issued == Digest{}) return std::optional<IssuedCertificate>();
  const std::optional<BytesView> sealed = TRY(transaction_.Get(lmdb::Table::kIssued, RecordKey(number)));
  if (!sealed) return std::optional<IssuedCertificate>();
  const Record record = TRY(Open(*sealed, RecordKind::kIssued, number, 0, nullptr));
  IssuedCertificate issued = TRY(DecodeIssued(record.plaintext.Reveal()));
  digest = record.digest;
  return std::optional(std::move(issued));
}

// Reads the line that a leaf of the tree of the ledger points to.
Result<IssuedCertificate> SealedView::LoadIssued(const TreeItem& item) {
  Digest digest{};
  std::optional<IssuedCertificate> issued = TRY(OpenIssued(item.number, digest));
  if (!issued) return Damaged(item.number, "its record is missing");
  if (digest != item.digest || issued->number != item.number ||
      IssuedKey(manifest_, issued->serial) != item.key)
    return Damaged(item.number, "its record is not the one that the tree knows");
  return *std::move(issued);
}

Result<std::optional<IssuedCertificate>> SealedView::FindIssued(const SerialNumber& serial) {
  HashTree tree(nodes_, kTreeOfIssued, manifest_.issued);
  const std::optional<TreeItem> item = TRY(tree.Find(IssuedKey(manifest_, serial)));
  if (!item) return std::optional<IssuedCertificate>();
  return std::optional(TRY(LoadIssued(*item)));
}

Result<std::optional<IssuedCertificate>> SealedView::FindIssuedByNumber(Number number) {
  Digest digest{};
  std::optional<IssuedCertificate> issued = TRY(OpenIssued(number, digest));
  if (!issued) return issued;
  HashTree tree(nodes_, kTreeOfIssued, manifest_.issued);
  const std::optional<TreeItem> item = TRY(tree.Find(IssuedKey(manifest_, issued->serial)));
  if (!item || item->number != number || item->digest != digest || issued->number != number)
    return Damaged(number, "its record is not the one that the tree knows");
  return issued;
}

// Shows a sink the lines that the leaves of a tree lead to.
class SealedView::IssuedLister final : public TreeVisitor {
 public:
  // Returns the line of an item, nothing where it is none of those that are listed; sets `ended` when none
  // comes any more.
  using Loader = std::function<Result<std::optional<IssuedCertificate>>(const TreeItem& item, bool& ended)>;
  IssuedLister(const Manifest& manifest, Loader load, const IssuedSink& sink)
      : manifest_(manifest), load_(std::move(load)), sink_(sink) {}

  bool TakeKnown(const Digest&) override { return false; }

  Result<void> Take(const Digest&, const std::vector<TreeItem>& items, bool) override {
    for (const TreeItem& item : items) {
      if (full_) break;
      auto issued = load_(item, full_);
      if (!issued.has_value()) {
        if (issued.error().code() != ErrorCode::kCorrupt) return std::move(issued).error();
        Damaged(std::move(issued).error());
      } else if (issued.value()) {
        const Cursor at = CursorOf(IssuedKey(manifest_, issued.value()->serial));
        stopped_ = !sink_(at, *issued.value());
        full_ = stopped_;
      }
    }
    return {};
  }

  void Damaged(Error error) override {
    if (!full_) damage_ = std::move(error);
  }
  bool full() const override { return full_; }

  Result<void> Finish() {
    if (damage_ && !stopped_) return *std::move(damage_);
    return {};
  }

 private:
  const Manifest& manifest_;
  const Loader load_;
  const IssuedSink& sink_;
  bool full_ = false;
  bool stopped_ = false;  // By the sink, which then has what it wanted.
  std::optional<Error> damage_;
};

Result<void> SealedView::ListIssued(Cursor after, const IssuedSink& sink) {
  const auto load = [&](const TreeItem& item, bool&) -> Result<std::optional<IssuedCertificate>> {
    if (CursorOf(item.key) <= after) return std::optional<IssuedCertificate>();
    return std::optional(TRY(LoadIssued(item)));
  };
  HashTree tree(nodes_, kTreeOfIssued, manifest_.issued);
  IssuedLister lister(manifest_, load, sink);
  TRY(tree.Visit(after, 0, lister));  // Leaf by leaf.
  return lister.Finish();
}

// The leaves hold no digest of a line: its own tree checks it. Keys of two groups may begin alike, so that a
// line is asked whether it belongs here.
Result<void> SealedView::ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) {
  const Digest prefix = GroupPrefix(manifest_, group);
  const auto load = [&](const TreeItem& item, bool& ended) -> Result<std::optional<IssuedCertificate>> {
    std::optional<IssuedCertificate> none;
    if (!HasPrefix(item.key, prefix)) {
      ended = item.key > prefix;
      return none;
    }
    auto issued = TRY(FindIssuedByNumber(item.number));
    if (!issued) return Damaged(item.number, "its record is missing");
    if (GroupedKey(manifest_, group, IssuedKey(manifest_, issued->serial)) != item.key)
      return Damaged(item.number, "its record is that of another");
    return IsIn(*issued, group) ? std::move(issued) : std::move(none);
  };
  HashTree tree(nodes_, kTreeOfGroups, manifest_.groups);
  IssuedLister lister(manifest_, load, sink);
  const Cursor first = CursorOf(prefix);
  TRY(tree.Visit(first == 0 ? 0 : first - 1, 0, lister));
  return lister.Finish();
}

// --- Writing

Result<void> SealedTransaction::PutAuthority(const AuthorityRecord& record) {
  TRY(CheckAuthority(record));
  const Bytes sealed = TRY(SealRecord(RecordKind::kAuthority, 0, 0, EncodeAuthority(record).Reveal()));
  TRY(transaction_->Put(lmdb::Table::kManifest, kAuthorityKey, sealed));
  manifest_.authority = Sha256({sealed});
  manifest_.has_authority = !record.certificates.empty();
  touched_authority_ = true;
  return {};
}

Result<Number> SealedTransaction::PutIssued(IssuedCertificate issued) {
  touched_authority_ = true;
  TRY(CheckIssued(issued));
  if (issued.number != 0) TRY(IndexNewLines());
  const Digest key = IssuedKey(manifest_, issued.serial);
  HashTree tree(view_.nodes(), kTreeOfIssued, manifest_.issued);
  const std::optional<TreeItem> taken = TRY(tree.Find(key));
  if ((taken && taken->number != issued.number) || new_lines_.contains(key))
    return Error(ErrorCode::kAlreadyExists, "another certificate has this serial number");
  if (issued.number == 0) {
    issued.number = TRY(NewNumber());
    ++manifest_.issued_count;
    const SecretBytes plaintext = EncodeIssued(issued);
    const Bytes sealed = TRY(SealRecord(RecordKind::kIssued, issued.number, 0, plaintext.Reveal()));
    TRY(transaction_->Put(lmdb::Table::kIssued, RecordKey(issued.number), sealed));
    new_lines_[key] = {key, issued.number, Sha256({sealed})};
    for (const IssuedGroupKey& group : GroupsOf(issued)) {
      const Digest grouped = GroupedKey(manifest_, group, key);
      new_groups_[grouped] = {grouped, issued.number, Digest{}};
    }
    return issued.number;
  }
  if (!taken) return Error(ErrorCode::kNotFound, "there is no such line of the ledger");
  const std::optional<IssuedCertificate> old = TRY(FindIssuedByNumber(issued.number));
  if (!old) return Error(ErrorCode::kCorrupt, "a line of the ledger is missing");
  TRY(SealIssued(issued, manifest_.commit));
  TRY(Regroup(GroupsOf(*old), issued));
  return issued.number;
}

Result<void> SealedTransaction::IndexNewLines() {
  const auto put = [&](Number tree, Digest& root, std::map<Digest, TreeItem>& from) -> Result<void> {
    if (from.empty()) return {};
    std::vector<TreeItem> items;
    items.reserve(from.size());
    for (auto& [key, item] : std::exchange(from, {})) items.push_back(item);
    HashTree changed(view_.nodes(), tree, root);
    TRY(changed.PutAll(std::move(items)));
    root = changed.root();
    return {};
  };
  TRY(put(kTreeOfIssued, manifest_.issued, new_lines_));
  return put(kTreeOfGroups, manifest_.groups, new_groups_);
}

Result<std::optional<IssuedCertificate>> SealedTransaction::FindIssued(const SerialNumber& serial) {
  TRY(IndexNewLines());
  return SealedReads::FindIssued(serial);
}

Result<std::optional<IssuedCertificate>> SealedTransaction::FindIssuedByNumber(Number number) {
  TRY(IndexNewLines());
  return SealedReads::FindIssuedByNumber(number);
}

Result<void> SealedTransaction::ListIssued(Cursor after, const IssuedSink& sink) {
  TRY(IndexNewLines());
  return SealedReads::ListIssued(after, sink);
}

Result<void> SealedTransaction::ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) {
  TRY(IndexNewLines());
  return SealedReads::ListIssued(group, sink);
}

Result<std::size_t> SealedTransaction::SealIssued(const IssuedCertificate& issued, std::uint64_t revision) {
  const SecretBytes plaintext = EncodeIssued(issued);
  const Bytes sealed = TRY(SealRecordAs(revision, RecordKind::kIssued, issued.number, 0, plaintext.Reveal()));
  TRY(transaction_->Put(lmdb::Table::kIssued, RecordKey(issued.number), sealed));
  HashTree tree(view_.nodes(), kTreeOfIssued, manifest_.issued);
  TRY(tree.Put({IssuedKey(manifest_, issued.serial), issued.number, Sha256({sealed})}));
  manifest_.issued = tree.root();
  return sealed.size();
}

// Takes a line out of the groups that it has left, and puts it into those that it has joined.
Result<void> SealedTransaction::Regroup(const std::vector<IssuedGroupKey>& before,
                                        const IssuedCertificate& issued) {
  const std::vector<IssuedGroupKey> after = GroupsOf(issued);
  const Digest issued_key = IssuedKey(manifest_, issued.serial);
  const auto lacks = [](const std::vector<IssuedGroupKey>& groups, const IssuedGroupKey& group) {
    return std::find(groups.begin(), groups.end(), group) == groups.end();
  };
  // Two groups may share a key, so that what is left goes before what is joined comes, and what stays is put
  // once more.
  HashTree tree(view_.nodes(), kTreeOfGroups, manifest_.groups);
  bool left = false;
  for (const IssuedGroupKey& group : before) {
    if (!lacks(after, group)) continue;
    TRY(tree.Remove(GroupedKey(manifest_, group, issued_key)));
    left = true;
  }
  for (const IssuedGroupKey& group : after) {
    if (left || lacks(before, group))
      TRY(tree.Put({GroupedKey(manifest_, group, issued_key), issued.number, Digest{}}));
  }
  manifest_.groups = tree.root();
  return {};
}

}  // namespace certfs
