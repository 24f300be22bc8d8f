// What takes the key: every record, and what the keystore says of itself.

#include <signal.h>

#include <cerrno>

#include "crypto/base/time.h"
#include "store/audit_verification.h"
#include "store/high_water.h"
#include "tools/doctor/check.h"

namespace certfs::doctor {

Result<void> CheckRecords(Examination& at) {
  const VerificationReport report =
      TRY(at.opened().Verify([&](std::uint64_t done, std::uint64_t total) { at.Advance(done, total); }));
  const std::string merge = "certfs restore BACKUP " + at.keystore() + " --into-existing";
  for (const Damage& damage : report.damages) {
    at.Add("damaged", Urgency::kCritical, damage.subject, damage.detail,
           "write it again, or take it from a backup: " + merge +
               "; where that keeps what is damaged, save the rest first: certfs doctor " + at.keystore() +
               " --salvage NEW-KEYSTORE; then check the disk");
  }
  if (report.unreferenced != 0) {
    at.Add(
        "unreferenced", Urgency::kWarning, at.patient().keystore.string(),
        std::to_string(report.unreferenced) + " records that nothing leads to: certfs leaves none",
        "find out who else writes to data.mdb; a keystore without them: certfs restore BACKUP NEW-KEYSTORE");
  }
  return {};
}

Result<void> CheckRotation(Examination& at) {
  const KeyState state = TRY(at.opened().Keys());
  if (state.rotating) {
    at.Add("rotation-unfinished", Urgency::kWarning, at.patient().keystore.string(),
           "a rotation was cut short: records of older data keys are left",
           "certfs key rotate " + at.keystore());
  }
  if (state.rewrite_pending) {
    at.Add("old-ciphertext", Urgency::kInfo, at.patient().keystore.string(),
           "ciphertext of older data keys may lie in free space of data.mdb",
           "unmount and mount it: who opens it alone writes data.mdb anew");
  }
  return {};
}

Result<void> CheckRecovery(Examination& at) {
  const auto now = std::chrono::floor<std::chrono::seconds>(at.opened().keystore().Now());
  for (const SlotDescription& slot : TRY(at.opened().Keys()).slots) {
    if (!slot.certificate || slot.certificate->not_after() > now) continue;
    at.Add("recovery-expired", Urgency::kInfo, "slot " + std::to_string(slot.number),
           "the recovery certificate of " + slot.certificate->subject() + " expired " +
               FormatTimestamp(slot.certificate->not_after()) + "; its key opens the keystore all the same",
           "see to it that somebody still has the key, or add another certificate: certfs key add " +
               at.keystore() + " --recovery CERT");
  }
  return {};
}

Result<void> CheckReaders(Examination& at) {
  // What a mount, or a backup of it, keeps open for a moment is less than this.
  constexpr std::uint64_t kCommitsMax = 1000;
  for (const KeystoreExamination::Reader& reader : TRY(at.opened().Readers())) {
    const std::string who = "process " + std::to_string(reader.process);
    const std::string behind = std::to_string(reader.commits_behind) + " commits ago";
    if (reader.commits_behind != 0 && kill(reader.process, 0) != 0 && errno == ESRCH) {
      at.Add("stale-reader", Urgency::kInfo, who,
             "died while it read the state of " + behind + ": what was freed since is not used again",
             "the next change clears it away");
    } else if (reader.commits_behind > kCommitsMax) {
      at.Add("slow-reader", Urgency::kWarning, who,
             "reads the state of " + behind + ": data.mdb grows meanwhile",
             "if it hangs, end it: kill " + std::to_string(reader.process));
    }
  }
  return {};
}

Result<void> CheckSpace(Examination& at) {
  constexpr std::uint64_t kWarningShare = 80;
  constexpr std::uint64_t kCriticalShare = 95;
  const Usage usage = at.opened().keystore().GetUsage();
  const std::uint64_t share = usage.limit == 0 ? 0 : usage.used * 100 / usage.limit;
  if (share < kWarningShare) return {};
  at.Add("nearly-full", share < kCriticalShare ? Urgency::kWarning : Urgency::kCritical,
         at.patient().keystore.string(), std::to_string(share) + "% of its size limit is in use",
         "remove entries that nobody needs");
  return {};
}

Result<void> CheckAudit(Examination& at) {
  const AuditReport report = TRY(VerifyAudit(at.opened().keystore()));
  const auto say = [&](std::string detail, bool anchored) {
    at.Add("audit-damaged", anchored ? Urgency::kCritical : Urgency::kWarning, "audit.log", std::move(detail),
           anchored
               ? "somebody changed or removed lines that were on disk: compare with what the journal and "
                 "backups say of that time"
               : "after a power cut such an end may be missing; otherwise somebody cut it off");
  };
  for (const AuditFinding& finding : report.findings) say(finding.what, finding.anchored);
  if (report.findings_more != 0) say(std::to_string(report.findings_more) + " more findings", true);
  return {};
}

Result<void> CheckHighWaterFile(Examination& at) {
  const std::filesystem::path& file = at.patient().high_water;
  if (file.empty()) return {};
  const auto checked = CheckHighWater(at.opened().keystore(), file);
  if (checked.has_value()) return {};
  const Error& error = checked.error();
  if (error.code() == ErrorCode::kNotFound) {
    at.Add("high-water-missing", Urgency::kWarning, file.string(),
           "is not there: an older copy of the whole keystore would not be found out",
           "the next mount makes it; if nobody removed it on purpose, compare with backups before");
    return {};
  }
  if (error.code() != ErrorCode::kRejected) return error;
  at.Add(std::string(error.rule()), Urgency::kCritical, at.patient().keystore.string(), error.message(),
         "find out who put it there; what is newer is in a backup: certfs restore BACKUP " + at.keystore() +
             " --into-existing");
  return {};
}

}  // namespace certfs::doctor
