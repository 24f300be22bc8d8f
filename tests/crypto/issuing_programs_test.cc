// Goal: what is issued is taken by the programs that people verify with. Method: a matrix of authorities,
// profiles and names verified by "openssl verify -x509_strict" and GnuTLS's "certtool --verify-chain"; CRLs
// by "openssl crl"; OCSP answers by "openssl ocsp".

#include <gtest/gtest.h>

#include "crypto/issuing.h"
#include "crypto/ocsp.h"
#include "tests/crypto/authorities.h"
#include "tests/support/program.h"

namespace certfs {
namespace {

using namespace test;

struct NameRow {
  const char* kind;
  const char* lines;
};
constexpr NameRow kNames[] = {
    {"dns", "Name = www.example.com\nHostname = www.example.com, a.example.com"},
    // Where no host is named the common name is one to OpenSSL or GnuTLS, and has to keep to the constraints
    // of these authorities.
    {"ipv4", "Name = machine.example.com\nIPAddress = 192.0.2.7"},
    {"ipv6", "Name = machine.example.com\nIPAddress = 2001:db8::7"},
    {"email", "Name = Jane Doe\nEmail = jane@example.com\nHostname = jane.example.com"},
    {"idn", "Name = Bücher\nHostname = bücher.example"},
    {"none", "Name = Jane Doe"},
};

// The programs look at the clock, so that these certificates begin now.
std::chrono::sys_seconds Clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

struct Authorities {
  explicit Authorities(const std::string& kind) {
    std::shared_ptr<const Signer> signer = Must(MakeSigner(NewKey(kind)));
    RootOptions options{NameOf("Test Root"),
                        std::chrono::days(3650),
                        {},
                        {"DNS:example.com", "DNS:xn--bcher-kva.example", "IP:192.0.2.0/24",
                         "IP:2001:db8::/32", "email:example.com"},
                        {}};
    const Certificate certificate = Must(MakeRoot(options, Must(RandomSerialNumber()), Clock(), *signer));
    root = Must(Issuer::Make(certificate, {}, signer));
    const PrivateKey key = NewKey(kind == "ed25519" ? "ec-p256" : kind);
    const Certificate ca = Must(Issue(*root, "Name = Test Issuing CA", key, BuiltIn("ca")));
    issuing = Must(Issuer::Make(ca, {certificate}, Must(MakeSigner(key))));
  }
  static Result<Certificate> Issue(const Issuer& issuer, const std::string& lines, const PrivateKey& key,
                                   const Profile& profile) {
    return issuer.Issue(Subject(lines, key), profile, Must(RandomSerialNumber()),
                        ValidityOf(profile, Clock(), {}, issuer.certificate()));
  }

