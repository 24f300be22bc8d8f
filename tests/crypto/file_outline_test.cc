// Goal: an outline says of a file what parsing it says.
// Method: every vector that is a certificate, key or CRL, both ways; pairs and strangers.

#include "crypto/file_outline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs {

namespace {

std::vector<std::string> Names(const std::string& suffix) {
  std::vector<std::string> names;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki")) {
    const std::string name = file.path().filename();
    if (name.ends_with(suffix)) names.push_back(name);
  }
  return names;
}

TEST(FileOutlineTest, CertificatesAreAsParsed) {
  int compared = 0;
  for (const std::string& name : Names(".pem")) {
    SCOPED_TRACE(name);
    const Bytes bytes = test::Vector(name);
    const auto parsed = ReadCertificateFile(bytes);
    if (!parsed.has_value()) continue;
    const auto outlines = Must(OutlineCertificates(bytes));
    const auto& certificates = parsed.value().certificates;
    ASSERT_EQ(outlines.size(), certificates.size());
    for (std::size_t i = 0; i < outlines.size(); ++i, ++compared) {
      EXPECT_EQ(outlines[i].fingerprint, certificates[i].fingerprint());
      EXPECT_TRUE(std::ranges::equal(outlines[i].issuer, certificates[i].issuer_der()));
      EXPECT_EQ(outlines[i].serial, certificates[i].serial_der());
      EXPECT_TRUE(std::ranges::equal(outlines[i].der, certificates[i].der()));
    }
  }
  EXPECT_GT(compared, 50);
}

TEST(FileOutlineTest, KeysMatchAsParsed) {
  struct Known {
    std::string name;
    Certificate certificate;
    CertificateOutline outline;
  };
  std::vector<Known> known;
  for (const std::string& name : Names(".pem")) {
    const Bytes text = test::Vector(name);
    const auto certificates = ReadCertificateFile(text);
    if (!certificates.has_value()) continue;
    known.push_back(
        {name, certificates.value().certificates.front(), Must(OutlineCertificates(text)).front()});
  }
  int pairs = 0;
  for (const std::string& key : Names(".key")) {
    const Bytes text = test::Vector(key);
    const auto parsed = ReadKeyFile(text);
    if (!parsed.has_value()) continue;
    Must(OutlineKey(text));
    for (const Known& each : known) {
      const bool matches = parsed.value().key.Matches(each.certificate);
      const auto outlined = OutlineMatches(text, each.outline);
      EXPECT_EQ(outlined.has_value() && outlined.value(), matches) << key << " and " << each.name;
      pairs += matches ? 1 : 0;
    }
  }
  EXPECT_GT(pairs, 3);
}

TEST(FileOutlineTest, RevocationListsAreAsParsed) {
  int lists = 0;
  for (const std::string& name : Names(".pem")) {
    if (!ReadRevocationListFile(test::Vector(name)).has_value()) continue;
    EXPECT_TRUE(OutlineRevocationList(test::Vector(name)).has_value()) << name;
    ++lists;
  }
  EXPECT_GT(lists, 5);
}

// The body of the last block of a vector.
Bytes BodyOf(const std::string& name) {
  const auto blocks = Must(ReadPem(test::Vector(name)));
  const BytesView body = blocks.back().body.Reveal();
  return {body.begin(), body.end()};
}

Bytes PemOf(const std::string& label, BytesView body) {
  const SecretBytes pem = WritePem(label, body);
  return {pem.Reveal().begin(), pem.Reveal().end()};
}

// The same SEQUENCE with its length written in one octet more than DER allows.
Bytes WithLongLength(Bytes body) {
  const bool is_short = body.at(1) < 0x80;
  body.insert(body.begin() + 2, is_short ? body.at(1) : 0);
  body.at(1) = is_short ? 0x81 : body.at(1) + 1;
  return body;
}

