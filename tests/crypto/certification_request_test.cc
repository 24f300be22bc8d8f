// Goal: what others ask for is read as they wrote it; what may not be asked for is refused by its rule; and
// nothing of a request but subject, names and key comes through. Method: one request a rule, made by
// libcrypto; each byte of a request changed.

#include "crypto/certification_request.h"

#include <gtest/gtest.h>

#include <chrono>

#include "crypto/der.h"
#include "crypto/issuing/signed_objects.h"
#include "crypto/signing_request.h"
#include "tests/crypto/authorities.h"
#include "tests/crypto/requests.h"
#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;

RequestShape Shape(const char* kind = "ec-p256") { return {NewKey(kind)}; }

std::string RuleFor(const RequestShape& shape, bool authority = false) {
  const auto request = CertificationRequest::Parse(shape.Der());
  if (!request.has_value()) return std::string(request.error().rule());
  const auto subject = SubjectOf(request.value(), authority);
  EXPECT_TRUE(QueueIsEmpty());
  return subject.has_value() ? "" : std::string(subject.error().rule());
}

RequestShape With(std::vector<std::pair<std::string, std::string>> extensions) {
  RequestShape shape = Shape();
  shape.extensions = std::move(extensions);
  return shape;
}

TEST(CertificationRequest, IsReadFromWhateverPeopleSend) {
  const Bytes der = Shape().Der();
  const SecretBytes pem = WritePem("CERTIFICATE REQUEST", der);
  const SecretBytes old = WritePem("NEW CERTIFICATE REQUEST", der);
  const std::string text(AsText(pem.Reveal()));
  for (const std::string& file : {std::string(AsText(der)), text, std::string(AsText(old.Reveal())),
                                  "Certificate Request:\n    Data:\n" + text, "# for web\n\n" + text}) {
    const auto request = CertificationRequest::Parse(AsBytes(file));
    ASSERT_TRUE(request.has_value()) << request.error().message() << "\n" << file;
    EXPECT_EQ(AsText(request.value().der()), AsText(der));
  }
  const struct {
    std::string file;
    const char* rule;
  } wrong[] = {
      {"", "unreadable"},
      {"garbage", "unreadable"},
      {std::string(AsText(der)) + "x", "trailing-data"},
      {std::string(AsText(der)).substr(0, 100), "unreadable"},
      {text + text, "wrong-kind"},
      {std::string(AsText(WritePem("CERTIFICATE", der).Reveal())), "wrong-kind"},
      {std::string((1 << 20) + 1, ' '), "too-large"},
  };
  for (const auto& [file, rule] : wrong) {
    const auto request = CertificationRequest::Parse(AsBytes(file));
    ASSERT_FALSE(request.has_value()) << rule;
    EXPECT_EQ(request.error().rule(), rule);
    EXPECT_TRUE(QueueIsEmpty());
  }
}

