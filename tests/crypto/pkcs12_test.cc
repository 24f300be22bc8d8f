// Goal: others open what Pkcs12Builder writes and find in it what was put there; its size is told beforehand;
// same content, same bytes. Method: libcrypto's own parser, the commands openssl and keytool, random shapes
// at fixed seeds, and a bit flipped in every seventh byte.

#include "crypto/pkcs12.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/crypto/verdicts.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace certfs {
namespace {

using test::Certificates;
using test::Outcome;
using test::QueueIsEmpty;
using test::RunProgram;
using test::Vector;

constexpr std::uint32_t kFew = 1000;  // Enough iterations for a test.
constexpr Pkcs12Profile kProfiles[] = {Pkcs12Profile::kModern, Pkcs12Profile::kCompatible};

SecretBytes Secret(std::string_view text) { return SecretBytes::CopyOf(AsBytes(text)); }
const Bytes kSalt(kPkcs12SaltBytes, 0x5A);

Pkcs12Password Password(Pkcs12Profile profile, std::string_view text, std::uint32_t iterations = kFew) {
  return Must(Pkcs12Password::Stretch({profile, iterations}, Secret(text), kSalt));
}

// A key in PKCS#8 and its chain, as the calls take them.
struct Pair {
  SecretBytes pkcs8;
  std::vector<Certificate> chain;
  std::vector<BytesView> views() const {
    std::vector<BytesView> views;
    for (const Certificate& each : chain) views.push_back(each.der());
    return views;
  }
};

Pair PairOf(const std::string& key, const std::string& chain) {
  Pair pair{Must(Must(ReadKeyFile(Vector(key))).key.ToPkcs8()), {}};
  if (!chain.empty()) pair.chain = Certificates(chain);
  return pair;
}

Bytes FileOf(const Pkcs12Password& password, const std::vector<std::pair<std::string, const Pair*>>& pairs,
             std::string_view seed = "a seed") {
  Pkcs12Builder builder(password, Secret(seed));
  for (const auto& [name, pair] : pairs) Must(builder.AddKey(name, pair->pkcs8.Reveal(), pair->views()));
  return Must(builder.Finish());
}

using Pkcs12Handle = std::unique_ptr<PKCS12, decltype(&PKCS12_free)>;

Pkcs12Handle Parse(BytesView file) {
  const std::uint8_t* at = file.data();
  Pkcs12Handle parsed(d2i_PKCS12(nullptr, &at, static_cast<long>(file.size())), PKCS12_free);
  if (parsed && at != file.data() + file.size()) parsed.reset();
  ERR_clear_error();
  return parsed;
}

bool Verifies(BytesView file, const std::string& password) {
  const Pkcs12Handle parsed = Parse(file);
  const bool verified = parsed && PKCS12_verify_mac(parsed.get(), password.c_str(), -1) == 1;
  ERR_clear_error();
  return verified;
}

// A file that is gone with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(BytesView content) {
    std::string pattern = (std::filesystem::temp_directory_path() / "pkcs12_test.XXXXXX").string();
    const int file = mkstemp(pattern.data());
    EXPECT_GE(file, 0);
    close(file);
    path_ = pattern;
    std::ofstream(path_, std::ios::binary) << AsText(content);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::size_t CountOf(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class Pkcs12Test : public testing::TestWithParam<Pkcs12Profile> {};

INSTANTIATE_TEST_SUITE_P(Profiles, Pkcs12Test, testing::ValuesIn(kProfiles),
                         [](const testing::TestParamInfo<Pkcs12Profile>& each) {
                           return each.param == Pkcs12Profile::kModern ? "Modern" : "Compatible";
                         });

TEST_P(Pkcs12Test, LibcryptoFindsKeyChainAndName) {
  const Pair pair = PairOf("leaf.key", "chain.pem");
  ASSERT_GE(pair.chain.size(), 2U);
  const Bytes file = FileOf(Password(GetParam(), "geheim"), {{"wéb", &pair}});
  const Pkcs12Handle parsed = Parse(file);
  ASSERT_NE(parsed, nullptr);
  EXPECT_EQ(PKCS12_mac_present(parsed.get()), 1);
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  ASSERT_EQ(PKCS12_parse(parsed.get(), "geheim", &key, &leaf, &others), 1);
  ASSERT_NE(leaf, nullptr);
  EXPECT_EQ(X509_cmp(leaf, pair.chain[0].handle()), 0);
  EXPECT_EQ(X509_check_private_key(leaf, key), 1);
  int size = 0;
  const unsigned char* const name = X509_alias_get0(leaf, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(name), static_cast<std::size_t>(size)), "wéb");
  EXPECT_EQ(sk_X509_num(others), static_cast<int>(pair.chain.size()) - 1);
  sk_X509_pop_free(others, X509_free);
  X509_free(leaf);
  EVP_PKEY_free(key);
}

TEST_P(Pkcs12Test, OtherPasswordsAreRefused) {
  const Pair pair = PairOf("leaf.key", "chain.pem");
  const Bytes file = FileOf(Password(GetParam(), "geheim"), {{"web", &pair}});
  EXPECT_TRUE(Verifies(file, "geheim"));
  for (const char* other : {"", "Geheim", "geheim ", "geheimgeheim"}) EXPECT_FALSE(Verifies(file, other));
}

// A password beyond ASCII: UTF-8 for PBES2, BMPString with surrogates for RFC 7292's derivation.
TEST_P(Pkcs12Test, PasswordsBeyondAscii) {
  const Pair pair = PairOf("rsa2048.key", "under-rsa.pem");
  for (const std::string password : {"pässwörd", "密码密码", "key \U0001F511"}) {
    const Bytes file = FileOf(Password(GetParam(), password), {{"\U0001F511", &pair}});
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(PKCS12_parse(Parse(file).get(), password.c_str(), &key, nullptr, nullptr), 1) << password;
    EVP_PKEY_free(key);
  }
}

TEST_P(Pkcs12Test, SameContentSameBytes) {
  const Pair pair = PairOf("leaf.key", "chain.pem");
  const Pair other = PairOf("ed25519.key", "");
  const Pkcs12Password password = Password(GetParam(), "geheim");
  const Bytes file = FileOf(password, {{"a", &pair}, {"b", &other}});
  EXPECT_EQ(file, FileOf(Password(GetParam(), "geheim"), {{"a", &pair}, {"b", &other}}));
  EXPECT_NE(file, FileOf(password, {{"a", &pair}, {"b", &other}}, "another seed"));
  EXPECT_NE(file, FileOf(Password(GetParam(), "geheim2"), {{"a", &pair}, {"b", &other}}));
  EXPECT_NE(file, FileOf(password, {{"b", &pair}, {"a", &other}}));
}

// Blocks of ciphertext show nothing of equal plaintexts, in one file and across files.
TEST_P(Pkcs12Test, EqualKeysHaveDifferentCiphertexts) {
  const Pair pair = PairOf("leaf.key", "");
  const Bytes file = FileOf(Password(GetParam(), "geheim"), {{"a", &pair}, {"a", &pair}});
  const Pkcs12Handle parsed = Parse(file);
  ASSERT_NE(parsed, nullptr);
  std::set<std::string> blocks;
  std::size_t count = 0;
  STACK_OF(PKCS7)* const safes = PKCS12_unpack_authsafes(parsed.get());
  ASSERT_EQ(sk_PKCS7_num(safes), 1) << "an empty safe is left out";
  STACK_OF(PKCS12_SAFEBAG)* const bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, 0));
  for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
    const X509_SIG* const shrouded = PKCS12_SAFEBAG_get0_pkcs8(sk_PKCS12_SAFEBAG_value(bags, i));
    const ASN1_OCTET_STRING* cipher = nullptr;
    X509_SIG_get0(shrouded, nullptr, &cipher);
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(cipher)),
                           static_cast<std::size_t>(ASN1_STRING_length(cipher)));
    for (std::size_t at = 0; at < text.size(); at += 8, ++count) blocks.insert(text.substr(at, 8));
  }
  EXPECT_EQ(blocks.size(), count);
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
  sk_PKCS7_pop_free(safes, PKCS7_free);
}

