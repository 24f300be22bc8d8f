// Goal: whatever is issued keeps to every rule of ours and says what its profile says; what may not be issued
// is refused by its rule. Method: a matrix of authorities, profiles and names; one subject a refusal, judged
// at one fixed moment.

#include "crypto/issuing.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include "crypto/judgement.h"
#include "crypto/trust_set.h"
#include "tests/crypto/authorities.h"
#include "tests/crypto/requests.h"
#include "tests/crypto/verdicts.h"

namespace certfs {
namespace {

using namespace test;

constexpr const char* kAuthorityKinds[] = {"ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-3072"};
constexpr const char* kProfiles[] = {"server", "client", "solution-user", "ca", "ocsp"};
struct NameRow {
  const char* kind;
  const char* lines;
};
constexpr NameRow kNames[] = {
    {"dns", "Name = www.example.com\nHostname = www.example.com, a.example.com"},
    {"ipv4", "Name = 192.0.2.7\nIPAddress = 192.0.2.7"},
    {"ipv6", "Name = machine\nIPAddress = 2001:db8::7"},
    {"email", "Name = Jane Doe\nEmail = jane@example.com\nHostname = jane.example.com"},
    {"idn", "Name = Bücher\nHostname = bücher.example, *.bücher.example"},
    {"none", "Name = Jane Doe"},
};

// What a store's rules say of `certificate` with its chain.
Verdict Judge(const Issuer& issuer, const Certificate& certificate, RuleSet rules, const Key* key = nullptr) {
  const TrustSet trust({issuer.root()}, {});
  const auto file = Must(ReadCertificateFile(issuer.FullChain(certificate)));
  return JudgeCertificates(file, key, {rules, kNow, &trust, Purpose::kAny, {}});
}

class IssuingTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Authorities, IssuingTest, testing::ValuesIn(kAuthorityKinds),
                         [](const testing::TestParamInfo<const char*>& each) {
                           std::string name = each.param;
                           std::erase(name, '-');
                           return name;
                         });

// A root and an intermediate of each kind issue under each profile to each kind of names.
TEST_P(IssuingTest, WhateverIsIssuedHasNoFindings) {
  const auto root = RootIssuer(GetParam());
  const auto intermediate = IntermediateIssuer(*root, "ec-p256", BuiltIn("ca"));
  const auto beneath = IntermediateIssuer(
      *RootIssuer("ec-p256"),
      GetParam()[0] == 'e' && GetParam()[1] == 'd' ? std::string("ec-p521") : std::string(GetParam()),
      BuiltIn("ca"));
  for (const Issuer* const issuer : {root.get(), intermediate.get(), beneath.get()}) {
    for (const char* const profile_name : kProfiles) {
      Profile profile = BuiltIn(profile_name);
      profile.wildcards = true;
      const bool ca = profile.authority;
      if (ca && issuer != root.get()) continue;
      for (const NameRow& names : kNames) {
        const std::string where = std::string(GetParam()) + " " + profile_name + " " + names.kind;
        const bool nameless = std::string_view(names.kind) == "none";
        if (nameless && profile.host_required) continue;
        if (ca && !nameless) continue;
        if (profile.name == "ocsp" && std::string_view(names.kind) == "email") continue;
        const PrivateKey key = NewKey("ec-p256");
        const auto issued = IssueBy(*issuer, Subject(names.lines, key), profile);
        ASSERT_TRUE(issued.has_value()) << where << ": " << issued.error().message();
        const Verdict verdict =
            ca ? JudgeCertificates(Must(ReadCertificateFile(AsBytes(Pem(issued.value())))), nullptr,
                                   Ask(RuleSet::kTrust, nullptr))
               : Judge(*issuer, issued.value(), profile.host_required ? RuleSet::kServer : RuleSet::kGeneral,
                       &key);
        EXPECT_TRUE(verdict.findings().empty()) << where << ":\n" << All(verdict);
        EXPECT_TRUE(QueueIsEmpty());
      }
    }
  }
}

TEST(Issuing, EveryKindOfKeyIsCertified) {
  const auto issuer = RootIssuer("ec-p384");
  for (const char* const kind : {"ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048", "rsa-3072"}) {
    const PrivateKey key = NewKey(kind);
    const Certificate issued =
        Must(IssueBy(*issuer, Subject("Hostname = www.example.com", key), BuiltIn("server")));
    EXPECT_TRUE(key.Matches(issued)) << kind;
    const Verdict verdict = Judge(*issuer, issued, RuleSet::kServer, &key);
    EXPECT_TRUE(verdict.findings().empty()) << kind << ":\n" << All(verdict);
    const bool rsa = std::string_view(kind).starts_with("rsa");
    EXPECT_EQ((X509_get_key_usage(issued.handle()) & KU_KEY_ENCIPHERMENT) != 0, rsa) << kind;
  }
}

TEST(Issuing, SaysWhatTheProfileSays) {
  const auto issuer = RootIssuer("ec-p256");
  const Profile profile = ProfileOf(R"(
days = 30
key_usage = ["digitalSignature", "nonRepudiation", "keyAgreement"]
extended_key_usage = ["serverAuth", "1.3.6.1.4.1.99999.5"]
[names]
hosts = ["*"]
[urls]
crl = ["http://pki.example.com/a.crl", "http://mirror.example.com/a.crl"]
ocsp = ["http://ocsp.example.com/"]
issuer = ["http://pki.example.com/a.der"]
)");
  const SerialNumber serial = *ParseSerialNumber("ff00112233445566778899aabbccddee");
  const CertificateSubject subject =
      Subject("Hostname = A.Example.com, b.example.com, a.example.com", NewKey("ec-p256"));
  const Validity validity = ValidityOf(profile, kNow, {}, issuer->certificate());
  const Certificate issued = Must(issuer->Issue(subject, profile, serial, validity));
  EXPECT_EQ(SerialNumberOf(issued), serial);
  EXPECT_EQ(issued.serial(), "FF00112233445566778899AABBCCDDEE");
  EXPECT_EQ(issued.not_before(), validity.not_before);
  EXPECT_EQ(issued.not_after(), validity.not_after);
  EXPECT_EQ(issued.alternative_names().hosts, (std::vector<std::string>{"a.example.com", "b.example.com"}));
  EXPECT_EQ(issued.common_name(), "a.example.com");
  EXPECT_EQ(X509_get_key_usage(issued.handle()),
            static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION | KU_KEY_AGREEMENT));
  for (const int nid : {NID_crl_distribution_points, NID_info_access, NID_ext_key_usage,
                        NID_subject_key_identifier, NID_authority_key_identifier}) {
    EXPECT_GE(X509_get_ext_by_NID(issued.handle(), nid, -1), 0) << OBJ_nid2sn(nid);
  }
  EXPECT_LT(X509_get_ext_by_NID(issued.handle(), NID_basic_constraints, -1), 0);
  EXPECT_EQ(X509_get_ext_count(issued.handle()), 7);
}

