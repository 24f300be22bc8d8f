#include "store/backup_reader.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/pem.h"
#include "crypto/request_config.h"
#include "crypto/sealing.h"
#include "crypto/store_file.h"
#include "store/archive_reader.h"
#include "store/authority_reader.h"
#include "store/backup_layout.h"
#include "store/bounded_json.h"
#include "store/envelope_blocks.h"
#include "store/policy.h"

namespace certfs {

namespace {

Error Odd(std::string what) { return {ErrorCode::kMalformed, std::move(what)}; }

// A decimal number of type `T`, the whole of `text` and in its one form.
template <typename T>
Result<T> NumberIn(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::to_string(value) != text)
    return Odd("a number that is none");
  return value;
}

// A name as it was parsed; whatever is wrong with it, no backup has it.
template <typename Name>
Result<Name> NameFrom(Result<Name> parsed) {
  if (!parsed.has_value()) return Odd(parsed.error().message());
  return parsed;
}

// Names that were seen in one place, by the digests of their folded forms.
class SeenNames {
 public:
  void Add(std::string_view name) { names_.push_back(Sha256({AsBytes(FoldName(name))})); }
  bool HasTwice() {
    std::ranges::sort(names_);
    return std::ranges::adjacent_find(names_) != names_.end();
  }
  void Clear() { names_.clear(); }

 private:
  std::vector<Digest> names_;
};

// The parts of a path, between its slashes.
std::vector<std::string_view> PartsOf(std::string_view path) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

class Parser {
 public:
  Parser(ArchiveReader& archive, BackupConsumer& consumer)
      : archive_(archive), consumer_(consumer), authority_(archive, consumer) {}

  Result<void> Run();

 private:
  // What may come next; each comes before the ones behind it.
  enum class Stage { kManifest, kSettings, kPassword, kRecovery, kStores, kAuthority };

  Result<void> Read(const ArchivedItem& item);
  Result<void> ReadManifest(const ArchivedItem& item);
  Result<void> ReadSettings(const ArchivedItem& item);
  Result<void> ReadRecovery(const ArchivedItem& item);
  Result<void> ReadStored(const ArchivedItem& item);
  Result<void> BeginStore(const ArchivedItem& item, std::string_view name);
  Result<void> BeginEntry(const ArchivedItem& item, std::string_view alias);
  Result<void> BeginNext(const ArchivedItem& item, std::string_view alias);
  Result<void> BeginAny(const ArchivedItem& item, Alias alias);
  Result<void> ReadFile(const ArchivedItem& item, std::string_view name);
  Result<void> EndSettings();
  Result<void> EndEntry();
  Result<void> CheckWhole(BackupEntry& entry) const;
  Result<void> EndStore();
  Result<void> EndStores();
  Result<void> End();

  Result<std::string> SmallText(const ArchivedItem& item);

