// Goal: a profile says what it means, a mistake in one is named by its line, and what a profile does not
// allow is not issued. Method: tables of files and of subjects; files and subjects changed at random.

#include "crypto/profile.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <random>

#include "tests/crypto/authorities.h"
#include "tests/crypto/requests.h"
#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;

constexpr std::string_view kWhole = R"(
description = "All there is"
keys = ["ec-p384", "rsa-3072"]
days = 10
backdate_minutes = 0
key_usage = ["digitalSignature", "contentCommitment"]
extended_key_usage = ["OCSPSigning", "1.2.3.4"]
ocsp_no_check = true
[names]
hosts = ["example.com", ".Bücher.example"]
addresses = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
emails = ["jane@example.com", "example.org", ".example.net"]
wildcards = true
host_required = false
[urls]
crl = ["http://pki.example.com/a.crl"]
ocsp = ["https://pki.example.com/ocsp"]
issuer = ["ldap://pki.example.com/cn=CA"]
)";

TEST(Profile, SaysWhatItMeans) {
  using Texts = std::vector<std::string>;
  const Profile profile = ProfileOf(std::string(kWhole));
  EXPECT_EQ(profile.name, "test");
  EXPECT_EQ(profile.description, "All there is");
  EXPECT_EQ(profile.curves, Texts{"ec-p384"});
  EXPECT_EQ(profile.rsa_bits_min, 3072);
  EXPECT_EQ(profile.lifetime, std::chrono::days(10));
  EXPECT_EQ(profile.backdate, std::chrono::minutes(0));
  EXPECT_FALSE(profile.authority);
  EXPECT_EQ(profile.key_usage, KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION);
  EXPECT_EQ(profile.extended_key_usage, (Texts{"1.3.6.1.5.5.7.3.9", "1.2.3.4"}));
  EXPECT_TRUE(profile.ocsp_no_check);
  EXPECT_EQ(profile.hosts, (Texts{"example.com", ".xn--bcher-kva.example"}));
  EXPECT_EQ(profile.addresses, (Texts{"10.0.0.0/8", "fd00::/8", "192.0.2.1"}));
  EXPECT_EQ(profile.emails, (Texts{"jane@example.com", "example.org", ".example.net"}));
  EXPECT_TRUE(profile.wildcards);
  EXPECT_FALSE(profile.host_required);
  EXPECT_EQ(profile.crl_urls, Texts{"http://pki.example.com/a.crl"});
  EXPECT_EQ(profile.ocsp_urls, Texts{"https://pki.example.com/ocsp"});
  EXPECT_EQ(profile.issuer_urls, Texts{"ldap://pki.example.com/cn=CA"});

  const Profile least = ProfileOf("key_usage = ['digitalSignature']");
  EXPECT_EQ(least.curves.size(), 4U);
  EXPECT_EQ(least.rsa_bits_min, 2048);
  EXPECT_EQ(least.lifetime, std::chrono::days(398));
  EXPECT_EQ(least.backdate, std::chrono::minutes(10));
  EXPECT_TRUE(least.host_required);
  EXPECT_TRUE(least.hosts.empty());
  const Profile authority = ProfileOf("authority = true\npath_length = 2");
  EXPECT_EQ(authority.key_usage, KU_KEY_CERT_SIGN | KU_CRL_SIGN);
  EXPECT_EQ(authority.path_length, 2);
  EXPECT_FALSE(authority.host_required);
}

TEST(Profile, TheBuiltInOnesAreWhatTheyAreNamed) {
  ASSERT_EQ(BuiltInProfiles().size(), 5U);
  const Profile server = BuiltIn("server");
  EXPECT_EQ(server.lifetime, std::chrono::days(398));
  EXPECT_EQ(server.extended_key_usage.size(), 2U);
  EXPECT_TRUE(server.host_required);
  EXPECT_FALSE(server.wildcards);
  EXPECT_FALSE(BuiltIn("client").host_required);
  EXPECT_EQ(BuiltIn("solution-user").lifetime, std::chrono::days(730));
  EXPECT_TRUE(BuiltIn("ca").authority);
  EXPECT_EQ(BuiltIn("ca").path_length, 0);
  EXPECT_EQ(BuiltIn("ca").lifetime, std::chrono::days(1825));
  EXPECT_TRUE(BuiltIn("ocsp").ocsp_no_check);
  EXPECT_EQ(BuiltIn("ocsp").lifetime, std::chrono::days(30));
}

