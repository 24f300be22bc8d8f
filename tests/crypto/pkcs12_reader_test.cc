// Goal: what others write is read whole, with the right words where it cannot be; hostile files end in an
// error, soon. Method: files of OpenSSL, Java, NSS and GnuTLS (tests/vectors/pkcs12), others made here by
// libcrypto, our own; each one cut after every byte and with bits flipped.

#include "crypto/pkcs12_reader.h"

#include <gtest/gtest.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "crypto/der.h"
#include "crypto/pkcs12.h"
#include "tests/crypto/verdicts.h"
#include "tests/support/must.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using test::Certificates;
using test::QueueIsEmpty;
using test::Vector;
using namespace std::string_view_literals;

SecretBytes Secret(std::string_view text) { return SecretBytes::CopyOf(AsBytes(text)); }

Bytes P12(const std::string& name) {
  Bytes bytes = test::ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pkcs12/" + name);
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

// One line an item: "key web 2", "certificate acme root trusted".
std::string Described(const Pkcs12Contents& contents) {
  std::string text;
  for (const Pkcs12Item& item : contents.items) {
    text += item.pkcs8.empty() ? "certificate " : "key ";
    text += item.name.empty() ? "-" : item.name;
    if (!item.pkcs8.empty()) text += " " + std::to_string(item.certificates.size());
    text += item.trusted ? " trusted\n" : "\n";
  }
  for (const std::string& each : contents.skipped) text += "skipped " + each + "\n";
  return text;
}

std::string Read(BytesView file, std::string_view password) {
  const auto contents = ReadPkcs12(file, Secret(password));
  EXPECT_TRUE(QueueIsEmpty());
  if (!contents.has_value()) return std::string(ToString(contents.error().code()));
  return Described(contents.value());
}

struct Case {
  const char* file;
  const char* password;
  const char* expected;
};

// The chain of "web" is leaf and issuing CA; the root of those files stands alone.
constexpr const char* kWeb = "key web 2\ncertificate -\n";
constexpr Case kCases[] = {
    {"openssl.p12", "geheim", kWeb},
    {"openssl.p12", "Geheim", "access-denied"},
    {"openssl.p12", "", "password-required"},
    {"openssl-legacy.p12", "geheim", kWeb},
    {"openssl-legacy.p12", "Geheim", "access-denied"},
    {"openssl-compatible.p12", "geheim", kWeb},
    {"openssl-rc4.p12", "geheim", kWeb},
    {"openssl-aes128-sha512.p12", "geheim", kWeb},
    {"openssl-no-mac.p12", "geheim", kWeb},
    {"openssl-no-mac.p12", "Geheim", "access-denied"},
    {"openssl-no-mac.p12", "", "password-required"},
    {"openssl-plain.p12", "geheim", kWeb},
    {"openssl-plain.p12", "Geheim", "access-denied"},
    {"openssl-empty-password.p12", "", kWeb},
    {"openssl-empty-password.p12", "geheim", "access-denied"},
    {"openssl-umlaut-password.p12", "pässwört", kWeb},
    {"openssl-umlaut-password-compatible.p12", "pässwört", kWeb},
    {"java-keys.p12", "geheim", "key web 2\nkey mail 1\ncertificate CN=Vector Root\n"},
    {"java-trusted.p12", "changeit", "certificate acme root trusted\ncertificate acme other-root trusted\n"},
    {"java-trusted.p12", "", "password-required"},
    {"nss.p12", "geheim", "key web 2\ncertificate Vector Root\n"},
    {"nss-aes.p12", "pässwört", "key web 2\ncertificate Vector Root\n"},
    {"gnutls.p12", "geheim", "key web 2\n"},
    {"gnutls-null-password.p12", "", "key web 1\n"},
    {"gnutls-null-password.p12", "geheim", "access-denied"},
    {"java.jks", "geheim", "malformed"},
};

class Pkcs12ReaderTest : public testing::TestWithParam<Case> {};

TEST_P(Pkcs12ReaderTest, FindsWhatIsThere) {
  const Case& each = GetParam();
  const Bytes file = P12(each.file);
  EXPECT_EQ(Read(file, each.password), each.expected);
  EXPECT_EQ(MayBePkcs12(file), std::string(each.file).ends_with(".p12"));
}

std::string NameOfCase(const testing::TestParamInfo<Case>& each) {
  std::string name = each.param.file;
  for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
  return name + std::to_string(each.index);
}
INSTANTIATE_TEST_SUITE_P(Corpus, Pkcs12ReaderTest, testing::ValuesIn(kCases), NameOfCase);

TEST(Pkcs12Reader, KeysAndCertificatesAreThoseOfTheVectors) {
  for (const char* name : {"openssl.p12", "nss.p12", "openssl-rc4.p12"}) {
    const Pkcs12Contents contents = Must(ReadPkcs12(P12(name), Secret("geheim")));
    ASSERT_FALSE(contents.items.empty());
    const Pkcs12Item& item = contents.items[0];
    ASSERT_EQ(item.certificates.size(), 2U);
    EXPECT_EQ(item.certificates[0].fingerprint(), Certificates("leaf.pem")[0].fingerprint());
    EXPECT_EQ(item.certificates[1].fingerprint(), Certificates("issuing.pem")[0].fingerprint());
    EXPECT_TRUE(Must(PrivateKey::FromDer(item.pkcs8.Reveal())).Matches(item.certificates[0]));
  }
}

// --- Our own

SecretBytes Pkcs8(const std::string& name) { return Must(Must(ReadKeyFile(Vector(name))).key.ToPkcs8()); }

TEST(Pkcs12Reader, OwnFiles) {
  for (const Pkcs12Profile profile : {Pkcs12Profile::kModern, Pkcs12Profile::kCompatible}) {
    const Bytes salt(kPkcs12SaltBytes, 1);
    const auto password = Must(Pkcs12Password::Stretch({profile, 1000}, Secret("geheim"), salt));
    Pkcs12Builder builder(password, Secret("seed"));
    const std::vector<Certificate> chain = Certificates("chain.pem");
    const std::vector<BytesView> views{chain[0].der(), chain[1].der()};
    const SecretBytes key = Pkcs8("leaf.key");
    Must(builder.AddKey("wéb \U0001F511", key.Reveal(), views));
    Must(builder.AddKey("again", key.Reveal(), views));
    Must(builder.AddKey("", Pkcs8("ed25519.key").Reveal(), {}));
    Must(builder.AddTrusted("acme\nroot", Certificates("root.pem")[0].der()));
    EXPECT_EQ(Read(Must(builder.Finish()), "geheim"),
              "key wéb \U0001F511 2\nkey again 2\nkey - 0\ncertificate acme?root trusted\n");
  }
}

// Thousands of keys under one derivation: the budget is not spent, and nothing walks through all for each.
TEST(Pkcs12Reader, ManyKeysOfOneDerivation) {
  const Bytes salt(kPkcs12SaltBytes, 1);
  const auto password =
      Must(Pkcs12Password::Stretch({Pkcs12Profile::kModern, 100000}, Secret("geheim"), salt));
  Pkcs12Builder builder(password, Secret("seed"));
  const std::vector<Certificate> chain = Certificates("chain.pem");
  const std::vector<BytesView> views{chain[0].der(), chain[1].der()};
  const SecretBytes key = Pkcs8("leaf.key");
  const std::size_t keys = Rounds<std::size_t>(1000);
  for (std::size_t i = 0; i < keys; ++i) Must(builder.AddKey("web" + std::to_string(i), key.Reveal(), views));
  const Pkcs12Contents contents = Must(ReadPkcs12(Must(builder.Finish()), Secret("geheim")));
  ASSERT_EQ(contents.items.size(), keys);
  for (const Pkcs12Item& item : contents.items) ASSERT_EQ(item.certificates.size(), 2U);
}

// --- Files that libcrypto is made to write

using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// One key without localKeyID or name beside its certificate, under two passwords, and maybe in a spelling.
Bytes MadeByLibcrypto(const char* safe_password, const char* key_password, const char* mac_password,
                      bool with_certificate, int key_pbe = NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                      int iterations = 100, int mac_iterations = 100) {
  const SecretBytes pkcs8 = Pkcs8("leaf.key");
  const std::uint8_t* at = pkcs8.Reveal().data();
  const KeyPointer key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pkcs8.size())), EVP_PKEY_free);
  STACK_OF(PKCS12_SAFEBAG)* key_bags = nullptr;
  STACK_OF(PKCS12_SAFEBAG)* certificate_bags = nullptr;
  STACK_OF(PKCS7)* safes = nullptr;
  PKCS12_add_key(&key_bags, key.get(), 0, iterations, key_pbe, key_password);
  PKCS12_add_safe(&safes, key_bags, -1, 0, nullptr);
  if (with_certificate) {
    PKCS12_add_cert(&certificate_bags, Certificates("leaf.pem")[0].handle());
    PKCS12_add_safe(&safes, certificate_bags, NID_aes_256_cbc, iterations, safe_password);
  }
  PKCS12* const file = PKCS12_add_safes(safes, 0);
  PKCS12_set_mac(file, mac_password, -1, nullptr, 0, mac_iterations, EVP_sha256());
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PKCS12(file, &encoded);
  Bytes bytes(encoded, encoded + size);
  OPENSSL_free(encoded);
  PKCS12_free(file);
  sk_PKCS7_pop_free(safes, PKCS7_free);
  sk_PKCS12_SAFEBAG_pop_free(key_bags, PKCS12_SAFEBAG_free);
  sk_PKCS12_SAFEBAG_pop_free(certificate_bags, PKCS12_SAFEBAG_free);
  return bytes;
}