// Whatever is put in, the measure says what comes out.
TEST_P(Pkcs12Test, MeasureSaysTheSizeOfRandomShapes) {
  std::mt19937 random(20261125);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  const auto content = [&] { return Bytes(below(8) == 0 ? below(70000) : below(300), 0x42); };
  const auto name = [&] {
    std::string text;
    for (std::size_t i = below(5) == 0 ? below(200) : below(20); i > 0; --i) {
      constexpr std::array<const char*, 4> kLetters{"x", "ä", "€", "\U0001F511"};
      text += kLetters[below(4)];
    }
    return text;
  };
  for (int shape = 0; shape < 300; ++shape) {
    const std::uint32_t iterations = shape % 3 == 0 ? 1 : shape % 3 == 1 ? 127 : 128;
    const Pkcs12Password password = Password(GetParam(), "geheim", iterations);
    Pkcs12Builder builder(password, Secret("a seed"));
    Pkcs12Measure measure(password.settings());
    const std::size_t keys = GetParam() == Pkcs12Profile::kModern ? below(12) : below(3);
    for (std::size_t k = 0; k < keys; ++k) {
      std::vector<Bytes> certificates(below(5));
      std::vector<BytesView> views;
      std::vector<std::size_t> sizes;
      for (Bytes& each : certificates) {
        each = content();
        views.push_back(each);
        sizes.push_back(each.size());
      }
      const std::string named = name();
      const Bytes key = content();
      Must(builder.AddKey(named, key, views));
      measure.AddKey(named, key.size(), sizes);
    }
    for (std::size_t t = below(4); t > 0; --t) {
      const std::string named = name();
      const Bytes certificate = content();
      Must(builder.AddTrusted(named, certificate));
      measure.AddTrusted(named, certificate.size());
    }
    const Bytes file = Must(builder.Finish());
    ASSERT_EQ(measure.size(), file.size()) << "shape " << shape;
    ASSERT_TRUE(Verifies(file, "geheim")) << "shape " << shape;
  }
}

