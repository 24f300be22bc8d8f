// Goal: PEM bundles and single objects are read as PKCS#12 is: keys with their chains, the rest named; damage
// is an error. Method: vectors joined in many orders, encrypted keys of both forms, foreign kinds, bits
// flipped in every third byte.

#include "crypto/bundle.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/crypto/verdicts.h"
#include "tests/support/must.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using test::QueueIsEmpty;
using test::Text;
using test::Vector;
using namespace std::string_view_literals;

SecretBytes Secret(std::string_view text) { return SecretBytes::CopyOf(AsBytes(text)); }

// One line for each thing found: "key www.example.com 2", "certificate Vector Root", "list Vector Root".
std::string Described(const Bundle& bundle) {
  std::string text;
  for (const Pkcs12Item& item : bundle.items) {
    text += item.pkcs8.empty() ? "certificate " : "key ";
    text += NameOf(item).empty() ? "-" : NameOf(item);
    if (!item.pkcs8.empty()) text += " " + std::to_string(item.certificates.size());
    text += "\n";
  }
  for (const RevocationList& list : bundle.lists) text += "list " + CommonNameOf(list) + "\n";
  for (const std::string& each : bundle.skipped) text += "skipped " + each + "\n";
  return text;
}

std::string Read(BytesView file, std::string_view password = "") {
  const auto bundle = ReadBundle(file, Secret(password));
  EXPECT_TRUE(QueueIsEmpty());
  return bundle.has_value() ? Described(bundle.value()) : std::string(ToString(bundle.error().code()));
}
std::string Read(const std::string& text, std::string_view password = "") {
  return Read(AsBytes(text), password);
}

constexpr const char* kWeb = "key www.example.com 2\n";

TEST(Bundle, ChainsAreFoundInAnyOrder) {
  const std::string leaf = Text("leaf.pem");
  const std::string issuing = Text("issuing.pem");
  const std::string key = Text("leaf.key");
  for (const std::string& text : {leaf + issuing + key, key + leaf + issuing, issuing + key + leaf,
                                  "# words\n" + issuing + leaf + "between\n" + Text("leaf-sec1.key")}) {
    EXPECT_EQ(Read(text), kWeb);
  }
  EXPECT_EQ(Read(leaf + key), "key www.example.com 1\n");
  EXPECT_EQ(Read(key), "key - 0\n");
  EXPECT_EQ(Read(Text("other.key") + leaf), "key - 0\ncertificate www.example.com\n");
  EXPECT_EQ(Read(key + leaf + issuing + Text("root.pem") + Text("crl-5.pem")),
            std::string(kWeb) + "certificate Vector Root\nlist Vector Root\n");
}

TEST(Bundle, EncryptedKeys) {
  for (const char* name : {"encrypted.key", "encrypted-traditional.key"}) {
    const std::string text = Text("leaf.pem") + Text(name);
    EXPECT_EQ(Read(text), "password-required") << name;
    EXPECT_EQ(Read(text, "another"), "access-denied") << name;
    EXPECT_TRUE(Read(text, "secret").starts_with("key ")) << Read(text, "secret");
  }
}

TEST(Bundle, OneObjectInDer) {
  EXPECT_EQ(Read(Vector("leaf.der")), "certificate www.example.com\n");
  EXPECT_EQ(Read(Vector("leaf.key.der")), "key - 0\n");
  EXPECT_EQ(Read(Vector("crl-5.der")), "list Vector Root\n");
  const auto blocks = Must(ReadPem(Vector("encrypted.key")));
  EXPECT_EQ(Read(blocks[0].body.Reveal()), "password-required");
  EXPECT_EQ(Read(blocks[0].body.Reveal(), "another"), "access-denied");
  EXPECT_TRUE(Read(blocks[0].body.Reveal(), "secret").starts_with("key "));
}

TEST(Bundle, Pkcs12) {
  const Bytes file = test::ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pkcs12/openssl.p12");
  EXPECT_EQ(Read(file, "geheim"), "key web 2\ncertificate Vector Root\n");
  EXPECT_EQ(Read(file), "password-required");
}

TEST(Bundle, WhatIsNotKnownIsNamed) {
  const auto block = [](const std::string& label) {
    return "-----BEGIN " + label + "-----\nAAAA\n-----END " + label + "-----\n";
  };
  EXPECT_EQ(Read(Text("leaf.pem") + block("CERTIFICATE REQUEST")),
            "certificate www.example.com\nskipped a PEM block that is neither certificate, key nor CRL: "
            "CERTIFICATE "
            "REQUEST\n");
  EXPECT_TRUE(Read(block("CERTIFICATE") + Text("leaf.pem")).find("skipped certificate 1: ") !=
              std::string::npos);
  EXPECT_TRUE(Read(block("X509 CRL")).starts_with("skipped CRL: "));
  EXPECT_TRUE(Read(Text("dsa.key")).starts_with("skipped a key of a kind that no store takes"));
  EXPECT_EQ(Read(block("PRIVATE KEY")), "malformed");
  EXPECT_EQ(Read(block("ENCRYPTED PRIVATE KEY"), "secret"), "malformed");
}

TEST(Bundle, JavaKeystoresAreKnown) {
  const Bytes file = test::ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pkcs12/java.jks");
  EXPECT_EQ(JavaKeystoreType(file), "JKS");
  EXPECT_EQ(JavaKeystoreType(AsBytes("\xCE\xCE\xCE\xCE\x00"sv)), "JCEKS");
  EXPECT_EQ(JavaKeystoreType(AsBytes("\xCE\xCE\xCE"sv)), "");
  EXPECT_EQ(JavaKeystoreType(Vector("leaf.der")), "");
  EXPECT_EQ(Read(file), "unsupported");
}

// More blocks than a file of a store may hold.
TEST(Bundle, AsLongAsASystemsBundle) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += Text("root.pem");
  EXPECT_EQ(Read(text), "certificate Vector Root\n");
}

TEST(Bundle, NothingAndNonsense) {
  for (const std::string_view bytes : {""sv, "hello\n"sv, "\x30\x03\x02\x01\x03"sv, "\x30\x80"sv,
                                       "-----BEGIN PRIVATE KEY-----\n"sv, "-----BEGIN \n"sv}) {
    EXPECT_EQ(Read(AsBytes(bytes)), "malformed") << bytes;
  }
  EXPECT_EQ(Read(Bytes(Pkcs12Limits().bytes + 1, 'x')), "too-large");
}

TEST(Bundle, FlippedBitsAndCuts) {
  const std::string text =
      Text("chain.pem") + Text("leaf-sec1.key") + Text("crl-5.pem") + Text("encrypted.key");
  for (std::size_t i = 0; i < text.size(); i += 3 * RoundsStride()) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 7));
    Read(flipped, "secret");
    Read(text.substr(0, i), "secret");
    ASSERT_TRUE(QueueIsEmpty()) << i;
  }
}

}  // namespace
}  // namespace certfs
