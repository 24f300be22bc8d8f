// What targets judge what they have read against: the root of tests/vectors, at the time of the vectors.

#pragma once

#include "crypto/base/utf8.h"
#include "crypto/judgement.h"
#include "tests/fuzz/targets.h"
#include "tests/support/vectors.h"

namespace certfs::fuzz {

inline const TrustSet& Trust() {
  static const TrustSet set(Have(ReadCertificateFile(TestFile("vectors/pki/root.pem"))).certificates, {});
  return set;
}

inline Question Ask(RuleSet rules) { return {rules, test::kVectorTime, &Trust(), Purpose::kAny, {}}; }

// That a verdict can be told to a person: a line of it stays a line.
inline void Tell(const Verdict& verdict) {
  for (const Finding& finding : verdict.findings()) {
    PROPERTY(finding.rule != nullptr);
    const std::string words = finding.Describe();
    PROPERTY(words.size() <= 2048 && IsUtf8(words) && !HasControl(words));
  }
}

}  // namespace certfs::fuzz
