// Goal: hosts, addresses and mailboxes are taken as DNS has them, and nothing else is. Method: tables.

#include "crypto/host_name.h"

#include <gtest/gtest.h>

namespace certfs {
namespace {

TEST(HostName, BecomesWhatDnsHas) {
  const struct {
    std::string text;
    const char* host;  // Null where it is refused.
  } rows[] = {
      {"www.Example.COM", "www.example.com"},
      {"*.example.com", "*.example.com"},
      {"a_b.example", "a_b.example"},
      {"bücher.example", "xn--bcher-kva.example"},
      {"BÜCHER.example", "xn--bcher-kva.example"},
      {"*.bücher.example", "*.xn--bcher-kva.example"},
      {"faß.example", "xn--fa-hia.example"},  // IDNA 2008, not "fass".
      {"例え.テスト", "xn--r8jz45g.xn--zckzah"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"", nullptr},
      {".", nullptr},
      {"a..b", nullptr},
      {"a.", nullptr},
      {"-a.example", nullptr},
      {"a b", nullptr},
      {"a.*.example", nullptr},
      {"*", nullptr},
      {"*.", nullptr},
      {"**.example", nullptr},
      {"xn--9.example", nullptr},
      {"192.0.2.1", nullptr},
      {"192.0.2.1.example", "192.0.2.1.example"},
      {std::string("a\0b", 3), nullptr},
      {std::string("ü\0b", 4), nullptr},
      {"\xFF.example", nullptr},
      {std::string(64, 'a'), nullptr},
      {std::string(63, 'a'), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
      {"ü" + std::string(62, 'a') + ".example", nullptr},
  };
  for (const auto& [text, host] : rows) {
    const auto made = ToHost(text);
    EXPECT_EQ(made.has_value(), host != nullptr) << text;
    if (made.has_value()) {
      EXPECT_EQ(made.value(), host != nullptr ? host : "");
    } else {
      EXPECT_EQ(made.error().code(), ErrorCode::kMalformed);
    }
  }
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  EXPECT_TRUE(ToHost(longest + "a").has_value());  // 253 bytes.
  EXPECT_FALSE(ToHost(longest + "ab").has_value());
}

TEST(HostName, LooksLikeOneOnlyWithADot) {
  for (const char* const text : {"www.example.com", "*.example.com", "192.0.2.1", "2001:db8::1", "a.b"})
    EXPECT_TRUE(LooksLikeHost(text)) << text;
  for (const char* const text : {"", "Machine1_Cert", "Jane Doe", "localhost", "a_b.example",
                                 "bücher.example", "jane@example.com", "1.2.3.4.", "vpxd-1234"}) {
    EXPECT_FALSE(LooksLikeHost(text)) << text;
  }
}

TEST(HostName, AddressesAreReadAndWritten) {
  for (const char* const text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "::ffff:192.0.2.1"}) {
    const auto octets = AddressOctets(text);
    ASSERT_TRUE(octets.has_value()) << text;
    EXPECT_EQ(AddressText(*octets), text);
  }
  EXPECT_EQ(AddressText(*AddressOctets("2001:DB8:0::0:1")), "2001:db8::1");
  for (const std::string& text :
       {std::string("1.2.3"), std::string("01.2.3.4"), std::string("1.2.3.4 "), std::string("::g"),
        std::string(), std::string("fe80::1%eth0"), std::string("1.2.3.4\0x", 9), std::string(100, '1')}) {
    EXPECT_FALSE(AddressOctets(text).has_value()) << text;
  }
}

TEST(HostName, ARangeHoldsWhatItsBitsSay) {
  const auto holds = [](const char* range, const char* address) {
    return AddressRange::Parse(range)->Holds(*AddressOctets(address));
  };
  EXPECT_TRUE(holds("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(holds("10.9.9.9/8", "10.1.1.1"));
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.255"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(holds("0.0.0.0/0", "::1"));
  EXPECT_TRUE(holds("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(holds("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(holds("fd00::/8", "fdff::1"));
  EXPECT_FALSE(holds("fd00::/8", "fe00::1"));
  for (const char* const text :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "/8", "::/129", ""})
    EXPECT_FALSE(AddressRange::Parse(text).has_value()) << text;
}

TEST(HostName, AMailboxHasADomain) {
  const auto made = [](const char* text) {
    const auto email = ToEmail(text);
    return email.has_value() ? email.value() : "none";
  };
  EXPECT_EQ(made("Jane.Doe@Example.com"), "Jane.Doe@example.com");
  EXPECT_EQ(made("jane@bücher.example"), "jane@xn--bcher-kva.example");
  for (const char* const text : {"", "jane", "@example.com", "jane@", "ja ne@example.com", "jané@example.com",
                                 "jane@*.example.com", "jane@a b"}) {
    EXPECT_EQ(made(text), "none") << text;
  }
  EXPECT_EQ(made((std::string(65, 'a') + "@example.com").c_str()), "none");
}

}  // namespace
}  // namespace certfs