TEST(Profile, AMistakeIsNamedByItsLine) {
  const std::string good = "key_usage = ['digitalSignature']\n";
  const struct {
    std::string file;
    const char* words;
  } rows[] = {
      {"", "key_usage is missing"},
      {"key_usage = \n", "line 1: "},
      {good + "x = 1", "line 2: 'x' is not a key"},
      {good + "[names]\nhost = ['*']", "line 3: 'host' is not a key"},
      {good + "[url]\n", "line 2: 'url' is not a key"},
      {good + "names = 5", "line 2: names is a table"},
      {good + "days = 0", "line 2: days is a number from 1"},
      {good + "days = '5'", "line 2: days is a number"},
      {good + "days = 1.5", "line 2: days is a number"},
      {good + "days = 99999999999999999999", "line 2: "},
      {good + "days = 1\nbackdate_minutes = 10080", "backdate_minutes is over half"},
      {good + "days = 1\ndays = 2", "line 3: "},
      {good + "keys = []", "keys is empty"},
      {good + "keys = 'ec-p256'", "keys is a list"},
      {good + "keys = [1]", "keys is a list"},
      {good + "keys = ['ec-p224']", "'ec-p224' is none of"},
      {good + "keys = ['rsa-1024']", "'rsa-1024' is none of"},
      {good + "keys = ['rsa-2049']", "is none of"},
      {good + "keys = ['rsa-2048', 'rsa-3072']", "is the second RSA"},
      {"key_usage = ['keyCertSign']", "which are a CA's"},
      {"key_usage = ['sign']", "'sign' is not a usage"},
      {"authority = true\nkey_usage = ['keyCertSign']", "has keyCertSign and cRLSign"},
      {"authority = 1", "authority is true or false"},
      {good + "path_length = 0", "path_length is a CA's"},
      {"authority = true\npath_length = -1", "path_length is a number from 0"},
      {good + "ocsp_no_check = true", "is for OCSPSigning alone"},
      {good + "extended_key_usage = ['tls']", "'tls' is neither"},
      {good + "extended_key_usage = ['3.1']", "'3.1' is neither"},
      {good + "extended_key_usage = ['1.40']", "is neither"},
      {good + "extended_key_usage = ['1.2.']", "is neither"},
      {good + "extended_key_usage = ['1.2.99999999999']", "is neither"},
      {good + "extended_key_usage = ['1.02.3']", "is neither"},
      {good + "extended_key_usage = ['serverAuth', '1.3.6.1.5.5.7.3.1']", "stands twice"},
      {good + "[names]\nhosts = ['a b']", "'a b' is neither"},
      {good + "[names]\nhosts = ['*.example.com']", "is neither"},
      {good + "[names]\naddresses = ['10.0.0.0/33']", "is neither"},
      {good + "[names]\naddresses = ['10.0.0.0/']", "is neither"},
      {good + "[names]\nemails = ['@']", "is not an e-mail address"},
      {good + "[urls]\ncrl = ['ftp://x/']", "is not a URL"},
      {good + "[urls]\ncrl = ['http://']", "is not a URL"},
      {good + "[urls]\ncrl = ['http://a b']", "is not a URL"},
      {good + "description = \"a\\nb\"", "has control characters"},
      {"\xFF\xFE", "not UTF-8"},
      // Letters where toml++'s own behaviour is undefined.
      {good + "\nf\xC3\xBCr = 1", "line "},
      {good + "\n\xC3\xBC", "line "},
      {good + "\ndescription = \xC3\xBC", "line "},
  };
  for (const auto& [file, words] : rows) {
    const auto profile = Profile::Parse("x", AsBytes(file));
    ASSERT_FALSE(profile.has_value()) << file;
    EXPECT_EQ(profile.error().code(), ErrorCode::kMalformed) << file;
    EXPECT_EQ(profile.error().rule(), "profile") << file;
    EXPECT_NE(profile.error().message().find(words), std::string::npos)
        << file << ": " << profile.error().message();
  }
  EXPECT_EQ(Profile::Parse("x", AsBytes(std::string((64 << 10) + 1, '#'))).error().code(),
            ErrorCode::kTooLarge);
  // As deep as TOML allows, and deeper.
  EXPECT_FALSE(Profile::Parse("x", AsBytes("a = " + std::string(30000, '['))).has_value());
}

