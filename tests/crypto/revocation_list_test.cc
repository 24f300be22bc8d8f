// Goal: a CRL replaces only an older one of its own authority, and revokes exactly what it names.
// Method: lists made by stock openssl, pairwise; one byte of a good list changed at a time.

#include "crypto/revocation_list.h"

#include <gtest/gtest.h>

#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;
using namespace std::string_view_literals;

Verdict JudgeList(BytesView bytes, RuleSet rules = RuleSet::kTrust) {
  return JudgeRevocationList(ReadRevocationListFile(bytes).value(), nullptr, Ask(rules));
}

TEST(RevocationList, IsReplacedOnlyByANewerOneOfItsAuthority) {
  const struct {
    const char* name;
    const char* live;
    const char* rule;
  } rows[] = {
      {"crl-6.pem", "crl-5.pem", "accepted"},
      {"crl-5.pem", "crl-5.pem", "accepted"},
      {"crl-5.pem", "crl-6.pem", "crl-older"},
      {"crl-5-other-bytes.pem", "crl-5.pem", "crl-same-number"},
      {"crl-5.pem", "crl-other.pem", "crl-other-authority"},
      {"crl-without-number-newer.pem", "crl-without-number.pem", "accepted"},
      {"crl-without-number.pem", "crl-without-number-newer.pem", "crl-older"},
      // Where one of the two has no number, thisUpdate decides.
      {"crl-without-number-newer.pem", "crl-5.pem", "accepted"},
      {"crl-5.pem", "crl-without-number-newer.pem", "crl-older"},
  };
  for (const auto& row : rows) {
    const RevocationList live = List(std::string(row.live));
    const auto file = ReadRevocationListFile(Vector(row.name));
    const auto refusal = JudgeRevocationList(file.value(), &live, Ask(RuleSet::kTrust)).refusal();
    EXPECT_EQ(refusal ? refusal->rule() : "accepted", row.rule) << row.name << " over " << row.live;
    // A store that is not TRUSTED_ROOTS_CRLS keeps what it is given.
    EXPECT_TRUE(JudgeRevocationList(file.value(), &live, Ask(RuleSet::kGeneral)).accepted()) << row.name;
  }
}

TEST(RevocationList, RevokesWhatItNames) {
  const Certificate leaf = Certificates("leaf.pem").front();
  const Certificate issuing = Certificates("issuing.pem").front();
  const Certificate root = Certificates("root.pem").front();
  const RevocationList list = List("crl-revokes-leaf.pem");
  EXPECT_TRUE(list.SignedBy(issuing));
  EXPECT_FALSE(list.SignedBy(root));
  EXPECT_TRUE(list.Revokes(leaf));
  EXPECT_FALSE(list.Revokes(Certificates("no-san.pem").front()));
  EXPECT_FALSE(List("crl-removed.pem").Revokes(leaf)) << "removeFromCRL";
  EXPECT_FALSE(List("crl-5.pem").Revokes(leaf));
  EXPECT_FALSE(list.SameAuthority(List("crl-5.pem")));
  EXPECT_TRUE(List("crl-6.pem").SameAuthority(List("crl-5.pem")));
  EXPECT_EQ(list.issuer(), "CN=Vector Issuing CA");
  using namespace std::chrono_literals;
  EXPECT_EQ(list.this_update(), std::chrono::sys_days{2026y / 2 / 1});
  EXPECT_EQ(list.next_update(), std::chrono::sys_days{2026y / 4 / 1});
}

TEST(RevocationList, ARevokedLeafIsRefusedEvenByAStaleList) {
  for (const char* name : {"crl-revokes-leaf.pem", "crl-revokes-leaf-stale.pem"}) {
    const TrustSet trust(Certificates("root.pem"), {List("crl-5.pem"), List(std::string(name))});
    for (const RuleSet rules : {RuleSet::kServer, RuleSet::kGeneral}) {
      const Verdict verdict = JudgeCertificates(File("chain.pem"), nullptr, Ask(rules, &trust));
      ASSERT_FALSE(verdict.accepted()) << name;
      EXPECT_EQ(verdict.refusal()->code(), ErrorCode::kRevoked);
      EXPECT_EQ(verdict.refusal()->rule(), "revoked");
    }
  }
  const TrustSet trust(Certificates("root.pem"), {List("crl-removed.pem")});
  EXPECT_TRUE(JudgeCertificates(File("chain.pem"), nullptr, Ask(RuleSet::kServer, &trust)).accepted());
}