TEST_P(Pkcs12Test, AFlippedBitIsRefused) {
  const Pair pair = PairOf("leaf.key", "chain.pem");
  const Bytes file = FileOf(Password(GetParam(), "geheim", 1), {{"web", &pair}});
  for (std::size_t i = 0; i < file.size(); i += 7) {
    Bytes flipped = file;
    flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ (1U << i % 8));
    EXPECT_FALSE(Verifies(flipped, "geheim")) << "byte " << i;
  }
}

TEST_P(Pkcs12Test, OpensslCommandReadsIt) {
  const Pair pair = PairOf("leaf.key", "chain.pem");
  const TemporaryFile file(FileOf(Password(GetParam(), "geheim"), {{"web", &pair}}));
  const std::string command = "openssl pkcs12 -in " + file.path() + " -nodes -info -passin pass:";
  const Outcome run = RunProgram(command + "geheim");
  EXPECT_EQ(run.code, 0) << run.output;
  EXPECT_EQ(CountOf(run.output, "BEGIN CERTIFICATE"), pair.chain.size()) << run.output;
  EXPECT_EQ(CountOf(run.output, "BEGIN PRIVATE KEY"), 1U);
  EXPECT_EQ(CountOf(run.output, "friendlyName: web"), 2U);
  const bool modern = GetParam() == Pkcs12Profile::kModern;
  EXPECT_NE(run.output.find(modern ? "MAC: sha256, Iteration 1000" : "MAC: sha1, Iteration 2048"),
            std::string::npos)
      << run.output;
  EXPECT_NE(run.output.find(modern ? "PBES2, PBKDF2, AES-256-CBC, Iteration 1000, PRF hmacWithSHA256"
                                   : "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048"),
            std::string::npos)
      << run.output;
  EXPECT_NE(RunProgram(command + "other").code, 0);
}