TEST(FileOutlineTest, KeysUnderOddLabelsAreTaken) {
  const Bytes parameters = PemOf("EC PARAMETERS", Bytes{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7});
  Bytes with_parameters = parameters;
  const Bytes plain = PemOf("EC PRIVATE KEY", BodyOf("leaf-sec1.key"));
  with_parameters.insert(with_parameters.end(), parameters.begin(), parameters.end());
  with_parameters.insert(with_parameters.end(), plain.begin(), plain.end());
  const std::vector<Bytes> ec = {
      with_parameters,
      PemOf("DSA PRIVATE KEY", BodyOf("leaf-sec1.key")),
      PemOf("PRIVATE KEY", BodyOf("leaf-sec1.key")),
      PemOf("RSA PRIVATE KEY", BodyOf("leaf.key")),
      PemOf("EC PRIVATE KEY", WithLongLength(BodyOf("leaf-sec1.key"))),
  };
  const auto leaf = Must(OutlineCertificates(test::Vector("leaf.pem"))).front();
  const auto other = Must(OutlineCertificates(test::Vector("root.pem"))).front();
  for (std::size_t i = 0; i < ec.size(); ++i) {
    SCOPED_TRACE(i);
    const KeyFile parsed = Must(ReadKeyFile(ec[i]));
    EXPECT_TRUE(OutlineKey(ec[i]).has_value());
    EXPECT_EQ(Must(OutlineMatches(ec[i], leaf)), parsed.key.Matches(Must(Certificate::FromDer(leaf.der))));
    EXPECT_FALSE(Must(OutlineMatches(ec[i], other)));
  }
  EXPECT_TRUE(Must(OutlineMatches(ec[0], leaf)));

  const Bytes rsa[] = {PemOf("RSA PRIVATE KEY", BodyOf("rsa1024.key")),
                       PemOf("PRIVATE KEY", BodyOf("rsa2048-pkcs1.key"))};
  const auto small = Must(OutlineCertificates(test::Vector("rsa1024.pem"))).front();
  for (const Bytes& key : rsa) {
    const KeyFile parsed = Must(ReadKeyFile(key));
    EXPECT_TRUE(OutlineKey(key).has_value());
    EXPECT_EQ(Must(OutlineMatches(key, small)), parsed.key.Matches(Must(Certificate::FromDer(small.der))));
  }
  EXPECT_TRUE(Must(OutlineMatches(rsa[0], small)));
}

// `inner`, the body of the outermost SEQUENCE, given a head again.
Bytes Wrapped(BytesView inner) {
  Bytes whole{0x30, 0x82, static_cast<std::uint8_t>(inner.size() >> 8),
              static_cast<std::uint8_t>(inner.size() & 0xFF)};
  whole.insert(whole.end(), inner.begin(), inner.end());
  return whole;
}

TEST(FileOutlineTest, BerInsideACertificateIsTaken) {
  const Bytes der = BodyOf("leaf.pem");
  ASSERT_EQ(der.at(1), 0x82);
  ASSERT_EQ(der.at(5), 0x82);
  const Bytes ber = Wrapped(WithLongLength({der.begin() + 4, der.end()}));
  const Bytes pem = PemOf("CERTIFICATE", ber);
  const CertificateFile parsed = Must(ReadCertificateFile(pem));
  const auto outline = Must(OutlineCertificates(pem)).front();
  EXPECT_EQ(outline.fingerprint, parsed.certificates.front().fingerprint());
  EXPECT_EQ(outline.der, ber);
  const auto plain = Must(OutlineCertificates(test::Vector("leaf.pem"))).front();
  EXPECT_EQ(outline.issuer, plain.issuer);
  EXPECT_EQ(outline.serial, plain.serial);
  EXPECT_EQ(outline.public_key, plain.public_key);
  EXPECT_TRUE(Must(OutlineMatches(test::Vector("leaf.key"), outline)));
}

TEST(FileOutlineTest, BerInsideARevocationListIsTaken) {
  const Bytes der = BodyOf("crl-5.pem");
  const Bytes body(der.begin() + (der.at(1) == 0x82 ? 4 : 3), der.end());
  const Bytes pem = PemOf("X509 CRL", Wrapped(WithLongLength(body)));
  EXPECT_EQ(ReadRevocationListFile(pem).has_value(), OutlineRevocationList(pem).has_value());
}

TEST(FileOutlineTest, OtherKindsAreRefused) {
  for (const char* name : {"leaf.key", "crl-5.pem", "dsa-traditional.key.der"})
    EXPECT_FALSE(OutlineCertificates(test::Vector(name)).has_value()) << name;
  for (const char* name : {"leaf.pem", "crl-5.pem", "encrypted.key", "encrypted-traditional.key"})
    EXPECT_FALSE(OutlineKey(test::Vector(name)).has_value()) << name;
  Must(OutlineRevocationList(test::Vector("crl-5.pem")));
  for (const char* name : {"leaf.pem", "leaf.key"})
    EXPECT_FALSE(OutlineRevocationList(test::Vector(name)).has_value()) << name;
  EXPECT_FALSE(OutlineSigningRequest(test::Vector("leaf.pem")).has_value());
}

}  // namespace

}  // namespace certfs