TEST(Issuing, WhoHasNoNameIsNamedByItsHostsAlone) {
  const auto issuer = RootIssuer("ec-p256");
  CertificateSubject subject = Subject("Hostname = a.example.com", NewKey("ec-p256"));
  subject.name = {0x30, 0x00};
  subject.common_name.clear();
  const Certificate issued = Must(IssueBy(*issuer, subject, BuiltIn("server")));
  const int at = X509_get_ext_by_NID(issued.handle(), NID_subject_alt_name, -1);
  ASSERT_GE(at, 0);
  EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(issued.handle(), at)), 1);
  EXPECT_TRUE(Judge(*issuer, issued, RuleSet::kServer).findings().empty());
  subject.names = {};
  EXPECT_EQ(IssueBy(*issuer, subject, BuiltIn("client")).error().rule(), "profile-no-subject");
}

// certool --gencert --Name=Machine1_Cert --config FILE, with a Hostname in the file.
TEST(Issuing, ANameThatIsNoHostNeedsNotBeAmongTheHosts) {
  const auto issuer = RootIssuer("ec-p256");
  const PrivateKey key = NewKey("rsa-2048");
  const Certificate issued = Must(
      IssueBy(*issuer, Subject("Name = Machine1_Cert\nHostname = m1.example.com", key), BuiltIn("server")));
  EXPECT_EQ(issued.common_name(), "Machine1_Cert");
  EXPECT_TRUE(Judge(*issuer, issued, RuleSet::kServer, &key).findings().empty());
  // What looks like one becomes one, as far as the profile allows it: "Name = vmca-FQDN" of the documents.
  const CertificateSubject both = Subject("Name = vmca-m1.example.com\nHostname = m1.example.com", key);
  EXPECT_EQ(Must(IssueBy(*issuer, both, BuiltIn("server"))).alternative_names().hosts,
            (std::vector<std::string>{"m1.example.com", "vmca-m1.example.com"}));
  Profile one = BuiltIn("server");
  one.hosts = {"m1.example.com"};
  EXPECT_EQ(IssueBy(*issuer, both, one).error().rule(), "profile-name");
  // Each has to be among them that does: where no host stands in subjectAltName, OpenSSL looks at all common
  // names.
  const PrivateKey other = NewKey("ec-p256");
  const RequestShape shape{.key = other,
                           .subject = {{"CN", "x.example.com"}, {"CN", "Machine1_Cert"}},
                           .extensions = {{"subjectAltName", "IP:192.0.2.7"}}};
  const CertificateSubject subject = Must(SubjectOf(Must(CertificationRequest::Parse(shape.Der())), false));
  EXPECT_EQ(IssueBy(*issuer, subject, BuiltIn("server")).error().rule(), "common-name-not-in-san");
}