  std::shared_ptr<const Issuer> root;
  std::shared_ptr<const Issuer> issuing;
};

std::string_view PurposeOf(const std::string& profile, bool host) {
  if (profile == "ocsp") return "ocsphelper";
  if (profile == "server" || (profile == "solution-user" && host)) return "sslserver";
  return "sslclient";
}

class ProgramsTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Authorities, ProgramsTest,
                         testing::Values("ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-3072"),
                         [](const testing::TestParamInfo<const char*>& each) {
                           std::string name = each.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(ProgramsTest, EverythingIssuedVerifies) {
  const Authorities authorities(GetParam());
  const TemporaryDirectory directory;
  const std::string root = directory.Write("root.pem", AsBytes(Pem(authorities.root->certificate())));
  // Programs are run once for many files: what they say is told apart by its lines.
  for (const Issuer* const issuer : {authorities.root.get(), authorities.issuing.get()}) {
    const std::string chain = directory.Write("chain.pem", AsBytes(Pem(authorities.issuing->certificate())));
    std::map<std::string, std::string> files;  // By purpose.
    std::vector<std::string> all;
    for (const char* const profile : {"server", "client", "solution-user", "ocsp"}) {
      for (const NameRow& names : kNames) {
        const bool none = std::string_view(names.kind) == "none";
        const std::string where = std::string(profile) + "-" + names.kind;
        if (none && std::string_view(profile) == "server") continue;
        if (std::string_view(names.kind) == "email" && std::string_view(profile) == "ocsp") continue;
        const Certificate issued =
            Must(Authorities::Issue(*issuer, names.lines, NewKey("ec-p256"), BuiltIn(profile)));
        files[std::string(PurposeOf(profile, !none))] +=
            " " + directory.Write(where + ".pem", AsBytes(Pem(issued)));
        all.push_back(directory.Write(
            where + ".chain", AsBytes(std::string(AsText(issuer->FullChain(issued))) + Pem(issuer->root()))));
      }
    }
    for (const auto& [purpose, names] : files) {
      const Outcome outcome = RunProgram("openssl verify -x509_strict -purpose " + purpose + " -CAfile " +
                                         root + " -untrusted " + chain + names);
      EXPECT_EQ(outcome.code, 0) << GetParam() << " " << purpose << "\n" << outcome.output;
    }
    for (const std::string& file : all) {
      const Outcome outcome = RunProgram("certtool --verify-chain --infile " + file);
      EXPECT_EQ(outcome.code, 0) << GetParam() << " " << file << "\n" << outcome.output;
      EXPECT_NE(outcome.output.find("Verified. The certificate is trusted"), std::string::npos)
          << outcome.output;
    }
  }
}

TEST_P(ProgramsTest, EveryKindOfKeyVerifiesAsAServers) {
  const Authorities authorities(GetParam());
  const TemporaryDirectory directory;
  const std::string root = directory.Write("root.pem", AsBytes(Pem(authorities.root->certificate())));
  const std::string chain = directory.Write("chain.pem", AsBytes(Pem(authorities.issuing->certificate())));
  std::string files;
  for (const char* const kind : {"ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048", "rsa-4096"}) {
    const Certificate issued =
        Must(Authorities::Issue(*authorities.issuing, kNames[0].lines, NewKey(kind), BuiltIn("server")));
    files += " " + directory.Write(std::string(kind) + ".pem", AsBytes(Pem(issued)));
  }
  const Outcome outcome =
      RunProgram("openssl verify -x509_strict -purpose sslserver -verify_hostname www.example.com -CAfile " +
                 root + " -untrusted " + chain + files);
  EXPECT_EQ(outcome.code, 0) << GetParam() << "\n" << outcome.output;
}

TEST_P(ProgramsTest, ListsVerify) {
  const Authorities authorities(GetParam());
  const TemporaryDirectory directory;
  const std::string root = directory.Write("root.pem", AsBytes(Pem(authorities.root->certificate())));
  const SerialNumber serial = *ParseSerialNumber("c0ffee00112233445566778899aabbcc");
  const Bytes list =
      Must(MakeRevocationList(*authorities.root, 7, Clock(), Clock() + std::chrono::days(7),
                              {{serial, Clock() - std::chrono::hours(1), RevocationReason::kKeyCompromise}}));
  const std::string file = directory.Write("crl.der", list);
  const Outcome outcome = RunProgram("openssl crl -inform DER -in " + file + " -verify -CAfile " + root +
                                     " -noout -text -crlnumber");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  for (const char* const words :
       {"verify OK", "crlNumber=0x07", "C0FFEE00112233445566778899AABBCC", "Key Compromise"})
    EXPECT_NE(outcome.output.find(words), std::string::npos) << words << "\n" << outcome.output;
}

TEST(Programs, OpensslReadsTheAnswersOfTheResponder) {
  const Authorities authorities("ec-p256");
  const TemporaryDirectory directory;
  const Issuer& issuer = *authorities.root;
  const std::string root = directory.Write("root.pem", AsBytes(Pem(issuer.certificate())));
  const PrivateKey key = NewKey("ec-p256");
  const Certificate delegate = Must(Authorities::Issue(issuer, "Name = OCSP", key, BuiltIn("ocsp")));
  const OcspResponder responder = Must(OcspResponder::Make(issuer.certificate(), delegate, key));
  const Certificate leaf =
      Must(Authorities::Issue(issuer, kNames[0].lines, NewKey("ec-p256"), BuiltIn("server")));
  const std::string leaf_file = directory.Write("leaf.pem", AsBytes(Pem(leaf)));
  const std::string question = directory.Path("question.der");
  const std::string asking = "openssl ocsp -issuer " + root + " -cert " + leaf_file;
  ASSERT_EQ(RunProgram(asking + " -reqout " + question).code, 0);
  const struct {
    CertificateStatus status;
    const char* words;
  } rows[] = {{{CertificateState::kGood, {}, {}}, ": good"},
              {{CertificateState::kUnknown, {}, {}}, ": unknown"},
              {{CertificateState::kRevoked, Clock() - std::chrono::hours(1), RevocationReason::kSuperseded},
               ": revoked"}};
  for (const auto& row : rows) {
    const Bytes answer = responder.Answer(
        ReadAll(question), [&](BytesView) -> Result<CertificateStatus> { return row.status; }, Clock(),
        std::chrono::hours(1));
    const std::string file = directory.Write("answer.der", answer);
    const Outcome outcome = RunProgram(asking + " -respin " + file + " -no_nonce -CAfile " + root);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output.find("Response verify OK"), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find(row.words), std::string::npos) << outcome.output;
  }
}

// openssl's own "req" asks, and its "verify" takes what comes.
TEST(Programs, WhatOpensslAsksForIsIssued) {
  const Authorities authorities("ec-p384");
  const TemporaryDirectory directory;
  const std::string csr = directory.Path("web.csr");
  ASSERT_EQ(RunProgram("openssl req -new -newkey rsa:2048 -nodes -keyout " + directory.Path("web.key") +
                       " -out " + csr + " -text -subj /O=Example/CN=web.example.com")
                .code,
            0);
  const CertificateSubject subject = Must(SubjectOf(Must(CertificationRequest::Parse(ReadAll(csr))), false));
  const Profile profile = BuiltIn("server");
  const Certificate issued =
      Must(authorities.root->Issue(subject, profile, Must(RandomSerialNumber()),
                                   ValidityOf(profile, Clock(), {}, authorities.root->certificate())));
  const Outcome outcome =
      RunProgram("openssl verify -x509_strict -purpose sslserver -verify_hostname web.example.com -CAfile " +
                 directory.Write("root.pem", AsBytes(Pem(authorities.root->certificate()))) + " " +
                 directory.Write("web.pem", AsBytes(Pem(issued))));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
}

}  // namespace
}  // namespace certfs