TEST(Pkcs12Reader, JoinsByPublicKeyWhereNothingElseSays) {
  EXPECT_EQ(Read(MadeByLibcrypto("geheim", "geheim", "geheim", true), "geheim"), "key - 1\n");
}

TEST(Pkcs12Reader, SpellingsOfAPassword) {
  // OpenSSL before 1.1 took the bytes of UTF-8 for characters.
  constexpr const char* kBytesAsCharacters = "pÃ¤ss";
  EXPECT_EQ(Read(MadeByLibcrypto("", kBytesAsCharacters, kBytesAsCharacters, false), "päss"), "key - 0\n");
  // A terminal in Latin-1.
  EXPECT_EQ(Read(MadeByLibcrypto("", "päss", "päss", false), "p\xE4ss"), "key - 0\n");
  EXPECT_EQ(Read(MadeByLibcrypto("", "päss", "päss", false), "pass"), "access-denied");
}

TEST(Pkcs12Reader, AKeyWithAnotherPassword) {
  const auto contents = ReadPkcs12(MadeByLibcrypto("geheim", "anders", "geheim", true), Secret("geheim"));
  ASSERT_FALSE(contents.has_value());
  EXPECT_EQ(contents.error().code(), ErrorCode::kAccessDenied);
  EXPECT_NE(contents.error().message().find("another password than the file"), std::string::npos);
}