// Java looks for the chain by names among all certificates of the file: "mail" gets its intermediate so.
TEST_P(Pkcs12Test, KeytoolListsEveryKey) {
  const Pair web = PairOf("leaf.key", "chain.pem");
  const Pair mail = PairOf("rsa2048.key", "under-rsa.pem");
  const TemporaryFile file(
      FileOf(Password(GetParam(), "geheim"), {{"web", &web}, {"mail", &mail}, {"wéb-2", &web}}));
  const Outcome run = RunProgram(
      "LC_ALL=C.UTF-8 keytool -J-Dstdout.encoding=UTF-8 -list -v -storetype PKCS12 -storepass geheim "
      "-keystore " +
      file.path());
  EXPECT_EQ(run.code, 0) << run.output;
  EXPECT_NE(run.output.find("contains 3 entries"), std::string::npos) << run.output;
  EXPECT_EQ(CountOf(run.output, "Entry type: PrivateKeyEntry"), 3U) << run.output;
  EXPECT_EQ(CountOf(run.output, "Certificate chain length: " + std::to_string(web.chain.size())), 3U)
      << run.output;
  for (const char* alias : {"Alias name: web\n", "Alias name: mail\n", "Alias name: wéb-2\n"}) {
    EXPECT_NE(run.output.find(alias), std::string::npos) << run.output;
  }
}

TEST_P(Pkcs12Test, KeytoolTrustsWhatIsTrusted) {
  const Pair web = PairOf("leaf.key", "chain.pem");
  Pkcs12Builder builder(Password(GetParam(), "changeit"), Secret("a seed"));
  Must(builder.AddTrusted("acme root", Certificates("root.pem")[0].der()));
  Must(builder.AddKey("web", web.pkcs8.Reveal(), web.views()));
  Must(builder.AddTrusted("other root", Certificates("other-root.pem")[0].der()));
  const TemporaryFile file(Must(builder.Finish()));
  const Outcome run = RunProgram("keytool -list -storepass changeit -keystore " + file.path());
  EXPECT_EQ(run.code, 0) << run.output;
  EXPECT_EQ(CountOf(run.output, "trustedCertEntry"), 2U) << run.output;
  EXPECT_EQ(CountOf(run.output, "PrivateKeyEntry"), 1U) << run.output;
  EXPECT_NE(run.output.find("acme root"), std::string::npos) << run.output;
}

// What is not asked for cannot be told: a file without anything in it, and a key without a certificate.
TEST_P(Pkcs12Test, NearlyNothing) {
  const Bytes nothing = FileOf(Password(GetParam(), "geheim"), {});
  EXPECT_TRUE(Verifies(nothing, "geheim"));
  EXPECT_EQ(nothing.size(), Pkcs12Measure({GetParam(), kFew}).size());
  const Pair key = PairOf("ed25519.key", "");
  const Bytes file = FileOf(Password(GetParam(), "geheim"), {{"", &key}});
  EVP_PKEY* found = nullptr;
  EXPECT_EQ(PKCS12_parse(Parse(file).get(), "geheim", &found, nullptr, nullptr), 1);
  EXPECT_EQ(EVP_PKEY_get_id(found), EVP_PKEY_ED25519);
  EVP_PKEY_free(found);
}

TEST(Pkcs12, BrokenRules) {
  using Settings = Pkcs12Settings;
  const auto code = [](const Settings& settings, std::string_view password, std::size_t salt) {
    const auto stretched = Pkcs12Password::Stretch(settings, Secret(password), Bytes(salt));
    return stretched.has_value() ? std::string() : std::string(ToString(stretched.error().code()));
  };
  EXPECT_EQ(code({}, "", kPkcs12SaltBytes), "invalid-argument");
  EXPECT_EQ(code({}, "\xff", kPkcs12SaltBytes), "invalid-argument");
  EXPECT_EQ(code({}, std::string("a\0b", 3), kPkcs12SaltBytes), "invalid-argument");
  EXPECT_EQ(code({}, "geheim", 8), "invalid-argument");
  EXPECT_EQ(code({Pkcs12Profile::kModern, 0}, "geheim", kPkcs12SaltBytes), "invalid-argument");
  EXPECT_EQ(code({Pkcs12Profile::kModern, UINT32_MAX}, "geheim", kPkcs12SaltBytes), "invalid-argument");
  Pkcs12Builder builder(Password(Pkcs12Profile::kModern, "geheim"), Secret("a seed"));
  EXPECT_EQ(builder.AddKey("\xff", Bytes(10), {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(builder.AddTrusted("\xff", Bytes(10)).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(QueueIsEmpty());
}

}  // namespace
}  // namespace certfs
