// Goal: a file of a store becomes the object that its name promises, its text kept, its chain in order.
// Method: the same object in every encoding that openssl writes; orders of one chain; every truncation of
// DER.

#include "crypto/store_file.h"

#include <gtest/gtest.h>

#include "crypto/pem.h"
#include "tests/crypto/verdicts.h"

namespace certfs {
namespace {

using namespace test;

std::string KeyRuleOf(const std::string& text) {
  const auto file = ReadKeyFile(AsBytes(text));
  return file.has_value() ? "accepted" : std::string(file.error().rule());
}

TEST(StoreFile, KeepsPemAsWrittenAndTurnsDerIntoPem) {
  const std::string text = "# ours\n" + Text("chain.pem");
  CertificateFile file = ReadCertificateFile(AsBytes(text)).value();
  Arrange(file, nullptr);
  EXPECT_EQ(AsText(file.text), text);
  EXPECT_FALSE(file.rearranged);
  EXPECT_EQ(AsText(ReadCertificateFile(Vector("leaf.der")).value().text), Text("leaf.pem"));
  EXPECT_EQ(AsText(ReadKeyFile(Vector("leaf.key.der")).value().text.Reveal()), Text("leaf.key"));
}

TEST(StoreFile, PutsAChainInOrder) {
  CertificateFile file = ReadCertificateFile(Vector("chain-wrong-order.pem")).value();
  Arrange(file, nullptr);
  EXPECT_TRUE(file.rearranged);
  EXPECT_EQ(AsText(file.text), Text("chain.pem"));
  EXPECT_EQ(ReadCertificateFile(file.text).value().certificates.front().subject(), "CN=www.example.com");

  const PrivateKey key = ReadKeyFile(Vector("leaf.key")).value().key;
  CertificateFile mixed = ReadCertificateFile(AsBytes(Text("other-root.pem") + Text("leaf.pem"))).value();
  Arrange(mixed, &key);
  EXPECT_EQ(AsText(mixed.text), Text("leaf.pem") + Text("other-root.pem"));
}

TEST(StoreFile, KeysSayWhatTheyAre) {
  EXPECT_EQ(ReadKeyFile(Vector("leaf.key")).value().key.Describe(), "EC P-256");
  EXPECT_EQ(ReadKeyFile(Vector("rsa2048.key")).value().key.Describe(), "RSA 2048");
  EXPECT_EQ(ReadKeyFile(Vector("ed25519.key")).value().key.Describe(), "ED25519");
}

// A public half tells the same as its key, and no more: it has no private encoding.
TEST(StoreFile, APublicHalfTellsWhatItsKeyTells) {
  const Certificate leaf = ReadCertificateFile(Vector("leaf.pem")).value().certificates.front();
  for (const char* const name : {"leaf.key", "rsa2048.key", "ed25519.key"}) {
    const PrivateKey key = ReadKeyFile(Vector(name)).value().key;
    const PublicKey half = PublicKey::Of(key).value();
    EXPECT_EQ(half.Describe(), key.Describe()) << name;
    EXPECT_EQ(half.Is(KeyType::kEcP256), key.Is(KeyType::kEcP256)) << name;
    EXPECT_EQ(half.Matches(leaf), key.Matches(leaf)) << name;
    EXPECT_EQ(half.Matches(leaf), std::string_view(name) == "leaf.key");
    EXPECT_NE(half.handle(), key.handle());
  }
}

TEST(StoreFile, KeyFiles) {
  const std::string key = Text("leaf.key");
  const std::string der = Text("leaf.key.der");
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const struct {
    std::string text;
    std::string rule;
  } rows[] = {
      {key, "accepted"},
      {parameters + Text("leaf-sec1.key").substr(Text("leaf-sec1.key").find("-----BEGIN EC PRIVATE")),
       "accepted"},
      {key + parameters, "wrong-kind"},
      {parameters, "wrong-kind"},
      {key + key, "wrong-kind"},
      {key + Text("leaf.pem"), "wrong-kind"},
      {Text("crl-5.pem"), "wrong-kind"},
      {Text("encrypted.key"), "encrypted-key"},
      {Text("encrypted-traditional.key"), "encrypted-key"},
      {der, "accepted"},
      {der + std::string(1, '\0'), "trailing-data"},
      {Text("leaf.der"), "unreadable"},
      {Text("crl-5.der"), "unreadable"},
      {std::string(kFileBytesMax + 1, '\n'), "too-large"},
      {"\x30" + std::string(kFileBytesMax, '\0'), "too-large"},
  };
  for (const auto& row : rows) EXPECT_EQ(KeyRuleOf(row.text), row.rule) << row.text.substr(0, 60);
  EXPECT_EQ(ReadKeyFile(Vector("encrypted.key")).error().code(), ErrorCode::kPasswordRequired);
}

// A key in DER is kept as PKCS#8 in PEM, whatever it was; an encrypted one in DER needs its password as well.
TEST(StoreFile, KeysInDer) {
  for (const char* name : {"leaf.key", "leaf-sec1.key", "rsa2048.key", "rsa2048-pkcs1.key", "ed25519.key"}) {
    const std::vector<PemBlock> blocks = ReadPem(Vector(name)).value();
    const KeyFile file = ReadKeyFile(blocks.back().body.Reveal()).value();
    const std::vector<PemBlock> kept = ReadPem(file.text.Reveal()).value();
    ASSERT_EQ(kept.size(), 1U) << name;
    EXPECT_EQ(kept.front().label, "PRIVATE KEY") << name;
    EXPECT_EQ(AsText(kept.front().body.Reveal()), AsText(file.key.ToPkcs8().value().Reveal())) << name;
    // What is kept can be written again.
    EXPECT_EQ(AsText(ReadKeyFile(file.text.Reveal()).value().text.Reveal()), AsText(file.text.Reveal()));
  }
  const std::vector<PemBlock> encrypted = ReadPem(Vector("encrypted.key")).value();
  const auto refused = ReadKeyFile(encrypted.front().body.Reveal());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPasswordRequired);
  EXPECT_EQ(refused.error().rule(), "encrypted-key");
}

// The lines that OpenSSL's tools print around a key, a CRL and a chain stay where they are.
TEST(StoreFile, ExplanatoryLines) {
  const std::string bag =
      "Bag Attributes\n    friendlyName: web\n    localKeyID: 01\nKey Attributes: <No Attributes>\n";
  const std::string key = bag + Text("leaf.key");
  EXPECT_EQ(AsText(ReadKeyFile(AsBytes(key)).value().text.Reveal()), key);
  const std::string list =
      "Certificate Revocation List (CRL):\n        Version 2 (0x1)\n" + Text("crl-5.pem");
  EXPECT_EQ(AsText(ReadRevocationListFile(AsBytes(list)).value().text), list);
  const std::string chain = "subject=CN = www\nissuer=CN = ca\n" + Text("leaf.pem") +
                            "\nsubject=CN = ca\nissuer=CN = root\n" + Text("issuing.pem");
  EXPECT_EQ(AsText(ReadCertificateFile(AsBytes(chain)).value().text), chain);
  // As Windows ends its lines.
  std::string windows;
  for (const char c : Text("chain.pem")) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_EQ(AsText(ReadCertificateFile(AsBytes(windows)).value().text), windows);
}

// The other encodings of a key in DER, whole and with a byte too many.
TEST(StoreFile, TrailingBytesBehindAnyKeyAreSeen) {
  for (const char* name : {"leaf.key", "leaf-sec1.key", "rsa2048.key", "rsa2048-pkcs1.key", "ed25519.key"}) {
    const std::vector<PemBlock> blocks = ReadPem(Vector(name)).value();
    SecretBytes der = blocks.back().body.Clone();
    EXPECT_TRUE(PrivateKey::FromDer(der.Reveal()).has_value()) << name;
    der.push_back(0);
    EXPECT_EQ(PrivateKey::FromDer(der.Reveal()).error().rule(), "trailing-data") << name;
  }
}

TEST(StoreFile, CertificateFiles) {
  const std::string der = Text("leaf.der");
  const std::string leaf = Text("leaf.pem");
  std::string many;
  for (int i = 0; i < 33; ++i) many += leaf;
  std::string old_label = leaf;
  for (std::size_t at = 0; (at = old_label.find(" CERTIFICATE-", at)) != std::string::npos; at += 8) {
    old_label.replace(at, 12, " X509 CERTIFICATE");
  }
  // The same certificate with its outermost length in the indefinite form: BER, not DER.
  const std::string ber = der.substr(0, 1) + "\x80" + der.substr(4) + std::string(2, '\0');
  const struct {
    std::string text;
    std::string rule;
  } rows[] = {
      {der, "accepted"},
      {der + "x", "trailing-data"},
      {ber, "unreadable"},
      {old_label, "accepted"},
      {many, "too-many-certificates"},
      {many.substr(leaf.size()), "accepted"},
      {Text("crl-5.pem"), "wrong-kind"},
      {Text("encrypted.key"), "wrong-kind"},
      {Text("leaf.key.der"), "unreadable"},
      {std::string(AsText(Patched(Vector("leaf.der"), "270101000000Z", "27x101000000Z"))), "unreadable"},
  };
  for (const auto& row : rows) {
    const auto file = ReadCertificateFile(AsBytes(row.text));
    EXPECT_EQ(file.has_value() ? "accepted" : std::string(file.error().rule()), row.rule)
        << row.text.substr(0, 60);
  }
}

TEST(StoreFile, ArrangeMovesBlocksWithTheirText) {
  const std::string leaf = "# leaf\n" + Text("leaf.pem");
  const std::string issuing = "subject=issuing\n" + Text("issuing.pem");
  const std::string root = "# root\n" + Text("root.pem");
  const struct {
    std::string given;
    std::string kept;
    bool rearranged;
  } rows[] = {
      {leaf + issuing + root, leaf + issuing + root, false},
      {root + issuing + leaf, leaf + issuing + root, true},
      {root + leaf + issuing + "# end\n", leaf + issuing + root + "# end\n", true},
      {issuing + leaf.substr(0, leaf.size() - 1), leaf + issuing, true},
      // Two that issued nothing: there is no telling which is the leaf.
      {Text("untrusted.pem") + issuing + leaf, Text("untrusted.pem") + issuing + leaf, false},
  };
  for (const auto& row : rows) {
    CertificateFile file = File(AsBytes(row.given));
    Arrange(file, nullptr);
    EXPECT_EQ(AsText(file.text), row.kept);
    EXPECT_EQ(file.rearranged, row.rearranged);
    EXPECT_EQ(File(file.text).certificates.front().fingerprint(), file.certificates.front().fingerprint());
  }
}

// A key survives the way to PKCS#8 and back, whatever it was written as.
TEST(StoreFile, KeysKeepTheirNumbers) {
  const Certificate leaf = Certificates("leaf.pem").front();
  for (const char* name : {"leaf.key", "leaf-sec1.key", "leaf.key.der"}) {
    const KeyFile file = ReadKeyFile(Vector(name)).value();
    EXPECT_TRUE(file.key.Matches(leaf)) << name;
    const PrivateKey again = PrivateKey::FromDer(file.key.ToPkcs8().value().Reveal()).value();
    EXPECT_TRUE(again.Matches(leaf)) << name;
  }
  EXPECT_FALSE(ReadKeyFile(Vector("other.key")).value().key.Matches(leaf));
}

}  // namespace
}  // namespace certfs
