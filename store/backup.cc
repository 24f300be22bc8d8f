#include "store/backup.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "crypto/pem.h"
#include "crypto/running_digest.h"
#include "store/archive_writer.h"
#include "store/authority_packer.h"
#include "store/backup_layout.h"
#include "store/policy.h"
#include "store/second_thread.h"
#include "store/secret_pipe.h"

namespace certfs {

namespace {

// Stands for the content of any file while sizes are added up.
const Bytes& Zeros() {
  static const Bytes zeros(kFileBytesMax);
  return zeros;
}

Bytes Text(std::string_view text) { return {text.begin(), text.end()}; }

using Extras = std::vector<std::pair<std::string, Bytes>>;

void AddAcls(const Attributes& attributes, Extras& extras) {
  if (!attributes.access_acl.empty()) extras.emplace_back(kExtraAccessAcl, attributes.access_acl.Encode());
  if (!attributes.default_acl.empty()) extras.emplace_back(kExtraDefaultAcl, attributes.default_acl.Encode());
}

// Files of the backup's own: readable by whoever unpacks it, or by root alone. Their times take as much room
// as any other moment's, save that the epoch itself is left out of headers.
constexpr Time kAnyTime{std::chrono::seconds(1)};
Attributes OwnAttributes(std::uint32_t mode, Time now) {
  Attributes attributes;
  attributes.mode = mode;
  attributes.atime = attributes.mtime = attributes.ctime = std::max(now, kAnyTime);
  return attributes;
}

// Puts a snapshot into an archive, item by item. For measuring it does the same with zeros for the contents.
class Packer {
 public:
  enum class Contents { kReal, kZeros };

  Packer(TableSnapshot& snapshot, Contents contents, Time now, ArchiveSink sink)
      : snapshot_(snapshot), contents_(contents), now_(now), archive_(std::move(sink)) {}

  Result<void> PutManifest(const BackupManifest& manifest) {
    return PutOwn(kBackupManifestPath, 0644, AsBytes(EncodeBackupManifest(manifest)));
  }
  Result<void> PutSettings(const Settings& settings);
  Result<void> PutRecovery(const std::vector<Certificate>& recovery);
  Result<void> PutStores();
  Result<void> PutAuthority();
  Result<void> Finish() { return archive_.Finish(); }

  const BackupCounts& counts() const { return counts_; }

 private:
  Result<void> PutOwn(std::string_view path, std::uint32_t mode, BytesView content) {
    return archive_.Put({std::string(path), false, OwnAttributes(mode, now_), {}}, content);
  }
  Result<void> PutStore(const Store& store);
  Result<void> PutEntry(const StorePolicy& policy, const Entry& entry, const std::string& path);
  Result<void> PutFile(const Entry& entry, Member member, const std::string& path);
  Result<Extras> ExtrasOf(const StorePolicy& policy, const Entry& entry);