TEST(Issuing, AHostThatIsTheNameAloneBecomesAnAlternativeName) {
  const auto issuer = RootIssuer("ec-p256");
  const auto names = [&](const std::string& config) {
    const auto issued = IssueBy(*issuer, Subject(config, NewKey("ec-p256")), BuiltIn("server"));
    return issued.has_value() ? issued.value().alternative_names() : AlternativeNames{};
  };
  EXPECT_EQ(names("Name = WWW.example.com").hosts, std::vector<std::string>{"www.example.com"});
  EXPECT_EQ(names("Name = localhost").hosts, std::vector<std::string>{"localhost"});
  EXPECT_EQ(names("Name = bücher.example").hosts, std::vector<std::string>{"xn--bcher-kva.example"});
  EXPECT_EQ(names("Name = 192.0.2.1").addresses, std::vector<std::string>{"192.0.2.1"});
  for (const char* const none : {"Name = Machine1_Cert", "Name = Jane Doe"}) {
    EXPECT_EQ(IssueBy(*issuer, Subject(none, NewKey("ec-p256")), BuiltIn("server")).error().rule(),
              "profile-no-host");
  }
}

// --- Validity

TEST(Issuing, NoCertificateOutlivesItsIssuer) {
  RootOptions options{NameOf("Short Root"), std::chrono::days(100), {}, {}, {}};
  const auto issuer = RootIssuer("ec-p256", options);
  const Profile server = BuiltIn("server");
  const Validity validity = ValidityOf(server, kNow, {}, issuer->certificate());
  EXPECT_EQ(validity.not_after, issuer->certificate().not_after());
  // The authority is five minutes old: what it issues is not older.
  EXPECT_EQ(validity.not_before, issuer->certificate().not_before());
  const CertificateSubject subject = Subject("Hostname = a.example.com", NewKey("ec-p256"));
  const auto refusal = [&](Validity asked) {
    return issuer->Issue(subject, server, Must(RandomSerialNumber()), asked).error();
  };
  using std::chrono::seconds;
  EXPECT_EQ(refusal({validity.not_before, validity.not_after + seconds(1)}).rule(), "outlives-its-issuer");
  EXPECT_EQ(refusal({validity.not_before - seconds(1), validity.not_after}).rule(), "issuer-expired");
  EXPECT_EQ(refusal({validity.not_after + seconds(1), validity.not_after + seconds(2)}).code(),
            ErrorCode::kExpired);
  EXPECT_EQ(refusal({validity.not_after, validity.not_before}).code(), ErrorCode::kInvalidArgument);
}

