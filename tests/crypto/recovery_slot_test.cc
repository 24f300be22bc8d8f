// Goal: the private key of a recovery certificate opens its slot, no other key does, and what cannot be one
// is refused with the reason. Method: certificates of every kind, made by OpenSSL's own tool; each byte
// flipped.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <climits>
#include <memory>

#include "crypto/encrypted_key.h"
#include "crypto/key_slot.h"
#include "crypto/pem.h"
#include "tests/support/recovery.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using test::Recipient;
using test::RecoveryKey;

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};
constexpr const char* kKinds[] = {"rsa", "rsa3072", "p256", "p384", "p521"};

SecretBytes RootKey() { return SecretBytes::CopyOf(AsBytes(std::string(kRootKeyBytes, 'r'))); }
StoreId SomeStore() {
  StoreId id;
  id.fill(0x42);
  return id;
}
Slot SlotFor(const std::string& name) {
  return Must(WrapRootKeyFor(SomeStore(), Recipient(name), RootKey(), kNow));
}
template <typename T>
ErrorCode CodeOf(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result.has_value() ? ErrorCode::kInternal : result.error().code();
}

TEST(RecoverySlot, OpensByItsPrivateKeyAlone) {
  for (const char* const name : kKinds) {
    const Slot slot = SlotFor(name);
    const SecretBytes opened = Must(UnwrapRootKey(SomeStore(), RecoveryKey(name), slot));
    EXPECT_TRUE(EqualSecrets(opened.Reveal(), RootKey().Reveal())) << name;
    for (const char* const other : kKinds) {
      if (other == name) continue;
      EXPECT_EQ(CodeOf(UnwrapRootKey(SomeStore(), RecoveryKey(other), slot)), ErrorCode::kAccessDenied);
    }
    StoreId elsewhere = SomeStore();
    elsewhere[0] ^= 1;
    EXPECT_EQ(CodeOf(UnwrapRootKey(elsewhere, RecoveryKey(name), slot)), ErrorCode::kCorrupt);
    EXPECT_EQ(CodeOf(UnwrapRootKey(SomeStore(), {SlotType::kKeyFile, RootKey()}, slot)),
              ErrorCode::kAccessDenied);
  }
}

TEST(RecoverySlot, SaysWhatItIs) {
  const Slot slot = SlotFor("p256");
  EXPECT_EQ(ToHex(BytesView(slot).first(16)), "0300000000000000000000006b49d200");
  const SlotFacts facts = Must(ReadSlotFacts(slot));
  EXPECT_EQ(facts.type, SlotType::kRecovery);
  EXPECT_EQ(facts.created, kNow);
  EXPECT_EQ(facts.recipient, Must(RecipientDigest(Recipient("p256"))));
  EXPECT_EQ(SlotFor("rsa").size(), kSlotBytes + 32 + 256);
  EXPECT_NE(ToHex(SlotFor("p256")), ToHex(slot));
}

TEST(RecoverySlot, RefusesEveryFlippedBit) {
  for (const char* const name : {"rsa", "p256"}) {
    const Slot slot = SlotFor(name);
    const UnlockSecret key = RecoveryKey(name);
    for (std::size_t at = 0; at < slot.size(); at += RoundsStride()) {
      // What is said about scrypt, and is zero here, is bound in like the rest; bits of RSA are many.
      for (int bit = 0; bit < (at < kSlotBytes + 32 ? 8 : 1); ++bit) {
        Slot bad = slot;
        bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1 << bit));
        const auto opened = UnwrapRootKey(SomeStore(), key, bad);
        ASSERT_FALSE(opened.has_value()) << name << " at " << at << ", bit " << bit;
        // Another type, or another recipient, is a wrong key; anything else is damage.
        const ErrorCode code = opened.error().code();
        const bool is_name = at == 0 || (at >= kSlotBytes && at < kSlotBytes + 32);
        if (!is_name) {
          ASSERT_EQ(code, ErrorCode::kCorrupt) << name << " at " << at;
        }
      }
    }
    for (std::size_t size = 0; size < slot.size(); size += RoundsStride()) {
      ASSERT_FALSE(UnwrapRootKey(SomeStore(), key, Slot(slot.begin(), slot.begin() + size)).has_value());
    }
    Slot longer = slot;
    longer.push_back(0);
    EXPECT_EQ(CodeOf(UnwrapRootKey(SomeStore(), key, longer)), ErrorCode::kCorrupt);
  }
}