  ArchiveReader& archive_;
  BackupConsumer& consumer_;
  Stage stage_ = Stage::kManifest;
  BackupManifest manifest_;
  BackupCounts counts_;
  Settings settings_;
  bool settings_given_ = false;
  std::optional<BackupStore> store_;
  const StorePolicy* policy_ = nullptr;  // Of the store.
  std::optional<BackupEntry> entry_;
  bool placed_ = false;  // A failure already says where it was found.
  Alias live_;           // The last entry that may have one staged behind it.
  SeenNames stores_;
  SeenNames aliases_;
  std::vector<std::string> store_names_;  // Of the protected ones.
  AuthorityReader authority_;
};

Result<void> Parser::Run() {
  for (;;) {
    const auto item = TRY(archive_.Next());
    if (!item) return End();
    placed_ = false;
    auto read = Read(*item);
    if (read.has_value()) continue;
    return placed_ ? std::move(read).error() : std::move(read).error().Within(item->path);
  }
}

Result<void> Parser::Read(const ArchivedItem& item) {
  if (stage_ == Stage::kManifest) return ReadManifest(item);
  if (stage_ == Stage::kSettings) return ReadSettings(item);
  if (stage_ == Stage::kPassword && !item.directory && item.path == kBackupPasswordPath) {
    if (item.size == 0 || item.size > kExportPasswordBytesMax) return Odd("a size that it cannot have");
    settings_.export_password = TRY(archive_.Content());
    return EndSettings();
  }
  if (!settings_given_) TRY(EndSettings());
  if (stage_ == Stage::kRecovery && item.path.starts_with(kBackupRecoveryFolder)) return ReadRecovery(item);
  if (stage_ != Stage::kAuthority && !item.path.starts_with(kAuthorityFolder)) {
    stage_ = Stage::kStores;
    return ReadStored(item);
  }
  if (stage_ == Stage::kStores) TRY(EndStores());
  if (stage_ != Stage::kAuthority || manifest_.format < 2)
    return Odd("is nothing that stands there in a backup");
  return authority_.Read(item);
}

Result<std::string> Parser::SmallText(const ArchivedItem& item) {
  constexpr std::uint64_t kSmall = 64 << 10;
  if (item.directory || item.size > kSmall) return Odd("is not what stands in its place");
  return std::string(AsText(TRY(archive_.Content()).Reveal()));
}

Result<void> Parser::ReadManifest(const ArchivedItem& item) {
  if (item.path != kBackupManifestPath) return Odd("stands where a backup has its manifest.json");
  manifest_ = TRY(DecodeBackupManifest(TRY(SmallText(item))));
  stage_ = Stage::kSettings;
  return consumer_.Take(manifest_);
}

Result<void> Parser::ReadSettings(const ArchivedItem& item) {
  if (item.path != kBackupSettingsPath) return Odd("stands where a backup has its settings.json");
  const auto object = ParseBoundedJson<nlohmann::json>(TRY(SmallText(item)));
  const auto profile = object.is_object() ? object.find("profile") : object.end();
  if (profile == object.end() || (*profile != "modern" && *profile != "compatible"))
    return Odd("no settings of a backup");
  settings_.profile = *profile == "modern" ? ExportProfile::kModern : ExportProfile::kCompatible;
  stage_ = Stage::kPassword;
  return {};
}

Result<void> Parser::EndSettings() {
  settings_given_ = true;
  stage_ = Stage::kRecovery;
  return consumer_.Take(std::move(settings_));
}

Result<void> Parser::ReadRecovery(const ArchivedItem& item) {
  const CertificateFile file = TRY(ReadCertificateFile(AsBytes(TRY(SmallText(item)))));
  const Certificate& certificate = file.certificates.front();
  if (file.certificates.size() != 1 ||
      item.path != std::string(kBackupRecoveryFolder) + ToHex(certificate.fingerprint()) + ".pem") {
    return Odd("is not the certificate that its name says");
  }
  return consumer_.Take(certificate);
}

Result<void> Parser::ReadStored(const ArchivedItem& item) {
  const std::vector<std::string_view> parts = PartsOf(item.path);
  if (parts.size() < 2 || parts[0] != "stores") return Odd("is nothing that a backup holds");
  if (item.directory && parts.size() == 2) return BeginStore(item, parts[1]);
  if (!store_ || parts.size() < 3 || parts[1] != store_->name.text()) return Odd("stands outside its store");
  if (item.directory && parts.size() == 3) return BeginEntry(item, parts[2]);
  if (item.directory && parts.size() == 4 && parts[3] == kNextName) return BeginNext(item, parts[2]);
  const bool of_entry = parts.size() == 4 && entry_ && entry_->alias.text() == parts[2];
  const bool of_next = parts.size() == 5 && parts[3] == kNextName && entry_ && entry_->is_staged() &&
                       entry_->alias == live_.Next() && live_.text() == parts[2];
  if (item.directory || (!of_entry && !of_next)) return Odd("stands outside its entry");
  return ReadFile(item, parts.back());
}

Result<void> Parser::BeginStore(const ArchivedItem& item, std::string_view name) {
  TRY(EndStore());
  if (!item.extras.empty() && (item.extras.contains(kExtraRevision) || item.extras.contains(kExtraChanged) ||
                               item.extras.contains(kExtraOrigin) || item.extras.contains(kExtraDated))) {
    return Odd("a store with an attribute of an entry");
  }
  const auto enforce = item.extras.find(kExtraEnforce);
  const bool enforces = enforce != item.extras.end();
  if (enforces && (enforce->second != "1" || manifest_.format < 2))
    return Odd("a store with an attribute of a value that it cannot have");
  store_ = BackupStore{TRY(NameFrom(StoreName::Parse(name))), item.attributes, enforces};
  if (FoldName(name) == FoldName(kLinkName)) return Odd("a store of a name that no store has");
  stores_.Add(name);
  policy_ = &PolicyOf(store_->name);
  if (!policy_->removable) store_names_.push_back(store_->name.text());
  ++counts_.stores;
  return consumer_.Take(*store_);
}

Result<void> Parser::BeginEntry(const ArchivedItem& item, std::string_view name) {
  TRY(EndEntry());
  const bool kept = policy_->holds == Holds::kNothing;
  if (kept && !name.starts_with(kKeptPrefix)) return Odd("is no kept state");
  live_ = TRY(NameFrom(kept ? Alias::ParseGiven(name) : Alias::Parse(name)));
  aliases_.Add(name);
  return BeginAny(item, live_);
}

Result<void> Parser::BeginNext(const ArchivedItem& item, std::string_view name) {
  const bool follows = entry_ && !entry_->is_staged() && entry_->alias.text() == name;
  if (!follows || policy_->holds == Holds::kNothing) return Odd("is staged for nothing");
  // Whether the store stages anything at all: the live entry may have come to hold something else since.
  if (!MayStage(WithoutKinds(*policy_), {})) return Odd("is staged in a store that holds no pairs");
  TRY(EndEntry());
  return BeginAny(item, live_.Next());
}

Result<void> Parser::BeginAny(const ArchivedItem& item, Alias alias) {
  BackupEntry& entry = entry_.emplace();
  entry.alias = std::move(alias);
  entry.attributes = item.attributes;
  const auto extra = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto found = item.extras.find(name);
    if (found == item.extras.end()) return std::nullopt;
    return found->second;
  };
  const auto revision = extra(kExtraRevision);
  if (!revision) return Odd("an entry without its revision");
  entry.revision = TRY(NumberIn<Revision>(*revision));
  if (const auto changed = extra(kExtraChanged)) {
    const std::size_t space = changed->find(' ');
    if (space == std::string_view::npos) return Odd("an entry that nobody has changed");
    entry.changed =
        LastChange{TRY(NumberIn<std::uint32_t>(changed->substr(0, space))),
                   Time(std::chrono::nanoseconds(TRY(NumberIn<std::int64_t>(changed->substr(space + 1)))))};
  }
  if (const auto origin = extra(kExtraOrigin)) {
    if (policy_->holds != Holds::kNothing) return Odd("an origin outside of BACKUP_STORE");
    entry.origin = TRY(NameFrom(StoreName::Parse(*origin)));
  }
  if (extra(kExtraDated) || extra(kExtraEnforce)) return Odd("an entry with an attribute of something else");
  ++counts_.entries;
  return {};
}

