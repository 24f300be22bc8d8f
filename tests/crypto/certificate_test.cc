// Goal: a certificate says what it is, in words and in the bytes that identify it.
// Method: vectors whose names, serial numbers and dates are known.

#include "crypto/certificate.h"

#include <gtest/gtest.h>

#include "tests/crypto/verdicts.h"

namespace certfs {
namespace {

using namespace test;

TEST(Certificate, SaysWhatItIs) {
  using namespace std::chrono_literals;
  const Certificate zero = Certificates("zero-serial.pem").front();
  EXPECT_EQ(zero.subject(), "CN=zero");
  EXPECT_EQ(zero.issuer(), "CN=Vector Issuing CA");
  EXPECT_EQ(zero.serial(), "0");
  EXPECT_EQ(zero.not_before(), std::chrono::sys_days{2026y / 1 / 1});
  EXPECT_EQ(zero.not_after(), std::chrono::sys_days{2027y / 1 / 1});
  EXPECT_FALSE(zero.IsAuthority());
  EXPECT_FALSE(zero.IsSelfSigned());
  EXPECT_TRUE(Certificates("root.pem").front().IsSelfSigned());
  EXPECT_TRUE(Certificates("issuing.pem").front().IsAuthority());
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

}  // namespace
}  // namespace certfs