TEST(RecoverySlot, RefusesWhatCannotBeOne) {
  const struct {
    const char* name;
    const char* reason;
  } rows[] = {
      {"rsa-signs", "keyEncipherment"}, {"p256-signs", "keyAgreement"},
      {"rsa1024", "weak-key"},          {"k256", "secp256k1"},
      {"ed25519", "ED25519"},
  };
  for (const auto& row : rows) {
    const auto slot = WrapRootKeyFor(SomeStore(), Recipient(row.name), RootKey(), kNow);
    EXPECT_EQ(CodeOf(slot), ErrorCode::kRejected) << row.name;
    EXPECT_NE(slot.error().message().find(row.reason), std::string::npos) << slot.error().message();
  }
  for (const char* const name : kKinds) Must(CheckRecipient(Recipient(name)));
  // Its private key is no way to make one, and what is no key opens none.
  EXPECT_EQ(CodeOf(WrapRootKey(SomeStore(), RecoveryKey("rsa"), RootKey(), kNow)),
            ErrorCode::kInvalidArgument);
  const UnlockSecret none{SlotType::kRecovery, SecretBytes::CopyOf(AsBytes("no key"))};
  EXPECT_EQ(CodeOf(UnwrapRootKey(SomeStore(), none, SlotFor("rsa"))), ErrorCode::kMalformed);
}

// An EncryptedPrivateKeyInfo by `algorithm`, which is taken; nothing is encrypted in it.
Bytes Asking(X509_ALGOR* algorithm) {
  EXPECT_NE(algorithm, nullptr);
  const std::unique_ptr<X509_SIG, decltype(&X509_SIG_free)> info(X509_SIG_new(), X509_SIG_free);
  X509_ALGOR* into = nullptr;
  ASN1_OCTET_STRING* content = nullptr;
  X509_SIG_getm(info.get(), &into, &content);
  X509_ALGOR_copy(into, algorithm);
  X509_ALGOR_free(algorithm);
  const Bytes nothing(32, 7);
  ASN1_OCTET_STRING_set(content, nothing.data(), static_cast<int>(nothing.size()));
  unsigned char* der = nullptr;
  const int size = i2d_X509_SIG(info.get(), &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

// Goal: a file cannot keep its reader busy for as long as it likes. Method: algorithms that nobody would live
// to see the end of, and such as are at the bound, which fail for their passphrase.
TEST(EncryptedKey, StretchesNoLongerThanIsBearable) {
  const SecretBytes passphrase = SecretBytes::CopyOf(AsBytes("open sesame"));
  const auto pbkdf2 = [](int rounds) {
    return Asking(PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), rounds, nullptr, 0, nullptr, NID_hmacWithSHA256));
  };
  const auto scrypt = [](std::uint64_t n, std::uint64_t r, std::uint64_t p) {
    return Asking(PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), nullptr, 0, nullptr, n, r, p));
  };
  const auto old = [](int rounds) {
    return Asking(PKCS5_pbe_set(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, rounds, nullptr, 0));
  };
  for (const Bytes& file :
       {pbkdf2(5'000'001), pbkdf2(INT_MAX), old(5'000'001), old(INT_MAX), scrypt(1 << 14, 8, 1 << 7)}) {
    EXPECT_EQ(CodeOf(DecryptKeyFile(file, passphrase)), ErrorCode::kUnsupported);
    const SecretBytes pem = WritePem("ENCRYPTED PRIVATE KEY", file);
    EXPECT_EQ(CodeOf(DecryptKeyFile(pem.Reveal(), passphrase)), ErrorCode::kUnsupported);
  }
  for (const Bytes& file : {pbkdf2(1000), old(1000), scrypt(1 << 10, 8, 4)})
    EXPECT_EQ(CodeOf(DecryptKeyFile(file, passphrase)), ErrorCode::kAccessDenied);
  Bytes longer = test::RecoveryVector("p256-encrypted.key.der");
  longer.push_back(0);
  EXPECT_EQ(CodeOf(DecryptKeyFile(longer, passphrase)), ErrorCode::kMalformed);
}

TEST(EncryptedKey, OpensByItsPassphrase) {
  const SecretBytes passphrase = SecretBytes::CopyOf(AsBytes("open sesame"));
  const SecretBytes wrong = SecretBytes::CopyOf(AsBytes("open sesam"));
  for (const char* const name : {"p256-encrypted.key", "p256-encrypted.key.der", "rsa-encrypted.key"}) {
    const Bytes file = test::RecoveryVector(name);
    const PrivateKey key = Must(DecryptKeyFile(file, passphrase));
    EXPECT_TRUE(key.Matches(Recipient(name[0] == 'p' ? "p256" : "rsa"))) << name;
    EXPECT_EQ(CodeOf(DecryptKeyFile(file, wrong)), ErrorCode::kAccessDenied) << name;
    EXPECT_EQ(CodeOf(DecryptKeyFile(file, SecretBytes())), ErrorCode::kAccessDenied) << name;
    for (std::size_t size = 0; size < file.size() - 1; size += 7) {
      EXPECT_FALSE(DecryptKeyFile(BytesView(file).first(size), passphrase).has_value()) << name << size;
    }
  }
  EXPECT_EQ(CodeOf(DecryptKeyFile(test::RecoveryVector("p256.pem"), passphrase)), ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(DecryptKeyFile({}, passphrase)), ErrorCode::kMalformed);
  // One that is not encrypted needs none.
  EXPECT_TRUE(Must(DecryptKeyFile(test::RecoveryVector("p256.key"), wrong)).Matches(Recipient("p256")));
}

}  // namespace
}  // namespace certfs