// What bytes of a file must be. Says nothing about a secret, nor about what is looked at once the entry is
// whole.
Result<void> CheckContent(Member member, BytesView bytes) {
  switch (member) {
    case Member::kRevocationList:
      return OutlineRevocationList(bytes);
    case Member::kRequest:
      TRY(RequestConfig::Parse(bytes));
      return {};
    case Member::kSigningRequest:
      return OutlineSigningRequest(bytes);
    case Member::kCertificate:
    case Member::kKey:
    case Member::kSecret:
      return {};
  }
  return {};
}

Result<void> Parser::ReadFile(const ArchivedItem& item, std::string_view name) {
  const std::optional<Member> member = MemberNamed(name);
  if (!member) return Odd("is no file of an entry");
  if (entry_->file(*member)) return Odd("stands there twice");
  if (item.size == 0 || item.size > kFileBytesMax) return Odd("a size that no file of an entry has");
  // The mode shows what an ACL gives others.
  if (IsKeyMaterial(*member) && (item.attributes.mode & kBitsForOthers) != 0)
    return Odd("key material with permissions for others");
  ArchivedFile file{item.attributes, false, {}};
  for (const auto& [extra, value] : item.extras) {
    if (extra == kExtraDated && entry_->is_staged() && value == "1") {
      file.dated = true;
    } else if (extra != kExtraAccessAcl) {
      return Odd("a file with an attribute that it cannot have");
    }
  }
  // Which files may stand together; protected stores also say which kinds they hold.
  Entry so_far;
  so_far.alias = entry_->alias;
  for (const Member other : kMembers) {
    if (entry_->file(other)) so_far.file(other).emplace();
  }
  if (!MayHold(WithoutKinds(*policy_), so_far, *member)) return Odd("a file that does not belong there");
  file.bytes = TRY(archive_.Content());
  TRY(CheckContent(*member, file.bytes.Reveal()));
  ++counts_.files;
  counts_.bytes += file.bytes.size();
  entry_->file(*member) = std::move(file);
  return {};
}

