// Reads vectors as objects, breaks them in one place, and asks verdicts about them.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/judgement.h"
#include "crypto/pem.h"
#include "tests/support/vectors.h"

// Declared by hand: OpenSSL's headers stay inside crypto/.
extern "C" unsigned long ERR_peek_error(void);

namespace certfs::test {

// Says whether the calling thread's OpenSSL error queue is empty: a leftover would become the reason of
// somebody else's failure.
inline bool QueueIsEmpty() { return ERR_peek_error() == 0; }

inline std::string Text(const std::string& name) {
  const Bytes bytes = Vector(name);
  return {bytes.begin(), bytes.end()};
}

inline CertificateFile File(BytesView bytes) {
  auto file = ReadCertificateFile(bytes);
  EXPECT_TRUE(file.has_value()) << file.error().message();
  return std::move(file).value();
}
inline CertificateFile File(const std::string& name) { return File(Vector(name)); }
inline std::vector<Certificate> Certificates(const std::string& name) { return File(name).certificates; }

inline RevocationList List(BytesView bytes) {
  auto file = ReadRevocationListFile(bytes);
  EXPECT_TRUE(file.has_value()) << file.error().message();
  return std::move(file).value().list;
}
inline RevocationList List(const std::string& name) { return List(Vector(name)); }

inline const TrustSet& Trust() {
  static const TrustSet set(Certificates("root.pem"), {});
  return set;
}

inline Question Ask(RuleSet rules, const TrustSet* trust = &Trust()) {
  return {rules, kVectorTime, trust, Purpose::kAny, {}};
}

// Returns `bytes` with the last occurrence of `from` replaced; the test fails where there is none.
inline Bytes Patched(Bytes bytes, std::string_view from, std::string_view to) {
  const std::size_t at = AsText(bytes).rfind(from);
  EXPECT_NE(at, std::string_view::npos);
  if (at == std::string_view::npos) return bytes;
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
              bytes.begin() + static_cast<std::ptrdiff_t>(at + from.size()));
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), to.begin(), to.end());
  return bytes;
}

inline std::set<std::string> Ids(const Verdict& verdict) {
  std::set<std::string> ids;
  for (const Finding& finding : verdict.findings()) ids.insert(std::string(finding.rule->id));
  return ids;
}

inline std::set<std::string> RefusingIds(const Verdict& verdict) {
  std::set<std::string> ids;
  for (const Finding& finding : verdict.findings()) {
    if (finding.severity == Severity::kRefuse) ids.insert(std::string(finding.rule->id));
  }
  return ids;
}

inline std::string All(const Verdict& verdict) {
  std::string words;
  for (const Finding& finding : verdict.findings()) words += finding.Describe() + "\n";
  return words;
}

}  // namespace certfs::test