TEST(Issuing, AsksForNoMoreThanTheProfileGives) {
  const auto issuer = RootIssuer("ec-p256");
  Profile profile = BuiltIn("server");
  profile.backdate = std::chrono::minutes(3);
  using namespace std::chrono_literals;
  const auto of = [&](std::optional<std::chrono::seconds> asked) {
    return ValidityOf(profile, kNow, asked, issuer->certificate());
  };
  EXPECT_EQ(of({}).not_before, kNow - 3min);
  EXPECT_EQ(of({}).not_after, kNow - 3min + std::chrono::days(398) - 1s);
  EXPECT_EQ(of(1h).not_after, kNow + 1h - 1s);
  EXPECT_EQ(of(std::chrono::days(4000)).not_after, of({}).not_after);
  EXPECT_EQ(of(-5s).not_after, kNow);
}

// UTCTime ends with 2049 (RFC 5280, 4.1.2.5).
TEST(Issuing, DatesAreWrittenAsTheirYearWants) {
  const auto type = [](int years) {
    RootOptions options{NameOf("Root"), std::chrono::days(365 * years), {}, {}, {}};
    const auto issuer = RootIssuer("ec-p256", options);
    return ASN1_STRING_type(X509_get0_notAfter(issuer->certificate().handle()));
  };
  EXPECT_EQ(type(20), V_ASN1_UTCTIME);
  EXPECT_EQ(type(30), V_ASN1_GENERALIZEDTIME);
}

// --- Chains

TEST(Issuing, PathLengthsAreKept) {
  const auto root = RootIssuer("ec-p256", RootOptions{NameOf("Root"), std::chrono::days(3650), 1, {}, {}});
  Profile ca = BuiltIn("ca");
  ca.path_length.reset();
  const auto issuing = IntermediateIssuer(*root, "ec-p256", ca);
  // What is left of the root's is said.
  EXPECT_EQ(X509_get_pathlen(issuing->certificate().handle()), 0);
  EXPECT_EQ(IssueBy(*issuing, Subject("Name = Further CA", NewKey("ec-p256")), ca).error().rule(),
            "issuer-path-length");
  EXPECT_TRUE(
      IssueBy(*issuing, Subject("Hostname = a.example", NewKey("ec-p256")), BuiltIn("server")).has_value());
}

