// Goal: an outline says of a file what parsing it says.
// Method: every vector that is a certificate, key or CRL, both ways; pairs and strangers.

#include "crypto/file_outline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

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
  const auto first_of = [](const std::string& name) {
    return Must(OutlineCertificates(test::Vector(name))).front();
  };
  int pairs = 0;
  for (const std::string& key : Names(".key")) {
    const Bytes text = test::Vector(key);
    const auto parsed = ReadKeyFile(text);
    if (!parsed.has_value()) continue;
    Must(OutlineKey(text));
    for (const std::string& name : Names(".pem")) {
      const auto certificates = ReadCertificateFile(test::Vector(name));
      if (!certificates.has_value()) continue;
      const bool matches = parsed.value().key.Matches(certificates.value().certificates.front());
      const auto outlined = OutlineMatches(text, first_of(name));
      EXPECT_EQ(outlined.has_value() && outlined.value(), matches) << key << " and " << name;
      pairs += matches ? 1 : 0;
    }
  }
  EXPECT_GT(pairs, 3);
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
