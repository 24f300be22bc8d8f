// Goal: the rules table refuses, warns and accepts what its rows say, for every row that a vector can break.
// Method: each case is one file made by stock openssl (tests/vectors/generate.sh), judged at one fixed
// moment.

#include "crypto/judgement.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/pem.h"
#include "tests/support/vectors.h"

namespace certfs {
namespace {

using test::Vector;

std::vector<Certificate> Certificates(const std::string& name) {
  auto file = ReadCertificateFile(Vector(name));
  EXPECT_TRUE(file.has_value()) << name << ": " << file.error().message();
  return file.value().certificates;
}

RevocationList List(const std::string& name) {
  auto file = ReadRevocationListFile(Vector(name));
  EXPECT_TRUE(file.has_value()) << name;
  return file.value().list;
}

const TrustSet& Trust() {
  static const TrustSet set(Certificates("root.pem"), {});
  return set;
}

enum class Subject { kServer, kGeneral, kAnchor, kKey, kTrustedList, kLooseList };

struct Case {
  std::string file;
  Subject subject;
  std::string rule;  // Must be among the findings; empty: nothing refuses and nothing is asked for.
  Severity severity;
  ErrorCode code = ErrorCode::kInternal;  // Of the refusal, where severity is kRefuse.
};

Verdict Judge(const Case& row) {
  Question question;
  question.now = test::kVectorTime;
  question.trust = &Trust();
  const Bytes bytes = Vector(row.file);
  EXPECT_FALSE(bytes.empty()) << row.file;
  Verdict unread;
  switch (row.subject) {
    case Subject::kServer:
    case Subject::kGeneral:
    case Subject::kAnchor: {
      question.rules = row.subject == Subject::kServer   ? RuleSet::kServer
                       : row.subject == Subject::kAnchor ? RuleSet::kTrust
                                                         : RuleSet::kGeneral;
      auto file = ReadCertificateFile(bytes);
      if (!file.has_value()) {
        unread.AddReadFailure(file.error(), row.file);
        return unread;
      }
      Arrange(file.value(), nullptr);
      return JudgeCertificates(file.value(), nullptr, question);
    }
    case Subject::kKey: {
      auto file = ReadKeyFile(bytes);
      if (!file.has_value()) {
        unread.AddReadFailure(file.error(), row.file);
        return unread;
      }
      return JudgeKey(file.value(), nullptr, question);
    }
    case Subject::kTrustedList:
    case Subject::kLooseList: {
      question.rules = row.subject == Subject::kTrustedList ? RuleSet::kTrust : RuleSet::kGeneral;
      auto file = ReadRevocationListFile(bytes);
      if (!file.has_value()) {
        unread.AddReadFailure(file.error(), row.file);
        return unread;
      }
      return JudgeRevocationList(file.value(), nullptr, question);
    }
  }
  return unread;
}

// The issuing CA is not in the trust set: files that hold the leaf alone get it through this helper row.
const std::vector<Case>& Cases() {
  using enum Subject;
  using enum ErrorCode;
  constexpr Severity W = Severity::kWarn;
  constexpr Severity R = Severity::kRefuse;
  static const std::vector<Case> cases{
      {"chain.pem", kServer, "", Severity::kNone},
      {"chain.pem", kGeneral, "", Severity::kNone},
      {"chain-wrong-order.pem", kServer, "chain-rearranged", Severity::kFix},
      {"chain-with-root.pem", kServer, "root-in-chain", W},
      {"chain-with-stranger.pem", kServer, "root-in-chain", W},
      {"root.pem", kAnchor, "", Severity::kNone},
      {"issuing.pem", kAnchor, "", Severity::kNone},
      {"no-san.pem", kServer, "leaf-without-san", R, kRejected},
      {"no-san.pem", kGeneral, "leaf-without-san", W},
      {"client-only.pem", kServer, "wrong-extended-key-usage", R, kRejected},
      {"no-eku.pem", kServer, "no-extended-key-usage", W},
      {"untrusted.pem", kServer, "untrusted-issuer", R, kRejected},
      {"untrusted.pem", kGeneral, "untrusted-issuer", W},
      {"self-signed.pem", kServer, "self-signed", W},
      {"self-signed.pem", kGeneral, "self-signed", W},
      {"expired.pem", kGeneral, "expired", R, kExpired},
      {"future.pem", kGeneral, "not-yet-valid", R, kExpired},
      {"tomorrow.pem", kGeneral, "valid-tomorrow", W},
      {"unknown-critical.pem", kGeneral, "unknown-critical-extension", R, kRejected},
      {"ca-as-server.pem", kServer, "ca-as-server", R, kRejected},
      {"ca-as-server.pem", kGeneral, "ca-as-server", W},
      {"leaf-signs.pem", kServer, "leaf-signs-certificates", R, kRejected},
      {"rsa1024.pem", kGeneral, "weak-key", R, kRejected},
      {"sha1.pem", kGeneral, "sha1-signature", R, kRejected},
      {"md5.pem", kGeneral, "weak-digest", R, kRejected},
      {"zero-serial.pem", kGeneral, "serial-not-positive", W},
      {"path-length.pem", kGeneral, "path-length", R, kRejected},
      {"name-constraints.pem", kGeneral, "name-constraints", R, kRejected},
      {"leaf.pem", kAnchor, "not-a-ca", R, kRejected},
      {"chain.pem", kAnchor, "anchor-not-alone", R, kMalformed},
      {"ca-not-critical.pem", kAnchor, "basic-constraints-not-critical", W},
      {"ca-no-key-usage.pem", kAnchor, "no-key-usage", W},
      {"ca-may-not-sign.pem", kAnchor, "ca-may-not-sign", R, kRejected},
      {"ca-no-ski.pem", kAnchor, "no-key-identifier", W},
      {"ca-expired.pem", kAnchor, "expired", W},
      {"ca-sha1.pem", kAnchor, "anchor-sha1-self-signature", W},
      {"ca-same-name.pem", kAnchor, "same-subject-other-key", W},
      {"leaf.key", kServer, "wrong-kind", R, kMalformed},
      {"crl-5.pem", kServer, "wrong-kind", R, kMalformed},
      {"leaf.key", kKey, "", Severity::kNone},
      {"leaf-sec1.key", kKey, "", Severity::kNone},
      {"leaf.key.der", kKey, "", Severity::kNone},
      {"ed25519.key", kKey, "", Severity::kNone},
      {"rsa2048.key", kKey, "", Severity::kNone},
      {"rsa2048-pkcs1.key", kKey, "", Severity::kNone},
      {"rsa1024.key", kKey, "weak-key", R, kRejected},
      {"dsa.key", kKey, "weak-key", R, kRejected},
      {"encrypted.key", kKey, "encrypted-key", R, kPasswordRequired},
      {"encrypted-traditional.key", kKey, "encrypted-key", R, kPasswordRequired},
      {"leaf.pem", kKey, "wrong-kind", R, kMalformed},
      {"crl-5.pem", kTrustedList, "", Severity::kNone},
      {"crl-stale.pem", kTrustedList, "crl-stale", W},
      {"crl-future.pem", kTrustedList, "crl-from-the-future", R, kExpired},
      {"crl-other.pem", kTrustedList, "crl-untrusted-issuer", R, kRejected},
      {"crl-other.pem", kLooseList, "crl-untrusted-issuer", W},
      {"leaf.pem", kTrustedList, "wrong-kind", R, kMalformed},
  };
  return cases;
}

class JudgementTest : public testing::TestWithParam<Case> {};

TEST_P(JudgementTest, FindsWhatTheRowSays) {
  const Case& row = GetParam();
  const Verdict verdict = Judge(row);
  std::string all;
  for (const Finding& finding : verdict.findings()) all += finding.Describe() + "\n";
  if (row.rule.empty()) {
    EXPECT_TRUE(verdict.accepted()) << all;
    return;
  }
  const Finding* found = nullptr;
  for (const Finding& finding : verdict.findings()) {
    if (finding.rule->id == row.rule) found = &finding;
  }
  ASSERT_NE(found, nullptr) << row.rule << " is not among:\n" << all;
  EXPECT_EQ(found->severity, row.severity) << all;
  if (row.severity == Severity::kRefuse) {
    ASSERT_FALSE(verdict.accepted());
    EXPECT_EQ(verdict.refusal()->code(), row.code) << all;
    EXPECT_NE(verdict.refusal()->message().find(row.rule), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Vectors, JudgementTest, testing::ValuesIn(Cases()));

// The rows of a server store refuse a good chain's leaf only for its own fault: with the chain, the faulty
// leaf is the only refusal.
TEST(Judgement, AFaultyLeafUnderATrustedChainIsTheOnlyRefusal) {
  for (const char* name :
       {"no-san.pem", "client-only.pem", "expired.pem", "sha1.pem", "unknown-critical.pem"}) {
    CertificateFile file = ReadCertificateFile(Vector(name)).value();
    file.certificates.push_back(Certificates("issuing.pem").front());
    Question question{RuleSet::kServer, test::kVectorTime, &Trust(), Purpose::kAny, {}};
    const Verdict verdict = JudgeCertificates(file, nullptr, question);
    int refusing = 0;
    for (const Finding& finding : verdict.findings())
      refusing += finding.severity == Severity::kRefuse ? 1 : 0;
    EXPECT_EQ(refusing, 1) << name << ": " << verdict.refusal()->message();
  }
}

TEST(Judgement, KeyAndCertificateMustMatch) {
  const CertificateFile chain = ReadCertificateFile(Vector("chain.pem")).value();
  const KeyFile good = ReadKeyFile(Vector("leaf.key")).value();
  const KeyFile other = ReadKeyFile(Vector("other.key")).value();
  Question question{RuleSet::kServer, test::kVectorTime, &Trust(), Purpose::kAny, {}};
  EXPECT_TRUE(JudgeCertificates(chain, &good.key, question).accepted());
  EXPECT_EQ(JudgeCertificates(chain, &other.key, question).refusal()->rule(), "key-mismatch");
  EXPECT_TRUE(JudgeKey(good, &chain, question).accepted());
  EXPECT_EQ(JudgeKey(other, &chain, question).refusal()->rule(), "key-mismatch");
}

TEST(Judgement, RevokedIsRefusedWithItsOwnCode) {
  const TrustSet trust(Certificates("root.pem"), {List("crl-revokes-leaf.pem")});
  const CertificateFile chain = ReadCertificateFile(Vector("chain.pem")).value();
  for (const RuleSet rules : {RuleSet::kServer, RuleSet::kGeneral}) {
    const Verdict verdict =
        JudgeCertificates(chain, nullptr, {rules, test::kVectorTime, &trust, Purpose::kAny, {}});
    ASSERT_FALSE(verdict.accepted());
    EXPECT_EQ(verdict.refusal()->code(), ErrorCode::kRevoked);
  }
}

TEST(Judgement, AListIsReplacedOnlyByANewerOneOfItsAuthority) {
  const Question question{RuleSet::kTrust, test::kVectorTime, &Trust(), Purpose::kAny, {}};
  const auto judge = [&](const char* name, const char* live) {
    const RevocationList before = List(live);
    const auto refusal =
        JudgeRevocationList(ReadRevocationListFile(Vector(name)).value(), &before, question).refusal();
    return refusal ? std::string(refusal->rule()) : std::string("accepted");
  };
  EXPECT_EQ(judge("crl-6.pem", "crl-5.pem"), "accepted");
  EXPECT_EQ(judge("crl-5.pem", "crl-5.pem"), "accepted");
  EXPECT_EQ(judge("crl-5.pem", "crl-6.pem"), "crl-older");
  EXPECT_EQ(judge("crl-5-other-bytes.pem", "crl-5.pem"), "crl-same-number");
  EXPECT_EQ(judge("crl-5.pem", "crl-other.pem"), "crl-other-authority");
}

TEST(Judgement, HostNames) {
  const CertificateFile chain = ReadCertificateFile(Vector("chain.pem")).value();
  const auto covered = [&](const char* host) {
    const Verdict verdict = JudgeCertificates(
        chain, nullptr, {RuleSet::kServer, test::kVectorTime, &Trust(), Purpose::kAny, host});
    for (const Finding& finding : verdict.findings()) {
      if (finding.rule->id == "host-not-covered") return false;
    }
    return true;
  };
  EXPECT_TRUE(covered("www.example.com"));
  EXPECT_FALSE(covered("mail.example.com"));
}

// Every bit flipped in a leaf is refused or is a certificate that differs; nothing crashes.
TEST(Judgement, FlippedBitsNeverPassForTheOriginal) {
  const Bytes der = Vector("leaf.der");
  ASSERT_FALSE(der.empty());
  const Certificate issuing = Certificates("issuing.pem").front();
  for (std::size_t bit = 0; bit < der.size() * 8; ++bit) {
    Bytes flipped = der;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
    auto file = ReadCertificateFile(flipped);
    if (!file.has_value()) continue;
    file.value().certificates.push_back(issuing);
    const Verdict verdict = JudgeCertificates(
        file.value(), nullptr, {RuleSet::kServer, test::kVectorTime, &Trust(), Purpose::kAny, {}});
    EXPECT_FALSE(verdict.accepted()) << "bit " << bit;
  }
}

// Every one of Debian's Mozilla roots is accepted as an anchor, with its warnings.
TEST(Judgement, DebianRootsAreAccepted) {
  const Bytes bundle = test::ReadAll("/etc/ssl/certs/ca-certificates.crt");
  ASSERT_FALSE(bundle.empty()) << "the package ca-certificates is missing";
  const std::string_view text = AsText(bundle);
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";
  std::size_t count = 0;
  std::set<std::string_view> warnings;
  for (std::size_t at = 0; text.find(kEnd, at) != std::string_view::npos; ++count) {
    const std::size_t end = text.find(kEnd, at) + kEnd.size();
    const auto file = ReadCertificateFile(AsBytes(text.substr(at, end - at)));
    at = end;
    ASSERT_TRUE(file.has_value()) << file.error().message();
    const Verdict verdict = JudgeCertificates(file.value(), nullptr,
                                              {RuleSet::kTrust,
                                               std::chrono::sys_days{std::chrono::year{2026} / 11 / 24},
                                               nullptr,
                                               Purpose::kAny,
                                               {}});
    EXPECT_TRUE(verdict.accepted()) << verdict.refusal()->message();
    for (const Finding& finding : verdict.findings()) warnings.insert(finding.rule->id);
  }
  EXPECT_GE(count, 100U);
  EXPECT_TRUE(warnings.contains("anchor-sha1-self-signature"));
  EXPECT_TRUE(warnings.contains("serial-not-positive"));
}

// What identifies a certificate is DER: two leaves of one issuer differ in the serial number alone.
TEST(Certificate, ShowsTheDerOfIssuerAndSerialNumber) {
  const Certificate leaf = Certificates("leaf.pem").front();
  const Certificate zero = Certificates("zero-serial.pem").front();
  const Certificate issuing = Certificates("issuing.pem").front();
  ASSERT_FALSE(leaf.issuer_der().empty());
  EXPECT_EQ(leaf.issuer_der().front(), 0x30);
  EXPECT_EQ(AsText(leaf.issuer_der()), AsText(zero.issuer_der()));
  EXPECT_NE(AsText(leaf.issuer_der()), AsText(issuing.issuer_der()));
  EXPECT_EQ(zero.serial_der(), (Bytes{0x02, 0x01, 0x00}));
  EXPECT_EQ(leaf.serial_der().front(), 0x02);
  EXPECT_NE(leaf.IssuerAndSerial(), zero.IssuerAndSerial());
  EXPECT_EQ(leaf.IssuerAndSerial().size(), leaf.issuer_der().size() + leaf.serial_der().size());
}

TEST(Rules, IdsAreUniqueAndRowsSayWhatTheyAre) {
  std::set<std::string_view> ids;
  for (const Rule& rule : Rules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_FALSE(rule.summary.empty()) << rule.id;
    bool used = false;
    for (const Severity severity : rule.severity) used = used || severity != Severity::kNone;
    EXPECT_TRUE(used) << rule.id;
  }
}

}  // namespace
}  // namespace certfs