TEST(CertificationRequest, NothingButSubjectNamesAndKeyComesThrough) {
  RequestShape shape = With({{"subjectAltName",
                              "DNS:WWW.example.com,DNS:*.example.net,DNS:www.example.com,IP:192.0.2.1,"
                              "IP:2001:db8::1,email:Jane@Example.com"},
                             {"extendedKeyUsage", "codeSigning"},
                             {"keyUsage", "dataEncipherment"},
                             {"1.2.3.4", "critical,DER:0500"}});
  shape.subject = {{"C", "DE"}, {"O", "Bücher GmbH"}, {"CN", "old"}, {"CN", "www.example.com"}};
  const CertificateSubject subject = Must(SubjectOf(Must(CertificationRequest::Parse(shape.Der())), false));
  EXPECT_EQ(subject.common_name, "www.example.com");
  EXPECT_EQ(subject.names.hosts, (std::vector<std::string>{"www.example.com", "*.example.net"}));
  EXPECT_EQ(subject.names.addresses, (std::vector<std::string>{"192.0.2.1", "2001:db8::1"}));
  EXPECT_EQ(subject.names.emails, std::vector<std::string>{"Jane@example.com"});
  EXPECT_EQ(AsText(subject.key.der()), AsText(Must(PublicKey::Of(shape.key)).der()));
  Profile profile = BuiltIn("server");
  profile.wildcards = true;
  const Certificate issued = Must(IssueBy(*RootIssuer("ec-p256"), subject, profile));
  EXPECT_EQ(AsText(issued.subject_der()), AsText(subject.name));
  EXPECT_EQ(issued.alternative_names(), subject.names);
  EXPECT_EQ(X509_get_extended_key_usage(issued.handle()),
            static_cast<std::uint32_t>(XKU_SSL_SERVER | XKU_SSL_CLIENT));
  EXPECT_EQ(X509_get_key_usage(issued.handle()), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
  EXPECT_EQ(X509_get_ext_count(issued.handle()), 5);
}

TEST(CertificationRequest, EveryKindOfKeyAndSignatureIsVerified) {
  for (const char* const kind : {"ec-p256", "ec-p384", "ec-p521", "ed25519", "ed448", "rsa-2048"}) {
    EXPECT_EQ(RuleFor(Shape(kind)), "") << kind;
    // Signed by another key of the same kind, and of another.
    for (const char* const other : {kind, "rsa-3072", "ec-p384"}) {
      const PrivateKey stranger = NewKey(std::string(other) == "rsa-2048" ? "rsa-3072" : other);
      RequestShape shape = Shape(kind);
      shape.signer = &stranger;
      EXPECT_EQ(RuleFor(shape), "request-signature") << kind << " " << other;
    }
  }
  RequestShape sha512 = Shape();
  sha512.digest = EVP_sha512();
  EXPECT_EQ(RuleFor(sha512), "");
  RequestShape md5 = Shape("rsa-2048");
  md5.digest = EVP_md5();
  EXPECT_EQ(RuleFor(md5), "weak-digest");
}

TEST(CertificationRequest, WhatMayNotBeAskedForIsRefused) {
  std::string many;
  for (int i = 0; i < 101; ++i) many += (i == 0 ? "DNS:h" : ",DNS:h") + std::to_string(i) + ".example.com";
  const std::string nul("DER:30:06:82:04:61:2E:00:62");  // "a.\0b"
  const struct {
    RequestShape shape;
    const char* rule;
  } rows[] = {
      {Shape("rsa-1024"), "weak-key"},
      {Shape("ec-p224"), "weak-key"},
      {With({{"basicConstraints", "critical,CA:TRUE"}}), "request-asks-for-ca"},
      {With({{"basicConstraints", "CA:FALSE"}}), ""},
      {With({{"keyUsage", "digitalSignature,keyCertSign"}}), "request-key-usage"},
      {With({{"keyUsage", "cRLSign"}}), "request-key-usage"},
      {With({{"keyUsage", "digitalSignature,keyEncipherment"}}), ""},
      {With({{"subjectAltName", "DNS:a.example"}, {"subjectAltName", "DNS:b.example"}}),
       "request-duplicate-extension"},
      {With({{"1.2.3.4", "DER:0500"}, {"1.2.3.4", "DER:0500"}}), "request-duplicate-extension"},
      {With({{"subjectAltName", "DER:0500"}}), "request-malformed-extension"},
      {With({{"basicConstraints", "DER:04:00"}}), "request-malformed-extension"},
      {With({{"subjectAltName", "URI:https://example.com/"}}), "request-names"},
      {With({{"subjectAltName", "RID:1.2.3"}}), "request-names"},
      {With({{"subjectAltName", "otherName:1.2.3;UTF8:x"}}), "request-names"},
      {With({{"subjectAltName", "DNS:a b"}}), "request-names"},
      {With({{"subjectAltName", "DNS:*.*.example.com"}}), "request-names"},
      {With({{"subjectAltName", "DNS:a*.example.com"}}), "request-names"},
      {With({{"subjectAltName", "DNS:*"}}), "request-names"},
      {With({{"subjectAltName", "DNS:bücher.example"}}), "request-names"},
      {With({{"subjectAltName", "DNS:xn--9.example"}}), "request-names"},
      {With({{"subjectAltName", "email:nobody"}}), "request-names"},
      {With({{"subjectAltName", nul}}), "request-names"},
      {With({{"subjectAltName", "DER:30:05:87:03:01:02:03"}}), "request-names"},
      {With({{"subjectAltName", many}}), "request-too-many-names"},
  };
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    EXPECT_EQ(RuleFor(rows[i].shape), rows[i].rule)
        << i << " " << (rows[i].shape.extensions.empty() ? "" : rows[i].shape.extensions[0].second);
  }
  RequestShape twice = With({{"subjectAltName", "DNS:a.example"}});
  twice.twice = true;
  EXPECT_EQ(RuleFor(twice), "request-duplicate-extension");
  // A CA's profile lets a request ask for what it gives.
  EXPECT_EQ(RuleFor(With({{"basicConstraints", "CA:TRUE"}, {"keyUsage", "keyCertSign,cRLSign"}}), true), "");
}

