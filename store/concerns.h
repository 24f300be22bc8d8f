// What somebody should look at, and what to do about it: the findings of status/health.json and of whatever
// else watches over a keystore. Made from what was found in one snapshot, without another look at it.
//
// Thread-safety: free functions and values. Ownership: ids and severities are literals.

#pragma once

#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/certificate_authority.h"
#include "store/inspection.h"

namespace certfs {

enum class Urgency { kCritical, kWarning, kInfo };  // Worst first.
std::string_view ToString(Urgency urgency);         // "critical", "warning", "info".

struct Concern {
  // Stable, for scripts: the row of the rules table where that found it, an id of HealthFinding, or one of
  // "expiring", "damaged", "backup-never-read", "export-password-unset", "crl-not-signed".
  std::string id;
  Urgency urgency = Urgency::kInfo;
  std::string subject;  // "STORE/ALIAS", or what it is about.
  std::string detail;
  std::string action;  // A command; paths in it are the mount's.
  bool open = true;    // Everybody may know of it.

  friend bool operator==(const Concern&, const Concern&) = default;
};

// How long before its end a certificate, or what certifies it, is worth a warning, and an alarm.
inline constexpr std::chrono::days kExpiryWarning{30};
inline constexpr std::chrono::days kExpiryAlarm{7};

struct ConcernSources {
  const Inspection& inspection;
  std::chrono::sys_seconds now;
  std::vector<HealthFinding> authority;  // What CertificateAuthority::Health found.
  std::set<Digest> own_authorities;      // HolderOf each certificate of the authority: what it can renew.
  bool has_export_password = false;
  bool backup_read = false;  // backup/keystore.cms was read to its end, once.
};

// All of them, worst first, then by subject and id. What the ledger says of a live certificate (revoked,
// expired) is left out where the certificate itself, or a CRL, says it too.
std::vector<Concern> ConcernsOf(const ConcernSources& from);

// In that order.
std::vector<Concern> Sorted(std::vector<Concern> concerns);

// The same for those who may not know everything: of what they may not read there is no name and no detail.
std::vector<Concern> ForEverybody(std::vector<Concern> concerns);

// `text` as one word of a shell.
std::string ShellWord(std::string_view text);

}  // namespace certfs