  TableSnapshot& snapshot_;
  const Contents contents_;
  const Time now_;
  ArchiveWriter archive_;
  BackupCounts counts_;
};

Result<void> Packer::PutSettings(const Settings& settings) {
  const nlohmann::ordered_json object{
      {"profile", settings.profile == ExportProfile::kCompatible ? "compatible" : "modern"}};
  TRY(PutOwn(kBackupSettingsPath, 0600, AsBytes(object.dump(2) + "\n")));
  if (settings.export_password.empty()) return {};
  return PutOwn(kBackupPasswordPath, 0600, settings.export_password.Reveal());
}

Result<void> Packer::PutRecovery(const std::vector<Certificate>& recovery) {
  for (const Certificate& certificate : recovery) {
    const SecretBytes text = WritePem("CERTIFICATE", certificate.der());
    TRY(PutOwn(std::string(kBackupRecoveryFolder) + ToHex(certificate.fingerprint()) + ".pem", 0644,
               text.Reveal()));
  }
  return {};
}

Result<void> Packer::PutStores() {
  for (Cursor after = 0;;) {
    const auto store = TRY(snapshot_.NextStore(after, nullptr));
    if (!store) return {};
    after = store->at;
    auto put = PutStore(store->item);
    if (!put.has_value()) return std::move(put).error().Within("the store " + store->item.name.text());
  }
}

Result<void> Packer::PutAuthority() {
  auto lines = PackAuthority(snapshot_, [&](const std::string& path, std::uint32_t mode, BytesView content) {
    return PutOwn(path, mode, content);
  });
  if (!lines.has_value()) return std::move(lines).error().Within("the certificate authority");
  counts_.issued = lines.value();
  return {};
}

Result<void> Packer::PutStore(const Store& store) {
  ++counts_.stores;
  const std::string path = std::string(kBackupStoresFolder) + store.name.text();
  ArchiveItem item{path, true, store.attributes, {}};
  if (store.enforce_revocation) item.extras.emplace_back(kExtraEnforce, Text("1"));
  AddAcls(store.attributes, item.extras);
  TRY(archive_.Put(item));
  const StorePolicy& policy = PolicyOf(store.name);
  for (Cursor after = 0;;) {
    const auto listed = TRY(snapshot_.NextEntry(store.number, after, nullptr));
    if (!listed) return {};
    after = listed->at;
    const Entry& entry = listed->item;
    if (entry.is_staged()) continue;  // Comes behind its live entry.
    auto put = PutEntry(policy, entry, path + "/" + entry.alias.text());
    if (!put.has_value()) return std::move(put).error().Within(entry.alias.text());
  }
}

Result<Extras> Packer::ExtrasOf(const StorePolicy& policy, const Entry& entry) {
  Extras extras;
  extras.emplace_back(kExtraRevision, Text(std::to_string(entry.revision)));
  if (entry.changed) {
    extras.emplace_back(kExtraChanged, Text(std::to_string(entry.changed->uid) + " " +
                                            std::to_string(entry.changed->at.time_since_epoch().count())));
  }
  if (policy.holds == Holds::kNothing) {
    // Of a store that is no more, no name is left.
    const auto origin = TRY(snapshot_.FindStoreByNumber(entry.origin));
    if (origin) extras.emplace_back(kExtraOrigin, Text(origin->name.text()));
  }
  AddAcls(entry.attributes, extras);
  return extras;
}

Result<void> Packer::PutEntry(const StorePolicy& policy, const Entry& entry, const std::string& path) {
  ++counts_.entries;
  auto extras = TRY(ExtrasOf(policy, entry));
  TRY(archive_.Put({path, true, entry.attributes, std::move(extras)}));
  for (const Member member : kMembers) {
    if (entry.file(member)) TRY(PutFile(entry, member, path + "/" + std::string(FileName(member))));
  }
  // What cannot be staged is not looked for.
  if (entry.is_staged() || policy.holds == Holds::kNothing) return {};
  const auto next = TRY(snapshot_.FindEntryFolded(entry.store, entry.alias.Next()));
  if (!next) return {};
  return PutEntry(policy, *next, path + "/" + std::string(kNextName));
}

Result<void> Packer::PutFile(const Entry& entry, Member member, const std::string& path) {
  const File& file = *entry.file(member);
  ++counts_.files;
  counts_.bytes += file.size;
  ArchiveItem item{path, false, file.attributes, {}};
  if (file.dated) item.extras.emplace_back(kExtraDated, Text("1"));
  AddAcls(file.attributes, item.extras);
  if (contents_ == Contents::kZeros) {
    if (file.size > Zeros().size()) return Error(ErrorCode::kTooLarge, path + ": a file of over 1 MiB");
    return archive_.Put(item, BytesView(Zeros()).first(file.size));
  }
  auto bytes = snapshot_.ReadFile(entry, member);
  if (!bytes.has_value()) return std::move(bytes).error().Within(FileName(member));
  return archive_.Put(item, bytes.value().Reveal());
}

// What is known of a backup before the first byte of it is written.
struct Plan {
  Settings settings;
  BackupManifest manifest;
  std::uint64_t tar_size = 0;
};

Result<EnvelopeRecipients> RecipientsOf(TableSnapshot& snapshot, const std::vector<Certificate>& recovery,
                                        std::uint32_t rounds) {
  EnvelopeRecipients recipients{TRY(snapshot.GetSettings()).export_password.Clone(), recovery, rounds};
  // Whoever is none is told before anything is read.
  TRY(MeasureEnvelope(recipients, 0));
  return recipients;
}

Result<Plan> MakePlan(TableSnapshot& snapshot, const std::vector<Certificate>& recovery, Time now) {
  Plan plan{TRY(snapshot.GetSettings()), {}, 0};
  plan.manifest.version = CERTFS_VERSION;
  plan.manifest.keystore = snapshot.store_id();
  plan.manifest.commit = snapshot.commit();
  plan.manifest.time = FormatTimestamp(now);
  Packer packer(snapshot, Packer::Contents::kZeros, now, [&](BytesView bytes) -> Result<void> {
    plan.tar_size += bytes.size();
    return {};
  });
  TRY(packer.PutSettings(plan.settings));
  TRY(packer.PutRecovery(recovery));
  TRY(packer.PutStores());
  TRY(packer.PutAuthority());
  // Last, because it says how much the others were. The sum is the same in any order.
  plan.manifest.counts = packer.counts();
  TRY(packer.PutManifest(plan.manifest));
  TRY(packer.Finish());
  return plan;
}

// What was known before the first byte was written.
void Summarize(const Plan& plan, const EnvelopeRecipients& recipients, BackupSummary& summary) {
  summary.tar_size = plan.tar_size;
  summary.manifest = plan.manifest;
  summary.for_password = !recipients.password.empty();
  for (const Certificate& certificate : recipients.certificates)
    summary.recovery.push_back(certificate.fingerprint());
}

}  // namespace

Result<std::uint64_t> MeasureBackup(TableSnapshot& snapshot, const std::vector<Certificate>& recovery) {
  return TRY(PlanBackup(snapshot, recovery, kAnyTime)).size;
}

Result<BackupSummary> PlanBackup(TableSnapshot& snapshot, const std::vector<Certificate>& recovery,
                                 Time now) {
  const EnvelopeRecipients recipients = TRY(RecipientsOf(snapshot, recovery, kEnvelopeRounds));
  Plan plan = TRY(MakePlan(snapshot, recovery, now));
  BackupSummary summary;
  summary.size = TRY(MeasureEnvelope(recipients, plan.tar_size));
  Summarize(plan, recipients, summary);
  return summary;
}

Result<BackupSummary> StreamBackup(TableSnapshot& snapshot, const std::vector<Certificate>& recovery,
                                   Time now, const BackupSink& sink, std::uint32_t rounds) {
  const EnvelopeRecipients recipients = TRY(RecipientsOf(snapshot, recovery, rounds));
  // The password takes as long as the first look at everything.
  Meanwhile<SealedRecipients> sealing([&] { return SealRecipients(recipients); });
  Plan plan = TRY(MakePlan(snapshot, recovery, now));
  BackupSummary summary;
  auto envelope =
      TRY(EnvelopeWriter::Begin(TRY(sealing.Take()), plan.tar_size, [&](BytesView bytes) -> Result<void> {
        summary.size += bytes.size();
        return sink(bytes);
      }));
  RunningDigest digest;
  SecretPipe pipe([&](BytesView bytes) {
    digest.Add(bytes);
    return envelope.Write(bytes);
  });
  Packer packer(snapshot, Packer::Contents::kReal, now, [&](BytesView bytes) { return pipe.Put(bytes); });
  TRY(packer.PutManifest(plan.manifest));
  TRY(packer.PutSettings(plan.settings));
  TRY(packer.PutRecovery(recovery));
  TRY(packer.PutStores());
  TRY(packer.PutAuthority());
  TRY(packer.Finish());
  TRY(pipe.Finish());
  TRY(envelope.Finish());
  summary.tar_sha256 = digest.Finish();
  Summarize(plan, recipients, summary);
  return summary;
}

std::string BackupManifestJson(const BackupSummary& summary) {
  nlohmann::ordered_json object = nlohmann::ordered_json::parse(EncodeBackupManifest(summary.manifest));
  object["file"] = "keystore.cms";
  object["size"] = summary.size;
  object["tar_size"] = summary.tar_size;
  object["tar_sha256"] = ToHex(summary.tar_sha256);
  object["export_password"] = summary.for_password;
  auto& recovery = object["recovery_certificates"] = nlohmann::ordered_json::array();
  for (const Digest& fingerprint : summary.recovery) recovery.push_back(ToHex(fingerprint));
  return object.dump(2) + "\n";
}

}  // namespace certfs
