// Every live entry, judged as of now.

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "crypto/issuer_link.h"
#include "crypto/judgement.h"
#include "crypto/store_file.h"
#include "store/certificate_authority.h"
#include "store/inspection.h"
#include "tools/doctor/check.h"
#include "tools/remedies.h"

namespace certfs::doctor {

namespace {

std::string Joined(const std::string& subject, const std::string& detail) {
  return detail.empty() ? subject : subject + ": " + detail;
}

// A keystore of many entries takes several looks, each at a snapshot of its own.
Result<std::shared_ptr<const Inspection>> InspectAll(Keystore& keystore, std::chrono::sys_seconds now) {
  Inspector inspector(keystore);
  for (;;) {
    const auto snapshot = TRY(keystore.Snapshot());
    if (auto inspection = TRY(inspector.Inspect(*snapshot, now))) return inspection;
  }
}

// Says what is wrong with a pair; nothing where it fits. What does not parse is told by others.
Result<std::optional<::certfs::Finding>> JudgePair(TableSnapshot& snapshot, const Entry& entry,
                                                   std::chrono::sys_seconds now) {
  std::optional<::certfs::Finding> found;
  const SecretBytes certificate = TRY(snapshot.ReadFile(entry, Member::kCertificate));
  const SecretBytes key = TRY(snapshot.ReadFile(entry, Member::kKey));
  const auto certificates = ReadCertificateFile(certificate.Reveal());
  const auto keys = ReadKeyFile(key.Reveal());
  if (!certificates.has_value() || !keys.has_value()) return found;
  Question question;
  question.now = now;
  const Verdict verdict = JudgeKey(keys.value(), &certificates.value(), question);
  for (const ::certfs::Finding& finding : verdict.findings()) {
    if (finding.rule->stage == Stage::kMatch) found = finding;
  }
  return found;
}

Result<void> CheckPairsOf(Examination& at, TableSnapshot& snapshot, const Store& store,
                          std::chrono::sys_seconds now) {
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto listed = snapshot.NextEntry(store.number, after, &skipped);
    if (!listed.has_value()) {
      // Damage is what "records" is for.
      if (listed.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(listed).error();
      after = skipped;
      continue;
    }
    if (!listed.value()) return {};
    after = listed.value()->at;
    const Entry& entry = listed.value()->item;
    if (!entry.is_pair()) continue;
    auto found = JudgePair(snapshot, entry, now);
    if (!found.has_value() && found.error().code() == ErrorCode::kCorrupt) continue;
    if (const auto finding = TRY(std::move(found))) {
      at.Add(std::string(finding->rule->id), Urgency::kCritical, store.name.text() + "/" + entry.alias.text(),
             std::string(finding->rule->summary) + ": " + Joined(finding->subject, finding->detail),
             std::string(RemedyOf(finding->rule->id)));
    }
  }
}

}  // namespace

// As status/ of a mount tells it, from the same functions.
Result<void> CheckEntries(Examination& at) {
  Keystore& keystore = at.opened().keystore();
  const auto now = std::chrono::floor<std::chrono::seconds>(keystore.Now());
  const std::shared_ptr<const Inspection> inspection = TRY(InspectAll(keystore, now));
  ConcernSources sources{*inspection, now, {}, {}, false, false};
  const auto snapshot = TRY(keystore.Snapshot());
  sources.has_export_password = !TRY(snapshot->GetSettings()).export_password.empty();
  // The mount notes there when its backup was read (fs/README.md, "Views").
  std::error_code ignored;
  sources.backup_read = std::filesystem::exists(at.patient().keystore / "backup-read", ignored);
  for (const AuthorityCertificate& each : TRY(snapshot->GetAuthority()).certificates)
    sources.own_authorities.insert(HolderOf(TRY(Certificate::FromDer(each.certificate))));
  sources.authority = TRY(CertificateAuthority(keystore).Health(*snapshot));
  for (Concern& each : ConcernsOf(sources)) {
    // Each damaged record is named by the check that reads them all.
    if (each.id == "damaged") continue;
    at.Add(std::move(each.id), each.urgency, std::move(each.subject), std::move(each.detail),
           std::move(each.action));
  }
  return {};
}

Result<void> CheckPairs(Examination& at) {
  Keystore& keystore = at.opened().keystore();
  const auto now = std::chrono::floor<std::chrono::seconds>(keystore.Now());
  const auto snapshot = TRY(keystore.Snapshot());
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto store = snapshot->NextStore(after, &skipped);
    if (!store.has_value()) {
      if (store.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(store).error();
      after = skipped;
      continue;
    }
    if (!store.value()) return {};
    after = store.value()->at;
    TRY(CheckPairsOf(at, *snapshot, store.value()->item, now));
  }
}

}  // namespace certfs::doctor