TEST(Pkcs12Reader, LimitsAreKept) {
  const Bytes file = MadeByLibcrypto("geheim", "geheim", "geheim", true);  // 100 iterations each; two bags.
  struct Row {
    Pkcs12Limits limits;
    const char* outcome;
  };
  for (const Row& row :
       {Row{{file.size(), 2, 100, 400}, "read"}, Row{{file.size() - 1, 2, 100, 400}, "too-large"},
        Row{{file.size(), 1, 100, 400}, "too-large"}, Row{{file.size(), 2, 99, 400}, "unsupported"},
        Row{{file.size(), 2, 100, 399}, "unsupported"}, Row{{file.size(), 2, 100, 99}, "unsupported"}}) {
    const auto contents = ReadPkcs12(file, Secret("geheim"), row.limits);
    EXPECT_EQ(contents.has_value() ? "read" : ToString(contents.error().code()), row.outcome);
    EXPECT_TRUE(QueueIsEmpty());
  }
}

// --- What is not read, and what is said about it

// A file with the MAC algorithm, the MAC's parameters and the safes that are given.
template <typename Fill>
Bytes FileWithMac(const ObjectIdentifier& mac, std::uint64_t iterations, Fill&& safes) {
  Bytes out;
  DerWriter<Bytes> der(out);
  const ObjectIdentifier data("1.2.840.113549.1.7.1");
  der.Sequence([&] {
    der.Integer(3);
    der.Sequence([&] {
      der.Identifier(data);
      der.Context(0, [&] { der.OctetStringOf([&] { der.Sequence([&] { safes(der); }); }); });
    });
    der.Sequence([&] {
      der.Sequence([&] {
        der.Sequence([&] {
          der.Identifier(mac);
          der.Null();
        });
        der.OctetString(Bytes(32));
      });
      der.OctetString(Bytes(8));
      der.Integer(iterations);
    });
  });
  return out;
}

TEST(Pkcs12Reader, WordsForWhatIsNotKnown) {
  const auto nothing = [](DerWriter<Bytes>&) {};
  struct Row {
    Bytes file;
    ErrorCode code;
    const char* words;
  };
  const ObjectIdentifier sha256("2.16.840.1.101.3.4.2.1");
  for (const Row& row :
       {Row{FileWithMac(ObjectIdentifier("1.2.840.113549.1.5.14"), 1, nothing), ErrorCode::kUnsupported,
            "PBMAC1"},
        Row{FileWithMac(sha256, 10'000'001, nothing), ErrorCode::kUnsupported, "iteration count"},
        Row{FileWithMac(sha256, 0, nothing), ErrorCode::kUnsupported, "iteration count"},
        Row{FileWithMac(sha256, UINT64_MAX, nothing), ErrorCode::kUnsupported, "iteration count"},
        Row{FileWithMac(sha256, 1, nothing), ErrorCode::kAccessDenied, "wrong"},
        Row{Bytes(Pkcs12Limits().bytes + 1, 0x30), ErrorCode::kTooLarge, "67108864"},
        Row{Bytes(), ErrorCode::kMalformed, "PKCS#12"},
        Row{Bytes{0x30, 0x00}, ErrorCode::kMalformed, "PKCS#12"},
        Row{Vector("leaf.der"), ErrorCode::kMalformed, "PKCS#12"}}) {
    const auto contents = ReadPkcs12(row.file, Secret("geheim"));
    ASSERT_FALSE(contents.has_value()) << row.words;
    EXPECT_EQ(contents.error().code(), row.code) << contents.error().message();
    EXPECT_NE(contents.error().message().find(row.words), std::string::npos) << contents.error().message();
  }
  Bytes trailing = P12("openssl.p12");
  trailing.push_back(0);
  EXPECT_EQ(Read(trailing, "geheim"), "malformed");
}

