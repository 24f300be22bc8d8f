// Goal: a verdict says all that is wrong, blames who is to blame, and lets pass what does no harm; what each
// row says is rules_test.cc's. Method: files made by stock openssl (tests/vectors/generate.sh), together with
// keys, trust sets and damage.

#include "crypto/judgement.h"

#include <gtest/gtest.h>

#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;

// The rows of a server store refuse a good chain's leaf only for its own fault: with the chain, the faulty
// leaf is the only refusal.
TEST(Judgement, AFaultyLeafUnderATrustedChainIsTheOnlyRefusal) {
  for (const char* name :
       {"no-san.pem", "client-only.pem", "expired.pem", "sha1.pem", "unknown-critical.pem"}) {
    CertificateFile file = ReadCertificateFile(Vector(name)).value();
    file.certificates.push_back(Certificates("issuing.pem").front());
    Question question{RuleSet::kServer, kVectorTime, &Trust(), Purpose::kAny, {}};
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
  Question question{RuleSet::kServer, kVectorTime, &Trust(), Purpose::kAny, {}};
  EXPECT_TRUE(JudgeCertificates(chain, &good.key, question).accepted());
  EXPECT_EQ(JudgeCertificates(chain, &other.key, question).refusal()->rule(), "key-mismatch");
  EXPECT_TRUE(JudgeKey(good, &chain, question).accepted());
  EXPECT_EQ(JudgeKey(other, &chain, question).refusal()->rule(), "key-mismatch");
}

// One byte of a good leaf is changed, so that it breaks one row; the signature goes with it.
TEST(Judgement, DamagedLeaves) {
  using namespace std::string_view_literals;
  const Bytes der = Vector("leaf.der");
  const struct {
    std::string_view from;
    std::string_view to;
    std::string rule;
  } rows[] = {
      {"\x2a\x86\x48\xce\x3d\x04\x03\x02"sv, "\x2a\x86\x48\xce\x3d\x04\x03\x03"sv,
       "signature-algorithms-differ"},
      {"\xa0\x03\x02\x01\x02"sv, "\xa0\x03\x02\x01\x01"sv, "extensions-without-v3"},
      {"\x06\x03\x55\x1d\x0e"sv, "\x06\x03\x55\x1d\x23"sv, "malformed-extension"},
      {"\x06\x03\x55\x1d\x25"sv, "\x06\x03\x55\x1d\x11"sv, "malformed-extension"},
      {"www.example.com"sv, "www.example.con"sv, "bad-signature"},
  };
  for (const auto& row : rows) {
    CertificateFile file = File(Patched(der, row.from, row.to));
    file.certificates.push_back(Certificates("issuing.pem").front());
    const Verdict verdict = JudgeCertificates(file, nullptr, Ask(RuleSet::kGeneral));
    EXPECT_TRUE(RefusingIds(verdict).contains(row.rule)) << row.rule << " is not among:\n" << All(verdict);
    ASSERT_FALSE(verdict.accepted());
    EXPECT_EQ(verdict.refusal()->code(),
              row.rule == "bad-signature" ? ErrorCode::kRejected : ErrorCode::kMalformed);
  }
}

TEST(Judgement, DamagedSelfSignatures) {
  const Certificate self_signed = Certificates("self-signed.pem").front();
  const Bytes good(self_signed.der().begin(), self_signed.der().end());
  const CertificateFile leaf = File(Patched(good, "example.com", "example.con"));
  for (const TrustSet* trust : {static_cast<const TrustSet*>(nullptr), &Trust()}) {
    EXPECT_TRUE(RefusingIds(JudgeCertificates(leaf, nullptr, Ask(RuleSet::kGeneral, trust)))
                    .contains("bad-signature"));
  }
  const Certificate root = Certificates("root.pem").front();
  Bytes damaged(root.der().begin(), root.der().end());
  damaged.back() = static_cast<std::uint8_t>(damaged.back() ^ 1U);
  const Verdict anchor = JudgeCertificates(File(damaged), nullptr, Ask(RuleSet::kTrust));
  EXPECT_TRUE(anchor.accepted());
  EXPECT_TRUE(Ids(anchor).contains("bad-signature"));
}

// Static ECDH signs nothing in the handshake, and is TLS all the same.
TEST(Judgement, AnyUseThatAHandshakeHasIsEnough) {
  const TrustSet trust(Certificates("twin.pem"), {});
  const Verdict agreement =
      JudgeCertificates(File("usage-for-tls.pem"), nullptr, Ask(RuleSet::kServer, &trust));
  EXPECT_TRUE(agreement.accepted()) << All(agreement);
  // Elsewhere it may be a signer's of documents.
  const Verdict elsewhere =
      JudgeCertificates(File("usage-without-tls.pem"), nullptr, Ask(RuleSet::kGeneral, &trust));
  EXPECT_FALSE(Ids(elsewhere).contains("wrong-key-usage")) << All(elsewhere);
}

// What the chain does not need harms nothing, however bad it is; what it needs does.
TEST(Judgement, ExtraCertificatesAreOnlyPointedOut) {
  for (const char* name :
       {"chain-with-root.pem", "chain-with-stranger.pem", "chain-with-expired-stranger.pem"}) {
    for (const RuleSet rules : {RuleSet::kServer, RuleSet::kGeneral}) {
      const Verdict verdict = JudgeCertificates(File(name), nullptr, Ask(rules));
      EXPECT_TRUE(verdict.accepted()) << name << "\n" << All(verdict);
      EXPECT_EQ(verdict.findings().size(), 1U) << name << "\n" << All(verdict);
    }
  }
  // An expired root at the end of a file is the anchor's row, not the intermediates'.
  CertificateFile file = File(AsBytes(Text("under-old-root.pem") + Text("old-root.pem")));
  const TrustSet old(Certificates("old-root.pem"), {});
  EXPECT_EQ(RefusingIds(JudgeCertificates(file, nullptr, Ask(RuleSet::kServer, &old))),
            std::set<std::string>{"anchor-expired"});
  EXPECT_TRUE(JudgeCertificates(file, nullptr, Ask(RuleSet::kGeneral, &old)).accepted());
}

TEST(Judgement, WithoutATrustSetThereIsNoChainToJudge) {
  EXPECT_EQ(Ids(JudgeCertificates(File("chain.pem"), nullptr, Ask(RuleSet::kGeneral, nullptr))),
            std::set<std::string>{});
  EXPECT_EQ(RefusingIds(JudgeCertificates(File("chain-with-expired-issuer.pem"), nullptr,
                                          Ask(RuleSet::kGeneral, nullptr))),
            std::set<std::string>{"expired"});
}

TEST(Judgement, ACriticalSanStandsForTheSubject) {
  EXPECT_FALSE(Ids(JudgeCertificates(File("empty-subject-critical-san.pem"), nullptr, Ask(RuleSet::kGeneral)))
                   .contains("empty-subject"));
}

// A name that the subjectAltName covers, in whatever form, is no finding.
TEST(Judgement, CommonNamesInSan) {
  for (const char* name : {"leaf.pem", "wildcard.pem", "address.pem"}) {
    CertificateFile file = File(name);
    file.certificates.push_back(Certificates("issuing.pem").front());
    const Verdict verdict = JudgeCertificates(file, nullptr, Ask(RuleSet::kServer));
    EXPECT_TRUE(verdict.findings().empty()) << name << "\n" << All(verdict);
  }
}

// Who has no trust set still learns that the file's own certificates do not fit together.
TEST(Judgement, WithoutATrustSetTheFileIsStillJudged) {
  const Question question = Ask(RuleSet::kGeneral, nullptr);
  const CertificateFile rekeyed = File(AsBytes(Text("leaf.pem") + Text("rekeyed-ca.pem")));
  EXPECT_EQ(RefusingIds(JudgeCertificates(rekeyed, nullptr, question)),
            std::set<std::string>{"issuer-key-mismatch"});
  CertificateFile forged = File(Patched(Vector("leaf.der"), "www.example.com", "www.example.con"));
  forged.certificates.push_back(Certificates("issuing.pem").front());
  EXPECT_EQ(RefusingIds(JudgeCertificates(forged, nullptr, question)),
            std::set<std::string>{"bad-signature"});
}

// The same CA in the trust set and once more in the file, under another key, is not held against the leaf.
TEST(Judgement, ARolledOverCaBesideTheRightOneIsAStranger) {
  const CertificateFile file = File(AsBytes(Text("leaf.pem") + Text("rekeyed-ca.pem") + Text("issuing.pem")));
  const Verdict verdict = JudgeCertificates(file, nullptr, Ask(RuleSet::kServer));
  EXPECT_TRUE(verdict.accepted()) << All(verdict);
  EXPECT_EQ(Ids(verdict), std::set<std::string>{"unrelated-certificate"});
}

// The private half of one key with the public half of another fits that other's certificate in name only.
TEST(Judgement, AKeyMustFitItself) {
  const std::string mine = Text("leaf.key.der");
  const SecretBytes other = ReadKeyFile(Vector("other.key")).value().key.ToPkcs8().value();
  constexpr std::size_t kPoint = 65;
  const std::string forged = mine.substr(0, mine.size() - kPoint) +
                             std::string(AsText(other.Reveal()).substr(other.size() - kPoint));
  const auto file = ReadKeyFile(AsBytes(forged));
  if (!file.has_value()) {
    EXPECT_EQ(file.error().rule(), "unreadable");
    return;
  }
  EXPECT_EQ(JudgeKey(file.value(), nullptr, Ask(RuleSet::kGeneral)).refusal()->rule(), "key-inconsistent");
}

TEST(Judgement, EveryFindingIsReportedAndTheFirstStageDecides) {
  const KeyFile other = ReadKeyFile(Vector("other.key")).value();
  CertificateFile file = File("expired.pem");
  const Verdict verdict = JudgeCertificates(file, &other.key, Ask(RuleSet::kServer));
  EXPECT_EQ(RefusingIds(verdict), (std::set<std::string>{"key-mismatch", "untrusted-issuer", "expired"}));
  EXPECT_EQ(verdict.refusal()->rule(), "key-mismatch");
  EXPECT_NE(verdict.refusal()->message().find("expired: expired: certificate 1 (CN=old)"), std::string::npos)
      << verdict.refusal()->message();
  for (std::size_t i = 1; i < verdict.findings().size(); ++i) {
    EXPECT_LE(verdict.findings()[i - 1].rule->stage, verdict.findings()[i].rule->stage);
  }
}

TEST(Judgement, HostNames) {
  const CertificateFile chain = ReadCertificateFile(Vector("chain.pem")).value();
  const auto covered = [&](const char* host) {
    const Verdict verdict =
        JudgeCertificates(chain, nullptr, {RuleSet::kServer, kVectorTime, &Trust(), Purpose::kAny, host});
    for (const Finding& finding : verdict.findings()) {
      if (finding.rule->id == "host-not-covered") return false;
    }
    return true;
  };
  EXPECT_TRUE(covered("www.example.com"));
  EXPECT_FALSE(covered("mail.example.com"));
}

// A leftover in OpenSSL's queue would become the reason of somebody else's failure.
TEST(Judgement, LeavesNothingInTheErrorQueue) {
  const KeyFile key = ReadKeyFile(Vector("leaf.key")).value();
  for (const char* name :
       {"leaf.pem", "chain.pem", "md5.pem", "expired.pem", "name-constraints.pem", "ca-nameless.pem",
        "leaf.key", "encrypted.key", "dsa.key", "crl-5.der", "crl-other.pem", "leaf.der"}) {
    const Bytes bytes = Vector(name);
    if (auto file = ReadCertificateFile(bytes); file.has_value()) {
      Arrange(file.value(), &key.key);
      for (const RuleSet rules : {RuleSet::kServer, RuleSet::kGeneral, RuleSet::kTrust}) {
        Question question = Ask(rules);
        question.host = "192.0.2.1";
        static_cast<void>(JudgeCertificates(file.value(), &key.key, question));
        EXPECT_TRUE(QueueIsEmpty()) << name;
      }
    }
    EXPECT_TRUE(QueueIsEmpty()) << name;
    if (auto file = ReadKeyFile(bytes); file.has_value()) {
      static_cast<void>(JudgeKey(file.value(), nullptr, Ask(RuleSet::kGeneral)));
      static_cast<void>(file.value().key.Describe());
    }
    EXPECT_TRUE(QueueIsEmpty()) << name;
    if (auto file = ReadRevocationListFile(bytes); file.has_value()) {
      static_cast<void>(JudgeRevocationList(file.value(), nullptr, Ask(RuleSet::kTrust)));
    }
    EXPECT_TRUE(QueueIsEmpty()) << name;
  }
}

// Every bit flipped in a leaf is refused or is a certificate that differs; nothing crashes.
TEST(Judgement, FlippedBitsNeverPassForTheOriginal) {
  const Bytes der = Vector("leaf.der");
  ASSERT_FALSE(der.empty());
  const Certificate issuing = Certificates("issuing.pem").front();
  for (std::size_t bit = 0; bit < der.size() * 8; bit += RoundsStride()) {
    Bytes flipped = der;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
    auto file = ReadCertificateFile(flipped);
    if (!file.has_value()) continue;
    file.value().certificates.push_back(issuing);
    const Verdict verdict = JudgeCertificates(file.value(), nullptr,
                                              {RuleSet::kServer, kVectorTime, &Trust(), Purpose::kAny, {}});
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

}  // namespace
}  // namespace certfs
