#include "crypto/sealing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace certfs {

namespace {

SecretBytes KeyOf(char fill) { return SecretBytes::CopyOf(AsBytes(std::string(kDataKeyBytes, fill))); }

RecordIdentity SomeIdentity() {
  RecordIdentity identity{{}, RecordKind::kContent, 3, 77, 2};
  identity.store_id.fill(0x11);
  return identity;
}

Bytes SealedText(std::string_view text, std::uint64_t revision = 9) {
  return Seal(KeyOf('k'), SomeIdentity(), revision, AsBytes(text)).value();
}

bool IsRefused(const SecretBytes& key, const RecordIdentity& identity, BytesView sealed) {
  const auto opened = Unseal(key, identity, sealed);
  return !opened.has_value() && opened.error().code() == ErrorCode::kCorrupt;
}

TEST(Sealing, OpensWhatItSealed) {
  for (const std::size_t size : {1, 15, 16, 17, 1000, 1 << 20}) {
    const std::string text(size, 'x');
    const Bytes sealed = SealedText(text);
    EXPECT_EQ(sealed.size(), size + kSealOverhead);
    const auto opened = Unseal(KeyOf('k'), SomeIdentity(), sealed);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened.value().revision, 9U);
    EXPECT_EQ(AsText(opened.value().plaintext.Reveal()), text);
  }
}

TEST(Sealing, HasTheLayoutOfTheSpecification) {
  const Bytes sealed = SealedText("x");
  EXPECT_EQ(ToHex(BytesView(sealed).first(16)), "01010400000000030000000000000009");
}

// Recomputed from store/README.md with the primitives alone: the format cannot drift unnoticed.
TEST(Sealing, CommitsToItsKey) {
  using namespace std::string_view_literals;
  const Bytes sealed = SealedText("x");
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes("certfs/v1/record\0"sv));
  writer.Raw(SomeIdentity().store_id);
  writer.Raw(BytesView(sealed).first(16));
  writer.U64(77);
  writer.U64(2);
  const auto keys = DeriveKey(KeyOf('k'), BytesView(sealed).subspan(16, 32), info, 64);
  ASSERT_TRUE(keys.has_value());
  EXPECT_EQ(ToHex(keys.value().Reveal().last(32)), ToHex(BytesView(sealed).subspan(48, 32)));
}

TEST(Sealing, RefusesEveryFlippedBit) {
  const Bytes sealed = SealedText("some plaintext");
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = sealed;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1 << bit));
      EXPECT_TRUE(IsRefused(KeyOf('k'), SomeIdentity(), bad)) << at << ", bit " << bit;
    }
  }
}

TEST(Sealing, RefusesEveryOtherLength) {
  const Bytes sealed = SealedText("some plaintext");
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_TRUE(IsRefused(KeyOf('k'), SomeIdentity(), BytesView(sealed).first(size))) << size;
  }
  Bytes longer = sealed;
  longer.push_back(0);
  EXPECT_TRUE(IsRefused(KeyOf('k'), SomeIdentity(), longer));
}

TEST(Sealing, RefusesAnotherKeyOrIdentity) {
  const Bytes sealed = SealedText("text");
  EXPECT_TRUE(IsRefused(KeyOf('x'), SomeIdentity(), sealed));
  const std::function<void(RecordIdentity&)> changes[] = {
      [](RecordIdentity& identity) { identity.store_id[15] ^= 1; },
      [](RecordIdentity& identity) { identity.kind = RecordKind::kEntry; },
      [](RecordIdentity& identity) { identity.epoch = 4; },
      [](RecordIdentity& identity) { identity.number = 78; },
      [](RecordIdentity& identity) { identity.member = 1; },
      [](RecordIdentity& identity) { std::swap(identity.number, identity.member); }};
  for (const auto& change : changes) {
    RecordIdentity other = SomeIdentity();
    change(other);
    EXPECT_TRUE(IsRefused(KeyOf('k'), other, sealed));
  }
}

// The revision lies in the clear; giving an old record a newer one breaks the seal.
TEST(Sealing, RefusesAnotherRevision) {
  Bytes sealed = SealedText("text", 9);
  sealed[15] = 10;
  EXPECT_TRUE(IsRefused(KeyOf('k'), SomeIdentity(), sealed));
}

