// The verdict on an object that somebody wants to store: every rule of the table, in one pass.
//
// Pure: the time, the trust set and the partner come from the caller; nothing is logged, nothing is read.
// Thread-safety: free functions over their arguments.

#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "crypto/rules.h"
#include "crypto/store_file.h"
#include "crypto/trust_set.h"

namespace certfs {

// What kind of store the object goes into.
enum class RuleSet {
  kGeneral,  // Parse, match, strength, dates; an unknown issuer is warned.
  kServer,   // MACHINE_SSL_CERT: also SAN, serverAuth, and a chain that reaches the trust set.
  kTrust,    // TRUSTED_ROOTS and TRUSTED_ROOTS_CRLS: CA certificates, and CRLs of trusted issuers.
};

struct Question {
  RuleSet rules = RuleSet::kGeneral;
  std::chrono::sys_seconds now;
  // Never null for RuleSet::kServer and for CRLs of RuleSet::kTrust. Where it is null, the certificates of a
  // file are still judged against each other, and who issued the last of them is left open.
  const TrustSet* trust = nullptr;
  Purpose purpose = Purpose::kAny;  // kServer is implied by RuleSet::kServer.
  std::optional<std::string> host;  // A name or address that the leaf should cover; only warned about.
};

// Judges a parsed `cert.pem`. `key` is the live or staged partner, null where there is none. In a trust store
// the file holds one certificate, judged as an anchor.
//
// Chains follow RFC 5280, 6.1; names of hosts RFC 6125, 6. The row "serial-reused" is not looked at: only the
// store knows what else it holds, and adds that finding itself (Verdict::Add).
Verdict JudgeCertificates(const CertificateFile& file, const Key* key, const Question& question);

// Judges a parsed `key.pem` against its partner's file, null where there is none. Takes as long as one
// signature by that key, and never longer than one by RSA 16384.
Verdict JudgeKey(const KeyFile& file, const CertificateFile* partner, const Question& question);

// Judges a parsed `crl.pem` (RFC 5280, 5 and 6.3). `live` is the list that it would replace, null where there
// is none.
Verdict JudgeRevocationList(const RevocationListFile& file, const RevocationList* live,
                            const Question& question);

}  // namespace certfs
