#include "store/authority_packer.h"

#include <utility>

#include "crypto/pem.h"
#include "store/authority_archive.h"

namespace certfs {

namespace {

constexpr std::uint32_t kForAll = 0644;
constexpr std::uint32_t kForRoot = 0600;

// The name of an entry; none where it is no more.
Result<EntryName> NameOf(TableSnapshot& snapshot, Number number) {
  if (number == 0) return EntryName();
  const auto entry = TRY(snapshot.FindEntryByNumber(number));
  if (!entry) return EntryName();
  const auto store = TRY(snapshot.FindStoreByNumber(entry->store));
  if (!store) return EntryName();
  return store->name.text() + "/" + entry->alias.text();
}

Result<ArchivedAuthority> WithNames(TableSnapshot& snapshot, AuthorityRecord record) {
  ArchivedAuthority authority;
  for (AuthorityCertificate& each : record.certificates) {
    EntryName root = TRY(NameOf(snapshot, each.root_entry));
    EntryName list = TRY(NameOf(snapshot, each.crl_entry));
    authority.places.push_back({std::move(root), std::move(list)});
    each.root_entry = each.crl_entry = 0;
  }
  if (record.last_operation) {
    // Of an entry that is no more there is nothing to revert.
    std::vector<LastOperation::Changed> kept;
    for (const LastOperation::Changed& each : record.last_operation->entries) {
      EntryName name = TRY(NameOf(snapshot, each.entry));
      if (name.empty()) continue;
      kept.push_back({0, each.revision});
      authority.changed.push_back(std::move(name));
    }
    record.last_operation->entries = std::move(kept);
  }
  authority.record = std::move(record);
  return authority;
}

Result<void> PackRecord(const ArchivedAuthority& authority, const ArchiveFileSink& sink) {
  TRY(sink(std::string(kAuthorityPath), kForRoot, AsBytes(AuthorityJson(authority))));
  for (const AuthorityCertificate& each : authority.record.certificates) {
    SecretBytes text = WritePem("CERTIFICATE", each.certificate);
    for (const Bytes& certificate : each.chain) {
      const SecretBytes pem = WritePem("CERTIFICATE", certificate);
      text.insert(text.end(), pem.Reveal().begin(), pem.Reveal().end());
    }
    TRY(sink(AuthorityCertificatePath(each.id), kForAll, text.Reveal()));
    if (each.key.empty()) continue;
    TRY(sink(AuthorityKeyPath(each.id), kForRoot, WritePem("PRIVATE KEY", each.key.Reveal()).Reveal()));
  }
  for (const auto& [name, toml] : authority.record.profiles)
    TRY(sink(ProfilePath(name), kForAll, AsBytes(toml)));
  return {};
}

// Collects lines, and gives them away file by file.
class LedgerPacker {
 public:
  LedgerPacker(TableSnapshot& snapshot, const ArchiveFileSink& sink) : snapshot_(snapshot), sink_(sink) {}

  Result<void> Add(const IssuedCertificate& issued) {
    EntryName entry = TRY(NameOf(snapshot_, issued.entry));
    const ArchivedLine line{issued.Clone(), std::move(entry)};
    const SecretBytes text = LineText(line);
    file_.insert(file_.end(), text.Reveal().begin(), text.Reveal().end());
    ++lines_;
    return file_.size() < kLedgerChunkBytes ? Result<void>() : Flush();
  }

  Result<void> Flush() {
    if (file_.empty()) return {};
    TRY(sink_(LedgerPath(++files_), kForRoot, file_.Reveal()));
    file_.clear();
    return {};
  }

  std::uint64_t lines() const noexcept { return lines_; }

 private:
  TableSnapshot& snapshot_;
  const ArchiveFileSink& sink_;
  SecretBytes file_;
  std::uint64_t files_ = 0;
  std::uint64_t lines_ = 0;
};

}  // namespace

Result<std::uint64_t> PackAuthority(TableSnapshot& snapshot, const ArchiveFileSink& sink) {
  AuthorityRecord record = TRY(snapshot.GetAuthority());
  const bool untouched =
      EqualSecrets(EncodeAuthority(record).Reveal(), EncodeAuthority(AuthorityRecord{}).Reveal());
  if (untouched && snapshot.issued_count() == 0) return std::uint64_t{0};
  TRY(PackRecord(TRY(WithNames(snapshot, std::move(record))), sink));
  LedgerPacker packer(snapshot, sink);
  Result<void> packed;
  TRY(snapshot.ListIssued(0, [&](Cursor, const IssuedCertificate& issued) {
    packed = packer.Add(issued);
    return packed.has_value();
  }));
  if (!packed.has_value()) return std::move(packed).error();
  TRY(packer.Flush());
  return packer.lines();
}

}  // namespace certfs