// A live pair matches, and its certificates are in the index of serial numbers.
Result<void> Parser::CheckWhole(BackupEntry& entry) const {
  const bool live = policy_->holds != Holds::kNothing && !entry.is_staged();
  const auto& certificate = entry.file(Member::kCertificate);
  const auto& key = entry.file(Member::kKey);
  std::vector<CertificateOutline> certificates;
  if (certificate) certificates = TRY(OutlineCertificates(certificate->bytes.Reveal()));
  if (key && (!live || !certificate)) TRY(OutlineKey(key->bytes.Reveal()));
  if (!live || !certificate) return {};
  if (key && !TRY(OutlineMatches(key->bytes.Reveal(), certificates.front())))
    return Odd("its key does not match its certificate");
  entry.certificates = std::move(certificates);
  return {};
}

Result<void> Parser::EndEntry() {
  if (!entry_) return {};
  BackupEntry entry = *std::exchange(entry_, std::nullopt);
  auto whole = CheckWhole(entry);
  if (whole.has_value()) return consumer_.Take(std::move(entry));
  placed_ = true;
  return std::move(whole).error().Within(std::string(kBackupStoresFolder) + store_->name.text() + "/" +
                                         entry.alias.text());
}

Result<void> Parser::EndStore() {
  TRY(EndEntry());
  if (aliases_.HasTwice()) return Odd("the store before it has an alias twice, ignoring case");
  aliases_.Clear();
  return {};
}

// What comes behind the stores may refer to them.
Result<void> Parser::EndStores() {
  TRY(EndStore());
  if (stores_.HasTwice()) return Odd("a store stands there twice, ignoring case");
  for (const StorePolicy& policy : DefaultStores()) {
    if (!policy.removable && std::ranges::find(store_names_, policy.name) == store_names_.end())
      return Odd("the store " + std::string(policy.name) + " is missing");
  }
  stage_ = Stage::kAuthority;
  return {};
}

Result<void> Parser::End() {
  if (stage_ == Stage::kStores) TRY(EndStores());
  if (stage_ != Stage::kAuthority) return Odd("the archive ends before its stores");
  TRY(authority_.End());
  counts_.issued = authority_.lines();
  if (counts_ != manifest_.counts) return Odd("the archive holds something else than its manifest.json says");
  return {};
}

}  // namespace

std::size_t BackupEntry::size() const {
  std::size_t total = 0;
  for (const auto& each : files) {
    if (each) total += each->bytes.size();
  }
  return total;
}

Result<void> ReadBackup(EnvelopeReader& envelope, BackupConsumer& consumer) {
  EnvelopeBlocks blocks(envelope);
  ArchiveReader archive([&] { return blocks.Next(); });
  Parser parser(archive, consumer);
  auto read = parser.Run();
  if (read.has_value()) {
    TRY(blocks.Drain());
    if (archive.bytes() != envelope.message_bytes()) return Odd("something follows the archive");
    return {};
  }
  // What does not make sense in a changed message is explained by the tag that does not fit; but what the
  // consumer refused, or could not be read, needs no other explanation.
  if (read.error().code() == ErrorCode::kMalformed) TRY(blocks.Drain());
  return read;
}

}  // namespace certfs
