// What somebody should look at, told from the authority's record and from groups of the ledger alone. What
// others issued, or revoked, takes a look at each entry: store/inspection.h.

#include <algorithm>

#include "store/authority_state.h"

namespace certfs {

namespace {

constexpr std::string_view kInfo = "info";
constexpr std::string_view kWarning = "warning";
constexpr std::string_view kCritical = "critical";

// When the end of a CA is near: what it issues is cut short from then on.
constexpr std::chrono::days kExpiryNotice{90};
constexpr int kExpiryShare = 10;  // Or when less than a tenth of its life is left, whichever comes later.

// A backup that lacks the key lacks everything; one that lacks lines of the ledger lacks little.
constexpr std::uint64_t kIssuedSinceBackup = 1000;

struct Examination {
  TableSnapshot& snapshot;
  const AuthorityRecord& record;
  std::chrono::sys_seconds now;  // Certificates end at times that nanoseconds do not reach.
  std::vector<HealthFinding> findings;

  void Add(std::string_view id, std::string_view severity, std::string subject, std::string detail) {
    findings.push_back({id, severity, std::move(subject), std::move(detail)});
  }
};

std::string NameOf(const AuthorityCertificate& authority, const Certificate& certificate) {
  return "CA certificate " + std::to_string(authority.id) + " (" + certificate.subject() + ")";
}

void ExamineBackup(Examination& at) {
  const std::uint64_t issued = at.snapshot.issued_count();
  if (at.record.backed_up == Time{}) {
    if (issued != 0)
      at.Add("ca-never-backed-up", kWarning, "the certificate authority",
             std::to_string(issued) + " certificates are issued, and backup/ca.p12 was never read");
    return;
  }
  // A key that came later is in no backup.
  const bool new_key = std::ranges::any_of(at.record.certificates, [&](const AuthorityCertificate& each) {
    return each.role != AuthorityRole::kRetired && each.created > at.record.backed_up;
  });
  const std::uint64_t since = issued - std::min(issued, at.record.issued_at_backup);
  if (!new_key && since < kIssuedSinceBackup) return;
  at.Add("ca-backup-stale", new_key ? kWarning : kInfo, "the certificate authority",
         "backed up " + FormatTimestamp(at.record.backed_up) +
             (new_key ? ", before its newest key was made"
                      : ", and " + std::to_string(since) + " certificates ago"));
}

Result<void> ExamineCertificate(Examination& at, const AuthorityCertificate& authority) {
  const Certificate certificate = TRY(CertificateOf(authority));
  const std::string name = NameOf(authority, certificate);
  const auto end = certificate.not_after();
  const auto tenth = (end - certificate.not_before()) / kExpiryShare;
  const auto notice = std::min<std::chrono::seconds>(kExpiryNotice, tenth);
  if (authority.role == AuthorityRole::kIssuing || authority.role == AuthorityRole::kPrepared) {
    if (end < at.now) {
      at.Add("ca-expired", kCritical, name, "expired " + FormatTimestamp(end));
    } else if (end - notice <= at.now) {
      at.Add("ca-expires", kWarning, name, "expires " + FormatTimestamp(end));
    }
  }
  if (authority.crl_number == 0 || authority.crl_made + kListLifetime < at.now) {
    at.Add("crl-stale", kCritical, name,
           "its CRL is out of date since " + FormatTimestamp(authority.crl_made + kListLifetime));
  } else if (authority.crl_made + kListLifetime / 2 < at.now) {
    at.Add("crl-stale", kWarning, name, "its CRL is due, and was not signed anew");
  }
  if (authority.role != AuthorityRole::kRetiring) return {};
  const std::uint64_t placed = TRY(CountPlaced(at.snapshot, authority.id));
  if (placed != 0)
    at.Add("retiring-authority", kWarning, name,
           std::to_string(placed) + " certificates of it are still live: renew them");
  return {};
}

std::string PathOf(TableSnapshot& snapshot, Number number) {
  const auto entry = snapshot.FindEntryByNumber(number);
  if (!entry.has_value() || !entry.value()) return "an entry that is gone";
  const auto store = snapshot.FindStoreByNumber(entry.value()->store);
  if (!store.has_value() || !store.value()) return entry.value()->alias.text();
  return store.value()->name.text() + "/" + entry.value()->alias.text();
}

// The live certificates that the authority issued.
Result<void> ExaminePlaced(Examination& at, const AuthorityCertificate& authority) {
  const bool distrusted = authority.role == AuthorityRole::kRetired;
  return at.snapshot.ListIssued(IssuedGroupKey::Placed(authority.id), [&](Cursor,
                                                                          const IssuedCertificate& line) {
    const std::string path = PathOf(at.snapshot, line.entry);
    const std::string serial = "serial number " + ToText(line.serial);
    if (line.revocation) {
      at.Add("revoked-live", kCritical, path,
             serial + " was revoked " + FormatTimestamp(line.revocation->at) + ": " +
                 std::string(ToString(line.revocation->reason)));
    }
    if (line.not_after < at.now)
      at.Add("expired-live", kCritical, path, serial + " expired " + FormatTimestamp(line.not_after));
    if (distrusted)
      at.Add("distrusted-live", kCritical, path, serial + " was issued by a root that is trusted no more");
    return true;
  });
}

}  // namespace

Result<std::vector<HealthFinding>> CertificateAuthority::Health(TableSnapshot& snapshot) {
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  Examination at{snapshot, record, std::chrono::floor<std::chrono::seconds>(state_->keystore.Now()), {}};
  if (record.Issuing() != nullptr) {
    ExamineBackup(at);
    for (const AuthorityCertificate& each : record.certificates) {
      if (each.role != AuthorityRole::kRetired) TRY(ExamineCertificate(at, each));
      TRY(ExaminePlaced(at, each));
    }
    if (record.replacement) {
      const bool back = record.replacement->phase == ReplacementPhase::kRollingBack;
      at.Add("replacement-unfinished", kWarning, "the certificate authority",
             std::string(back ? "taking back" : "the replacement of") + " the root, begun " +
                 FormatTimestamp(record.replacement->began) + ", is not finished");
    }
  }
  return std::move(at.findings);
}

}  // namespace certfs