TEST(Profile, WhatItDoesNotAllowIsRefused) {
  const Profile profile = ProfileOf(R"(
keys = ["ec-p256", "rsa-3072"]
key_usage = ["digitalSignature"]
[names]
hosts = ["example.com", ".example.net"]
addresses = ["10.0.0.0/8", "2001:db8::/32"]
emails = ["jane@example.com", "example.org", ".example.net"]
wildcards = true
)");
  const struct {
    const char* lines;
    const char* rule;
  } rows[] = {
      {"Hostname = example.com, a.example.net, a.b.example.net", ""},
      {"Hostname = EXAMPLE.com", ""},
      {"Hostname = a.example.com", "profile-name"},
      {"Hostname = example.net", "profile-name"},
      {"Hostname = aexample.net", "profile-name"},
      {"Hostname = *.example.net", ""},
      {"Hostname = *.a.example.net", ""},
      {"Hostname = *.example.com", "profile-name"},
      {"Hostname = *.net", "profile-wildcard"},
      {"Name = x\nIPAddress = 10.255.0.1", ""},
      {"Name = x\nIPAddress = 11.0.0.1", "profile-name"},
      {"Name = x\nIPAddress = 2001:db8:1::", ""},
      {"Name = x\nIPAddress = 2001:db9::", "profile-name"},
      {"Hostname = example.com\nEmail = jane@example.com, a@example.org, b@c.example.net", ""},
      {"Hostname = example.com\nEmail = john@example.com", "profile-name"},
      {"Hostname = example.com\nEmail = a@b.example.org", "profile-name"},
      {"Hostname = example.com\nEmail = a@example.net", "profile-name"},
      {"Name = Jane Doe\nEmail = jane@example.com", "profile-no-host"},
      {"Name = example.com", ""},
      {"Name = a.example.com", "profile-name"},
      {"Name = 10.0.0.1", ""},
  };
  const auto rule = [](const Profile& under, const CertificateSubject& subject) {
    const auto checked = CheckSubject(under, subject);
    return checked.has_value() ? "" : std::string(checked.error().rule());
  };
  for (const auto& row : rows)
    EXPECT_EQ(rule(profile, Subject(row.lines, NewKey("ec-p256"))), row.rule) << row.lines;
  for (const auto& [kind, verdict] :
       std::initializer_list<std::pair<const char*, const char*>>{{"ec-p256", ""},
                                                                  {"ec-p384", "profile-key"},
                                                                  {"ed25519", "profile-key"},
                                                                  {"ed448", "profile-key"},
                                                                  {"rsa-2048", "profile-key"},
                                                                  {"rsa-3072", ""}}) {
    EXPECT_EQ(rule(profile, Subject("Hostname = example.com", NewKey(kind))), verdict) << kind;
  }
  EXPECT_EQ(rule(BuiltIn("server"), Subject("Hostname = *.example.net", NewKey("ec-p256"))),
            "profile-wildcard");
}

// Verifiers that know nothing of subjectAltName take the mailbox from the subject.
TEST(Profile, AMailboxInTheSubjectIsJudgedAsOthersAre) {
  const Profile profile = ProfileOf(
      "key_usage = ['digitalSignature']\n[names]\nemails = ['example.org']\nhost_required = false\n");
  const PrivateKey key = NewKey("ec-p256");
  const auto subject = [&](const char* email) {
    const RequestShape shape{.key = key, .subject = {{"CN", "Jane Doe"}, {"emailAddress", email}}};
    return Must(SubjectOf(Must(CertificationRequest::Parse(shape.Der())), false));
  };
  EXPECT_TRUE(CheckSubject(profile, subject("jane@Example.org")).has_value());
  EXPECT_EQ(CheckSubject(profile, subject("jane@example.com")).error().rule(), "profile-name");
  EXPECT_TRUE(CheckSubject(BuiltIn("client"), subject("jane@example.com")).has_value());
}

