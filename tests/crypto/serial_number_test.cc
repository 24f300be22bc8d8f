// Goal: serial numbers are new, keep to RFC 5280 and are read in every spelling; reasons too. Method: many of
// them, and tables of texts.

#include "crypto/serial_number.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/revocation.h"
#include "tests/support/must.h"

namespace certfs {
namespace {

TEST(SerialNumber, AreNewAndNeverShort) {
  std::set<SerialNumber> seen;
  for (int i = 0; i < 10000; ++i) {
    const SerialNumber serial = Must(RandomSerialNumber());
    EXPECT_EQ(serial[3], 0);
    EXPECT_NE(serial[4], 0);
    EXPECT_TRUE(seen.insert(serial).second);
    EXPECT_EQ(ParseSerialNumber(ToText(serial)), serial);
  }
}

TEST(SerialNumber, IsReadInEverySpelling) {
  const SerialNumber serial = *ParseSerialNumber("0f112233445566778899aabbccddeeff");
  EXPECT_EQ(ToText(serial), "0f112233445566778899aabbccddeeff");
  for (const char* const text :
       {"0x0F112233445566778899AABBCCDDEEFF", "F112233445566778899aabbccddeeff",
        "0f:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "0f 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff",
        "000f112233445566778899aabbccddeeff"}) {
    EXPECT_EQ(ParseSerialNumber(text), serial) << text;
  }
  EXPECT_EQ(ToText(*ParseSerialNumber("1")), "00000000000000000000000000000001");
  EXPECT_EQ(ParseSerialNumber("0"), SerialNumber{});
  // As long as RFC 5280 allows.
  const std::string longest = "7f112233445566778899aabbccddeeff00112233";
  EXPECT_EQ(ToText(*ParseSerialNumber(longest)), longest);
  const std::string longer_than_ours = "0000000f112233445566778899aabbccddeeff00";
  EXPECT_EQ(ToText(*ParseSerialNumber(longer_than_ours)), longer_than_ours);
  for (const char* const text : {"", "0x", "-1", "g", "1:", ":1", "1::2", "1:2", "0x0x1", " 1", "1 ",
                                 "1f112233445566778899aabbccddeeff0011223344", "12 3"}) {
    if (std::string_view(text) == "12 3") {
      EXPECT_EQ(ToText(*ParseSerialNumber(text)).substr(28), "0123");
    } else {
      EXPECT_FALSE(ParseSerialNumber(text).has_value()) << text;
    }
  }
}

TEST(RevocationReason, HasAWordAndANumber) {
  const struct {
    const char* text;
    RevocationReason reason;
  } rows[] = {{"unspecified", RevocationReason::kUnspecified},
              {"keyCompromise", RevocationReason::kKeyCompromise},
              {"KEYCOMPROMISE", RevocationReason::kKeyCompromise},
              {"cACompromise", RevocationReason::kCaCompromise},
              {"affiliationChanged", RevocationReason::kAffiliationChanged},
              {"superseded", RevocationReason::kSuperseded},
              {"cessationOfOperation", RevocationReason::kCessationOfOperation},
              {"certificateHold", RevocationReason::kCertificateHold},
              {"privilegeWithdrawn", RevocationReason::kPrivilegeWithdrawn}};
  for (const auto& [text, reason] : rows) {
    EXPECT_EQ(ParseRevocationReason(text), reason) << text;
    EXPECT_EQ(ParseRevocationReason(std::to_string(static_cast<int>(reason))), reason);
    EXPECT_EQ(ParseRevocationReason(ToString(reason)), reason);
  }
  // removeFromCRL takes back, and 7 was never given away.
  for (const char* const text : {"", "removeFromCRL", "8", "7", "10", "01", "key"})
    EXPECT_FALSE(ParseRevocationReason(text).has_value()) << text;
}

}  // namespace
}  // namespace certfs