TEST(CertificationRequest, ASubjectHasNothingThatNoCertificateMayHave) {
  const auto subject = [](std::vector<std::pair<std::string, std::string>> fields, int type = MBSTRING_UTF8) {
    RequestShape shape = Shape();
    shape.subject = std::move(fields);
    shape.subject_type = type;
    return RuleFor(shape);
  };
  EXPECT_EQ(subject({}), "");
  EXPECT_EQ(subject({{"CN", "Jane Doe"}, {"emailAddress", "jane@example.com"}}), "");
  EXPECT_EQ(subject({{"CN", std::string("www.example.com\0.evil.example", 29)}}), "request-subject");
  EXPECT_EQ(subject({{"CN", "a\nb"}}), "request-subject");
  EXPECT_EQ(subject({{"O", "x"}}, V_ASN1_T61STRING), "request-subject");
  EXPECT_EQ(subject({{"O", ""}}, V_ASN1_UTF8STRING), "request-subject");
  EXPECT_EQ(subject({{"O", std::string(65, 'x')}}, V_ASN1_UTF8STRING), "request-subject");
  EXPECT_EQ(subject(std::vector<std::pair<std::string, std::string>>(65, {"OU", "x"})), "request-subject");
}

// Ten thousand names are refused as soon as they are counted.
TEST(CertificationRequest, TenThousandNamesAreRefusedQuickly) {
  std::string names;
  for (int i = 0; i < 10000; ++i) names += (i == 0 ? "DNS:h" : ",DNS:h") + std::to_string(i) + ".example.com";
  const Bytes der = With({{"subjectAltName", names}}).Der();
  const auto begin = std::chrono::steady_clock::now();
  const auto subject = SubjectOf(Must(CertificationRequest::Parse(der)), false);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_FALSE(subject.has_value());
  EXPECT_EQ(subject.error().rule(), "request-too-many-names");
  EXPECT_LT(took, std::chrono::seconds(2));
}

TEST(CertificationRequest, SaysAllThatIsWrong) {
  RequestShape shape = With({{"basicConstraints", "CA:TRUE"},
                             {"keyUsage", "keyCertSign"},
                             {"subjectAltName", "URI:http://x,DNS:-"}});
  const PrivateKey stranger = NewKey("ec-p256");
  shape.signer = &stranger;
  const Verdict verdict = JudgeRequest(Must(CertificationRequest::Parse(shape.Der())), false);
  EXPECT_EQ(RefusingIds(verdict), (std::set<std::string>{"request-signature", "request-asks-for-ca",
                                                         "request-key-usage", "request-names"}));
  EXPECT_EQ(verdict.refusal()->rule(), "request-signature");
  EXPECT_EQ(verdict.refusal()->code(), ErrorCode::kRejected);
}

TEST(CertificationRequest, OursSayWhatTheConfigurationSays) {
  const RequestConfig config = Config(
      "Country = US\nName = Machine1_Cert\nHostname = m1.example.com, bücher.example\nIPAddress = ::1\n"
      "Email = jane@bücher.example\nDomainComponent = example.com\n");
  const PrivateKey key = NewKey("ec-p256");
  const CertificateSubject direct = Must(SubjectOf(config, Must(PublicKey::Of(key))));
  const CertificateSubject asked =
      Must(SubjectOf(Must(CertificationRequest::Parse(Must(MakeSigningRequest(config, key)))), false));
  EXPECT_EQ(AsText(direct.name), AsText(asked.name));
  EXPECT_EQ(direct.common_name, asked.common_name);
  EXPECT_EQ(direct.names, asked.names);
  EXPECT_EQ(AsText(direct.key.der()), AsText(asked.key.der()));
  EXPECT_EQ(direct.names.hosts, (std::vector<std::string>{"m1.example.com", "xn--bcher-kva.example"}));
  EXPECT_EQ(direct.names.emails, std::vector<std::string>{"jane@xn--bcher-kva.example"});
  // And what was issued can be asked for again, for its own key or another.
  const auto issuer = RootIssuer("ec-p256");
  const Certificate issued = Must(IssueBy(*issuer, direct, BuiltIn("server")));
  const CertificateSubject again = Must(SubjectOf(issued, nullptr));
  EXPECT_EQ(again.names, direct.names);
  EXPECT_EQ(AsText(again.name), AsText(direct.name));
  EXPECT_EQ(AsText(again.key.der()), AsText(direct.key.der()));
  const PublicKey other = Must(PublicKey::Of(NewKey("rsa-2048")));
  EXPECT_EQ(AsText(Must(SubjectOf(issued, &other)).key.der()), AsText(other.der()));
}