// A usage that is for another kind of key leaves nothing to use the key for.
TEST(Profile, AKeyThatIsForNothingIsRefused) {
  const auto issuer = RootIssuer("ec-p256");
  const Profile profile = ProfileOf("key_usage = ['keyEncipherment']\n[names]\nhosts = ['*']\n");
  const auto issued = IssueBy(*issuer, Subject("Hostname = a.example", NewKey("ec-p256")), profile);
  ASSERT_FALSE(issued.has_value());
  EXPECT_EQ(issued.error().rule(), "profile-key");
  EXPECT_TRUE(IssueBy(*issuer, Subject("Hostname = a.example", NewKey("rsa-2048")), profile).has_value());
  const Profile servers = ProfileOf(
      "key_usage = ['digitalSignature']\nextended_key_usage = ['serverAuth']\n[names]\nhost_required = "
      "false\n");
  EXPECT_EQ(IssueBy(*issuer, Subject("Name = Jane", NewKey("ec-p256")), servers).error().rule(),
            "profile-no-host");
}

// Files with bytes changed, left out and put in: whatever is still a profile allows no more than it says.
TEST(Profile, ChangedFilesNeverIssueWhatTheyForbid) {
  std::mt19937 random(20260301);
  const auto issuer = RootIssuer("ec-p256");
  const PrivateKey key = NewKey("ec-p384");
  const CertificateSubject subjects[] = {
      Subject("Hostname = example.com\nIPAddress = 10.0.0.1\nEmail = jane@example.com", key),
      Subject("Hostname = *.a.xn--bcher-kva.example", key), Subject("Name = Jane Doe", key)};
  const std::string seeds[] = {std::string(kWhole), std::string(BuiltInProfiles()[0].toml),
                               std::string(BuiltInProfiles()[3].toml)};
  std::size_t issued = 0;
  for (std::size_t round = 0; round < Rounds<std::size_t>(20000); ++round) {
    std::string file = seeds[round % std::size(seeds)];
    for (std::size_t change = random() % 4 + 1; change > 0; --change) {
      const std::size_t at = random() % file.size();
      constexpr std::string_view kBytes = "\"'[]=,.\n#-*0129abtrue \\\xC3";
      switch (random() % 4) {
        case 0:
          file[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          file.erase(at, random() % 8 + 1);
          break;
        case 2:
          file.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        default:
          file.insert(at, file.substr(random() % file.size(), random() % 20));
      }
      if (file.empty()) file = "#";
    }
    const auto profile = Profile::Parse("x", AsBytes(file));
    if (!profile.has_value()) {
      EXPECT_EQ(profile.error().rule(), "profile");
      continue;
    }
    const auto certificate = IssueBy(*issuer, subjects[random() % std::size(subjects)], profile.value());
    EXPECT_TRUE(QueueIsEmpty());
    if (!certificate.has_value()) {
      EXPECT_FALSE(certificate.error().rule().empty()) << certificate.error().message() << "\n" << file;
      continue;
    }
    ++issued;
    const Profile& allowed = profile.value();
    const std::uint32_t usage = X509_get_key_usage(certificate.value().handle());
    EXPECT_EQ(usage & ~static_cast<std::uint32_t>(allowed.key_usage), 0U) << file;
    EXPECT_EQ(certificate.value().IsAuthority(), allowed.authority) << file;
    EXPECT_LE(certificate.value().not_after() - certificate.value().not_before(), allowed.lifetime) << file;
    EXPECT_TRUE(CheckSubject(allowed, Must(SubjectOf(certificate.value(), nullptr))).has_value()) << file;
  }
  EXPECT_GT(issued, 0U);
}

}  // namespace
}  // namespace certfs