TEST(Issuing, NamesOutsideTheConstraintsAreRefused) {
  const auto root =
      RootIssuer("ec-p256", RootOptions{NameOf("Root"),
                                        std::chrono::days(3650),
                                        {},
                                        {"DNS:example.com", "IP:10.0.0.0/8", "email:example.com"},
                                        {"DNS:secret.example.com"}});
  // The constraints of the root hold beneath an intermediate as well.
  const auto issuing = IntermediateIssuer(*root, "ec-p256", BuiltIn("ca"));
  const struct {
    const char* config;
    const char* rule;  // Null where it is issued.
  } rows[] = {
      {"Hostname = a.example.com", nullptr},
      {"Hostname = example.com\nIPAddress = 10.1.2.3\nEmail = a@example.com", nullptr},
      {"Name = x\nHostname = a.example.org", "issuer-name-constraints"},
      {"Name = x\nHostname = a.secret.example.com", "issuer-name-constraints"},
      {"Name = x\nHostname = a.example.com\nIPAddress = 192.0.2.1", "issuer-name-constraints"},
      {"Name = x\nHostname = a.example.com\nEmail = a@example.org", "issuer-name-constraints"},
      {"Name = x\nIPAddress = 2001:db8::1", "issuer-name-constraints"},
      // GnuTLS takes the common name for a host where none is named.
      {"Name = x\nIPAddress = 10.1.2.3", "issuer-name-constraints"},
      {"Name = a.secret.example.com\nIPAddress = 10.1.2.3", "issuer-name-constraints"},
      {"Name = A.Example.com\nIPAddress = 10.1.2.3", nullptr},
  };
  for (const Issuer* const issuer : {root.get(), issuing.get()}) {
    for (const auto& row : rows) {
      const auto issued = IssueBy(*issuer, Subject(row.config, NewKey("ec-p256")), BuiltIn("server"));
      if (row.rule == nullptr) {
        ASSERT_TRUE(issued.has_value()) << row.config << ": " << issued.error().message();
        EXPECT_TRUE(Judge(*issuer, issued.value(), RuleSet::kServer).findings().empty()) << row.config;
      } else {
        ASSERT_FALSE(issued.has_value()) << row.config;
        EXPECT_EQ(issued.error().rule(), row.rule) << row.config;
      }
    }
    // A common name that a verifier would take for a host.
    EXPECT_EQ(IssueBy(*issuer, Subject("Name = a.example.org", NewKey("ec-p256")), BuiltIn("client"))
                  .error()
                  .rule(),
              "issuer-name-constraints");
  }
}

TEST(Issuing, ConstraintsThatAreNoneMakeNoRoot) {
  const auto signer = Must(MakeSigner(NewKey("ec-p256")));
  for (const char* const text : {"example.com", "DNS:", "DNS:*.example.com", "DNS:a b", "IP:10.0.0.0/33",
                                 "IP:example.com", "email:@", "URI:http://x", ":"}) {
    const RootOptions options{NameOf("Root"), std::chrono::days(1), {}, {text}, {}};
    const auto root = MakeRoot(options, Must(RandomSerialNumber()), kNow, *signer);
    ASSERT_FALSE(root.has_value()) << text;
    EXPECT_EQ(root.error().rule(), "name-constraints-malformed") << text;
  }
  const RootOptions nameless{{0x30, 0x00}, std::chrono::days(1), {}, {}, {}};
  EXPECT_EQ(MakeRoot(nameless, Must(RandomSerialNumber()), kNow, *signer).error().rule(), "empty-issuer");
}

TEST(Issuing, AnAuthorityForOtherPurposesDoesNotIssue) {
  const auto root = RootIssuer("ec-p256");
  const Profile clients = ProfileOf("authority = true\nextended_key_usage = ['clientAuth']\n");
  const auto issuing = IntermediateIssuer(*root, "ec-p256", clients);
  const CertificateSubject subject = Subject("Hostname = a.example", NewKey("ec-p256"));
  EXPECT_EQ(IssueBy(*issuing, subject, BuiltIn("server")).error().rule(), "issuer-extended-key-usage");
  EXPECT_TRUE(IssueBy(*issuing, subject, BuiltIn("client")).has_value());
  EXPECT_EQ(IssueBy(*issuing, subject, ProfileOf("key_usage = ['digitalSignature']\n[names]\nhosts = ['*']"))
                .error()
                .rule(),
            "issuer-extended-key-usage");
}

TEST(Issuing, NobodyGetsTheNameOfTheAuthority) {
  const auto root = RootIssuer("ec-p256");
  CertificateSubject subject = Subject("Hostname = a.example", NewKey("ec-p256"));
  subject.name = NameOf("Test Root ec-p256");
  EXPECT_EQ(IssueBy(*root, subject, BuiltIn("server")).error().rule(), "issuer-own-name");
}

