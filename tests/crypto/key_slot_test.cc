#include "crypto/key_slot.h"

#include <gtest/gtest.h>

#include <string>

namespace certfs {

namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};

UnlockSecret SecretOf(SlotType type, std::string_view text) {
  return {type, SecretBytes::CopyOf(AsBytes(text))};
}
UnlockSecret KeyFile(char fill) { return SecretOf(SlotType::kKeyFile, std::string(kKeyFileBytes, fill)); }

SecretBytes RootKey() { return SecretBytes::CopyOf(AsBytes(std::string(kRootKeyBytes, 'r'))); }

StoreId SomeStore() {
  StoreId id;
  id.fill(0x42);
  return id;
}

Slot KeyFileSlot() { return WrapRootKey(SomeStore(), KeyFile('k'), RootKey(), kNow).value(); }

ErrorCode Refusal(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot) {
  const auto key = UnwrapRootKey(store_id, secret, slot);
  EXPECT_FALSE(key.has_value());
  return key.has_value() ? ErrorCode::kInternal : key.error().code();
}

TEST(KeySlot, AKeyFileOpensItsSlot) {
  const Slot slot = KeyFileSlot();
  EXPECT_EQ(ToHex(BytesView(slot).first(16)), "0200000000000000000000006b49d200");
  const auto key = UnwrapRootKey(SomeStore(), KeyFile('k'), slot);
  ASSERT_TRUE(key.has_value());
  EXPECT_TRUE(EqualSecrets(key.value().Reveal(), RootKey().Reveal()));
}

TEST(KeySlot, APassphraseOpensItsSlot) {
  const UnlockSecret passphrase = SecretOf(SlotType::kPassphrase, "correct horse");
  const Slot slot = WrapRootKey(SomeStore(), passphrase, RootKey(), kNow).value();
  EXPECT_EQ(ToHex(BytesView(slot).first(8)), "0111080100000000");
  const auto key = UnwrapRootKey(SomeStore(), passphrase, slot);
  ASSERT_TRUE(key.has_value());
  EXPECT_TRUE(EqualSecrets(key.value().Reveal(), RootKey().Reveal()));
  EXPECT_EQ(Refusal(SomeStore(), SecretOf(SlotType::kPassphrase, "correct horsf"), slot),
            ErrorCode::kAccessDenied);
}

TEST(KeySlot, TellsAWrongKeyFromDamage) {
  EXPECT_EQ(Refusal(SomeStore(), KeyFile('x'), KeyFileSlot()), ErrorCode::kAccessDenied);
  EXPECT_EQ(Refusal(SomeStore(), SecretOf(SlotType::kPassphrase, std::string(32, 'k')), KeyFileSlot()),
            ErrorCode::kAccessDenied);
  StoreId other = SomeStore();
  other[0] ^= 1;
  EXPECT_EQ(Refusal(other, KeyFile('k'), KeyFileSlot()), ErrorCode::kAccessDenied);
}

TEST(KeySlot, RefusesEveryFlippedBit) {
  const Slot slot = KeyFileSlot();
  for (std::size_t at = 0; at < slot.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Slot bad = slot;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1 << bit));
      // Up to the commitment a change makes another slot, which this key does not fit; behind it, damage. No
      // slot, or one of nobody knows what type, is neither.
      const bool is_type = at == 0 && bad[0] != 1;
      if (is_type) {
        EXPECT_FALSE(UnwrapRootKey(SomeStore(), KeyFile('k'), bad).has_value());
        continue;
      }
      EXPECT_EQ(Refusal(SomeStore(), KeyFile('k'), bad),
                at < 80 ? ErrorCode::kAccessDenied : ErrorCode::kCorrupt)
          << at << ", bit " << bit;
    }
  }
}

TEST(KeySlot, RefusesCostsOutsideTheBounds) {
  const UnlockSecret passphrase = SecretOf(SlotType::kPassphrase, "p");
  struct Cost {
    std::uint8_t log2_n, r, p;
  };
  for (const Cost& cost : {Cost{15, 8, 1}, Cost{21, 8, 1}, Cost{255, 8, 1}, Cost{17, 7, 1}, Cost{17, 255, 1},
                           Cost{17, 8, 0}, Cost{17, 8, 5}, Cost{0, 0, 0}}) {
    Slot slot(kSlotBytes);
    slot[0] = static_cast<std::uint8_t>(SlotType::kPassphrase);
    slot[1] = cost.log2_n;
    slot[2] = cost.r;
    slot[3] = cost.p;
    EXPECT_EQ(Refusal(SomeStore(), passphrase, slot), ErrorCode::kUnsupported) << int{cost.log2_n};
  }
}

TEST(KeySlot, RefusesSecretsThatAreNone) {
  const auto refusal = [](const UnlockSecret& secret) {
    return WrapRootKey(SomeStore(), secret, RootKey(), kNow).error().code();
  };
  EXPECT_EQ(refusal(SecretOf(SlotType::kPassphrase, "")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(SecretOf(SlotType::kKeyFile, std::string(31, 'k'))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(SecretOf(SlotType::kKeyFile, std::string(33, 'k'))), ErrorCode::kInvalidArgument);
}

TEST(KeySlot, WrapsDifferentlyEachTime) {
  const Slot first = KeyFileSlot();
  const Slot second = KeyFileSlot();
  EXPECT_NE(ToHex(BytesView(first).subspan(16)), ToHex(BytesView(second).subspan(16)));
}

}  // namespace

}  // namespace certfs