TEST(Sealing, RefusesPartsOfTwoRecords) {
  const Bytes first = SealedText("first");
  const Bytes second = SealedText("other");
  for (const std::size_t cut : {std::size_t{16}, std::size_t{48}, std::size_t{80}, first.size() - 16}) {
    Bytes mixed(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(cut));
    mixed.insert(mixed.end(), second.begin() + static_cast<std::ptrdiff_t>(cut), second.end());
    // Up to the salt the two are equal: what is left is the second record, whole.
    EXPECT_EQ(IsRefused(KeyOf('k'), SomeIdentity(), mixed), cut != 16) << cut;
  }
}

TEST(Sealing, NeverSealsTheSameWayTwice) {
  const Bytes first = SealedText("text");
  const Bytes second = SealedText("text");
  EXPECT_NE(ToHex(BytesView(first).subspan(16, 32)), ToHex(BytesView(second).subspan(16, 32)));
  EXPECT_NE(ToHex(BytesView(first).subspan(80)), ToHex(BytesView(second).subspan(80)));
}

TEST(Sealing, RefusesToSealNothing) {
  EXPECT_EQ(Seal(KeyOf('k'), SomeIdentity(), 1, {}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Sealing, Sha256OfParts) {
  // FIPS 180-4, "abc".
  constexpr auto kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(ToHex(Sha256({AsBytes("abc")})), kAbc);
  EXPECT_EQ(ToHex(Sha256({AsBytes("a"), {}, AsBytes("bc")})), kAbc);
  EXPECT_EQ(ToHex(Sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sealing, HmacSha256OfParts) {
  // RFC 4231, test case 2.
  const SecretBytes key = SecretBytes::CopyOf(AsBytes("Jefe"));
  EXPECT_EQ(ToHex(HmacSha256(key, {AsBytes("what do ya want "), AsBytes("for nothing?")})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Sealing, HmacSha256OfALongKey) {
  // RFC 4231, test case 6; twice, because the context that is used again may know nothing of the time before.
  const SecretBytes key = SecretBytes::CopyOf(Bytes(131, 0xAA));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ToHex(HmacSha256(key, {AsBytes("Test Using Larger Than Block-Size Key - Hash Key First")})),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(ToHex(HmacSha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  }
}

// The values are those of `openssl kdf -keylen 64 -kdfopt digest:SHA512 ... HKDF`, for the inputs of RFC
// 5869, A.1.
TEST(Sealing, DerivesAsOpensslDoes) {
  const SecretBytes secret = SecretBytes::CopyOf(Bytes(22, 0x0B));
  const Bytes salt{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const Bytes info{0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9};
  EXPECT_EQ(ToHex(DeriveKey(secret, salt, info, 64).value().Reveal()),
            "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c14815793"
            "38da362cb8d9f925d7cbcce0dff7098769cf15959867d571c1715450cb530137");
  EXPECT_EQ(ToHex(DeriveKey(secret, {}, info, 32).value().Reveal()),
            "5381877f912df8257626c548528eff28829b76d7d528e9590d68c8b17a0086d7");
  EXPECT_EQ(DeriveKey(secret, salt, info, 65).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Sealing, FillsWithRandomBytes) {
  Digest first{};
  Digest second{};
  ASSERT_TRUE(FillRandom(first).has_value());
  ASSERT_TRUE(FillRandom(second).has_value());
  EXPECT_NE(first, second);
}

// Each thread's generator takes locked memory. Returns what a thread is told that finds none left.
int RandomWithoutLockedMemory() {
  if (!LockSecrets()) return -1;
  Digest random{};
  if (!FillRandom(random).has_value()) return -2;
  std::vector<SecretBytes> taken;
  for (std::size_t size = std::size_t{1} << 24; size >= 32; size /= 2) {
    try {
      for (;;) taken.emplace_back(size);
    } catch (const std::bad_alloc&) {
    }
  }
  int told = 0;
  const auto ask = [&] {
    const auto filled = FillRandom(random);
    told = filled.has_value() ? 0 : 1 + static_cast<int>(filled.error().code());
  };
  std::thread(ask).join();
  const int without = told;
  taken.clear();
  std::thread(ask).join();
  return told == 0 ? without : -3;
}

TEST(SealingDeathTest, SaysThatNoLockedMemoryIsLeft) {
  EXPECT_EXIT(_exit(RandomWithoutLockedMemory()),
              testing::ExitedWithCode(1 + static_cast<int>(ErrorCode::kNoMemory)), "");
}

}  // namespace

}  // namespace certfs