TEST(Issuing, OnlyWhatMayIssueBecomesAnIssuer) {
  const auto root = RootIssuer("ec-p256");
  const auto issuing = IntermediateIssuer(*root, "ec-p256", BuiltIn("ca"));
  const auto stranger =
      RootIssuer("ec-p256", RootOptions{NameOf("Stranger"), std::chrono::days(10), {}, {}, {}});
  const auto refusal = [](const Certificate& certificate, std::vector<Certificate> chain,
                          std::shared_ptr<const Signer> signer) {
    const auto made = Issuer::Make(certificate, std::move(chain), std::move(signer));
    return std::string(made.has_value() ? "none" : made.error().rule());
  };
  const PrivateKey key = NewKey("ec-p256");
  const std::shared_ptr<const Signer> signer = Must(MakeSigner(key));
  EXPECT_EQ(refusal(root->certificate(), {}, signer), "key-mismatch");
  const Certificate leaf = Must(IssueBy(*root, Subject("Hostname = a.example", key), BuiltIn("server")));
  EXPECT_EQ(refusal(leaf, {root->certificate()}, signer), "not-a-ca");
  const Certificate ca = Must(IssueBy(*root, Subject("Name = CA", key), BuiltIn("ca")));
  EXPECT_EQ(refusal(ca, {root->certificate()}, signer), "none");
  EXPECT_EQ(refusal(ca, {}, signer), "chain-broken");
  EXPECT_EQ(refusal(ca, {stranger->certificate()}, signer), "chain-broken");
  EXPECT_EQ(refusal(ca, {issuing->certificate(), root->certificate()}, signer), "chain-broken");
  // A root of the right name and key identifier that did not sign it.
  Bytes forged(ca.der().begin(), ca.der().end());
  forged.back() ^= 1;
  EXPECT_EQ(refusal(Must(Certificate::FromDer(forged)), {root->certificate()}, signer), "bad-signature");
  // An issuer above which no further CA may stand.
  const Profile profile = BuiltIn("ca");
  Profile loose = profile;
  loose.path_length.reset();
  EXPECT_EQ(refusal(ca, std::vector<Certificate>(7, root->certificate()), signer), "chain-too-long");
}

// What signs for us may be a device that fails: its signature is verified before anybody sees it.
class FaultySigner : public Signer {
 public:
  explicit FaultySigner(std::unique_ptr<Signer> signer) : signer_(std::move(signer)) {}
  const PublicKey& key() const noexcept override { return signer_->key(); }
  BytesView algorithm() const noexcept override { return signer_->algorithm(); }
  Result<Bytes> Sign(BytesView message) const override {
    if (silent) return Error(ErrorCode::kIo, "the token is gone");
    Bytes signature = TRY(signer_->Sign(message));
    signature.back() = static_cast<std::uint8_t>(signature.back() ^ flip);
    return signature;
  }
  std::uint8_t flip = 0;
  bool silent = false;

 private:
  std::unique_ptr<Signer> signer_;
};

TEST(Issuing, AFaultySignatureIsNoCertificate) {
  const auto signer = std::make_shared<FaultySigner>(Must(MakeSigner(NewKey("ec-p256"))));
  RootOptions options{NameOf("Root"), std::chrono::days(100), {}, {}, {}};
  const Certificate root = Must(MakeRoot(options, Must(RandomSerialNumber()), kNow, *signer));
  const auto issuer = Must(Issuer::Make(root, {}, signer));
  const CertificateSubject subject = Subject("Hostname = a.example", NewKey("ec-p256"));
  EXPECT_TRUE(IssueBy(*issuer, subject, BuiltIn("server")).has_value());
  signer->flip = 1;
  EXPECT_EQ(IssueBy(*issuer, subject, BuiltIn("server")).error().code(), ErrorCode::kInternal);
  EXPECT_EQ(MakeRevocationList(*issuer, 1, kNow, kNow + std::chrono::days(7), {}).error().code(),
            ErrorCode::kInternal);
  EXPECT_EQ(MakeRoot(options, Must(RandomSerialNumber()), kNow, *signer).error().code(),
            ErrorCode::kInternal);
  signer->silent = true;
  EXPECT_EQ(IssueBy(*issuer, subject, BuiltIn("server")).error().code(), ErrorCode::kIo);
}

}  // namespace
}  // namespace certfs