TEST(Pkcs12Reader, TheLegacyProviderIsAskedForByName) {
  setenv("OPENSSL_MODULES", "/nonexistent", 1);
  const auto contents = ReadPkcs12(P12("openssl-legacy.p12"), Secret("geheim"));
  unsetenv("OPENSSL_MODULES");
  ASSERT_FALSE(contents.has_value());
  EXPECT_EQ(contents.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(contents.error().message().find("legacy provider"), std::string::npos)
      << contents.error().message();
  EXPECT_TRUE(QueueIsEmpty());
}

// --- Hostile input

class HostilePkcs12Test : public testing::TestWithParam<Case> {};

// Whatever comes out, it is a result: a file that a MAC covers is not read otherwise than it was.
TEST_P(HostilePkcs12Test, FlippedBits) {
  const Bytes good = P12(GetParam().file);
  const SecretBytes password = Secret(GetParam().password);
  // Those of NSS and GnuTLS stretch the password 600,000 times.
  const bool slow = !std::string(GetParam().file).starts_with("openssl");
  for (std::size_t i = 0; i < good.size(); i += (slow ? 97 : 3) * RoundsStride()) {
    Bytes flipped = good;
    flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ (1U << i % 8));
    const auto contents = ReadPkcs12(flipped, password);
    ASSERT_TRUE(QueueIsEmpty()) << "byte " << i;
    if (contents.has_value() && std::string(GetParam().file).find("no-mac") == std::string::npos) {
      EXPECT_EQ(Described(contents.value()), GetParam().expected) << "byte " << i;
    }
  }
}

TEST_P(HostilePkcs12Test, CutOffAfterEachByte) {
  const Bytes good = P12(GetParam().file);
  const SecretBytes password = Secret(GetParam().password);
  for (std::size_t size = 0; size < good.size(); size += RoundsStride()) {
    EXPECT_FALSE(ReadPkcs12(BytesView(good).first(size), password).has_value()) << "after " << size;
    MayBePkcs12(BytesView(good).first(size));
    ASSERT_TRUE(QueueIsEmpty()) << "after " << size;
  }
}

constexpr Case kHostile[] = {kCases[0],  kCases[3],  kCases[8],  kCases[11],
                             kCases[17], kCases[18], kCases[20], kCases[22]};
INSTANTIATE_TEST_SUITE_P(Corpus, HostilePkcs12Test, testing::ValuesIn(kHostile), NameOfCase);

TEST(Pkcs12Reader, AnotherVersionIsNone) {
  Bytes file = P12("openssl.p12");
  const std::size_t version = 6;  // Behind a SEQUENCE of two bytes of length, and an INTEGER of one byte.
  ASSERT_EQ(file[version], 3);
  file[version] = 2;
  const auto read = ReadPkcs12(file, Secret("geheim"));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), ErrorCode::kMalformed);
}

TEST(Pkcs12Reader, NestingWithoutEnd) {
  Bytes indefinite{0x30, 0x80, 0x02, 0x01, 0x03};
  for (int i = 0; i < 100000; ++i) indefinite.insert(indefinite.end(), {0x30, 0x80});
  EXPECT_EQ(Read(indefinite, "geheim"), "malformed");
  // Safes within safes, without a MAC.
  const ObjectIdentifier safes_bag("1.2.840.113549.1.12.10.1.6");
  Bytes inner{0x30, 0x00};
  for (int i = 0; i < 500; ++i) {
    Bytes outer;
    DerWriter<Bytes> der(outer);
    der.Sequence([&] {
      der.Sequence([&] {
        der.Identifier(safes_bag);
        der.Context(0, [&] { der.Raw(inner); });
      });
    });
    inner = std::move(outer);
  }
  Bytes file;
  DerWriter<Bytes> der(file);
  const ObjectIdentifier data("1.2.840.113549.1.7.1");
  const auto content = [&](auto&& fill) {
    der.Sequence([&] {
      der.Identifier(data);
      der.Context(0, [&] { der.OctetStringOf(fill); });
    });
  };
  der.Sequence([&] {
    der.Integer(3);
    content([&] { der.Sequence([&] { content([&] { der.Raw(inner); }); }); });
  });
  EXPECT_EQ(Read(file, "geheim"), "malformed");
}

}  // namespace
}  // namespace certfs