// A configuration that a program filled in is held to the same as a file.
TEST(CertificationRequest, AConfigurationIsNotTrusted) {
  const PublicKey key = Must(PublicKey::Of(NewKey("ec-p256")));
  const auto rule = [&](auto change) {
    RequestConfig config = Config("Name = x");
    change(config);
    const auto subject = SubjectOf(config, key);
    return subject.has_value() ? "" : std::string(subject.error().rule());
  };
  EXPECT_EQ(rule([](RequestConfig&) {}), "");
  EXPECT_EQ(rule([](RequestConfig& c) { c.hosts = {"a b"}; }), "request-config");
  EXPECT_EQ(rule([](RequestConfig& c) { c.addresses = {"1.2.3"}; }), "request-config");
  EXPECT_EQ(rule([](RequestConfig& c) { c.emails = {"x"}; }), "request-config");
  EXPECT_EQ(rule([](RequestConfig& c) { c.name = std::string(65, 'x'); }), "request-config");
  EXPECT_EQ(rule([](RequestConfig& c) { c.countries = {"USA"}; }), "request-config");
  EXPECT_EQ(rule([](RequestConfig& c) { c.organizations = {"a\nb"}; }), "request-config");
}

// RSA's parameters are NULL (RFC 3279, 2.3.1); OpenSSL takes whatever stands there, and others would not.
TEST(CertificationRequest, OddParametersOfAKeyAreNotCopied) {
  const PrivateKey key = NewKey("rsa-2048");
  const Bytes der = RequestShape{key}.Der();
  DerReader whole(der);
  DerReader parts = Must(whole.Enter(kDerSequence));
  const BytesView body = Must(parts.Next()).encoding;
  // The last octets of rsaEncryption, and NULL; then the same with an empty T61String.
  constexpr std::string_view kNull("\x0D\x01\x01\x01\x05\x00", 6);
  constexpr std::string_view kText("\x0D\x01\x01\x01\x14\x00", 6);
  const Bytes odd = Patched(Bytes(body.begin(), body.end()), kNull, kText);
  const auto signer = Must(MakeSigner(key));
  const Bytes request = issuing::Signed(odd, signer->algorithm(), Must(signer->Sign(odd)));
  const CertificateSubject subject = Must(SubjectOf(Must(CertificationRequest::Parse(request)), false));
  EXPECT_EQ(AsText(subject.key.der()), AsText(Must(PublicKey::Of(key)).der()));
}

// Each byte of a request changed, in several ways: it is refused, because what is signed is all of it.
TEST(CertificationRequest, NoChangedRequestPasses) {
  for (const char* const kind : {"ec-p256", "ed25519"}) {
    RequestShape shape = Shape(kind);
    shape.extensions = {{"subjectAltName", "DNS:www.example.com"}, {"keyUsage", "digitalSignature"}};
    const Bytes der = shape.Der();
    for (std::size_t at = 0; at < der.size(); at += RoundsStride()) {
      for (const int flip : {0x01, 0x20, 0x80, 0xFF}) {
        Bytes changed = der;
        changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
        const auto request = CertificationRequest::Parse(changed);
        const bool passes = request.has_value() && SubjectOf(request.value(), false).has_value();
        EXPECT_FALSE(passes) << kind << " byte " << at;
        EXPECT_TRUE(QueueIsEmpty());
      }
    }
  }
}

}  // namespace
}  // namespace certfs