// A chain ends at the first anchor: what certifies that one may have revoked it all the same.
TEST(RevocationList, AnAnchorIsRevokedByWhatCertifiesIt) {
  std::vector<Certificate> both = Certificates("root.pem");
  both.push_back(Certificates("issuing.pem").front());
  const TrustSet trust(both, {List("crl-revokes-issuing.pem")});
  for (const char* const name : {"chain.pem", "leaf.pem"}) {
    for (const RuleSet rules : {RuleSet::kServer, RuleSet::kGeneral}) {
      const Verdict verdict = JudgeCertificates(File(name), nullptr, Ask(rules, &trust));
      ASSERT_FALSE(verdict.accepted()) << name;
      EXPECT_EQ(verdict.refusal()->code(), ErrorCode::kRevoked) << name;
    }
  }
  const TrustSet without(both, {List("crl-5.pem")});
  EXPECT_TRUE(JudgeCertificates(File("leaf.pem"), nullptr, Ask(RuleSet::kServer, &without)).accepted());
}

// The list was verified when it came; whoever signed it may have gone since, as a compromised one does.
TEST(RevocationList, RevokesAlsoWhereItsSignerIsNotTrustedAnyMore) {
  for (const char* const anchor : {"root.pem", "other-root.pem"}) {
    const TrustSet trust(Certificates(anchor), {List("crl-revokes-leaf.pem")});
    const Verdict verdict = JudgeCertificates(File("leaf.pem"), nullptr, Ask(RuleSet::kGeneral, &trust));
    ASSERT_FALSE(verdict.accepted()) << anchor;
    EXPECT_EQ(verdict.refusal()->code(), ErrorCode::kRevoked);
  }
}

TEST(RevocationList, DamagedLists) {
  const Bytes der = Vector("crl-5.der");
  ASSERT_FALSE(der.empty());
  EXPECT_TRUE(JudgeList(der).accepted());
  EXPECT_EQ(AsText(ReadRevocationListFile(der).value().text), Text("crl-5.pem"));

  Bytes flipped = der;
  flipped.back() = static_cast<std::uint8_t>(flipped.back() ^ 1U);
  EXPECT_EQ(JudgeList(flipped).refusal()->rule(), "crl-bad-signature");
  EXPECT_TRUE(JudgeList(flipped, RuleSet::kGeneral).accepted());

  const Bytes twice = Patched(der, "\x06\x03\x55\x1d\x23"sv, "\x06\x03\x55\x1d\x14"sv);
  EXPECT_EQ(JudgeList(twice).refusal()->rule(), "duplicate-extension");
  EXPECT_TRUE(RefusingIds(JudgeList(twice)).contains("malformed-extension"));

  // Without its nextUpdate; the two lengths around it shrink by the 15 bytes of a UTCTime.
  Bytes endless = Patched(der,
                          "\x17\x0d"
                          "260401000000Z"sv,
                          "");
  // A length over 127 stands behind its own size: 0x81 and one byte, or 0x82 and two.
  const std::size_t outer = endless[1] == 0x82 ? 3 : 2;
  const std::size_t inner = outer + (endless[outer + 2] == 0x82 ? 4 : endless[outer + 2] == 0x81 ? 3 : 2);
  for (const std::size_t at : {outer, inner}) {
    ASSERT_GE(endless[at], 15);
    endless[at] = static_cast<std::uint8_t>(endless[at] - 15);
  }
  EXPECT_TRUE(Ids(JudgeList(endless)).contains("crl-without-next-update"));
  EXPECT_FALSE(List(BytesView(endless)).next_update());

  Bytes longer = der;
  longer.push_back(0);
  EXPECT_EQ(ReadRevocationListFile(longer).error().rule(), "trailing-data");
  const Bytes dateless = Patched(der, "260401000000Z"sv, "26x401000000Z"sv);
  EXPECT_EQ(ReadRevocationListFile(dateless).error().rule(), "unreadable");
}

// Every bit flipped is refused by TRUSTED_ROOTS_CRLS, or cannot be read; nothing crashes.
TEST(RevocationList, FlippedBitsNeverPass) {
  const Bytes der = Vector("crl-5.der");
  for (std::size_t bit = 0; bit < der.size() * 8; bit += RoundsStride()) {
    Bytes flipped = der;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
    const auto file = ReadRevocationListFile(flipped);
    if (!file.has_value()) continue;
    EXPECT_FALSE(JudgeRevocationList(file.value(), nullptr, Ask(RuleSet::kTrust)).accepted())
        << "bit " << bit;
  }
}

}  // namespace
}  // namespace certfs
