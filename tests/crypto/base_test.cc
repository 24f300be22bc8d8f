#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

namespace {

TEST(Bytes, WriterIsBigEndian) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U8(0x01);
  writer.U16(0x0203);
  writer.U32(0x04050607);
  writer.U64(0x08090A0B0C0D0E0F);
  writer.I64(-2);
  writer.Prefixed(AsBytes("ab"));
  writer.Raw(AsBytes("c"));
  EXPECT_EQ(ToHex(bytes), "0102030405060708090a0b0c0d0e0ffffffffffffffffe0002616263");
}

TEST(Bytes, ReaderTakesApartWhatWriterWrote) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U8(255);
  writer.U16(65535);
  writer.U32(0xFFFFFFFF);
  writer.U64(~std::uint64_t{0});
  writer.I64(INT64_MIN);
  writer.Prefixed({});
  writer.Prefixed(AsBytes("text"));
  writer.Raw(Bytes(4, 7));
  Reader reader(bytes);
  EXPECT_EQ(reader.U8(), 255);
  EXPECT_EQ(reader.U16(), 65535);
  EXPECT_EQ(reader.U32(), 0xFFFFFFFF);
  EXPECT_EQ(reader.U64(), ~std::uint64_t{0});
  EXPECT_EQ(reader.I64(), INT64_MIN);
  EXPECT_TRUE(reader.Prefixed().empty());
  EXPECT_EQ(AsText(reader.Prefixed()), "text");
  EXPECT_FALSE(reader.done());
  std::array<std::uint8_t, 4> rest{};
  reader.Fill(rest);
  EXPECT_EQ(rest, (std::array<std::uint8_t, 4>{7, 7, 7, 7}));
  EXPECT_TRUE(reader.done());
}

TEST(Bytes, ReaderRemembersThatItRanOut) {
  const Bytes bytes{0, 9, 1};
  Reader reader(bytes);
  EXPECT_TRUE(reader.Prefixed().empty());
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0);  // There is a byte left, and it is not given any more.
  std::array<std::uint8_t, 2> filled{1, 1};
  reader.Fill(filled);
  EXPECT_EQ(filled, (std::array<std::uint8_t, 2>{}));
  EXPECT_FALSE(reader.done());
}

TEST(Bytes, ToHexOfNothing) { EXPECT_EQ(ToHex({}), ""); }

TEST(Secret, WipeOverwrites) {
  Bytes bytes(100, 0xAA);
  Wipe(bytes);
  EXPECT_EQ(bytes, Bytes(100, 0));
  Wipe({});
}

TEST(Secret, ShrinkingWipesWhatIsCutOff) {
  SecretBytes secret = SecretBytes::CopyOf(AsBytes("abcdefgh"));
  const std::uint8_t* const memory = secret.data();
  secret.resize(3);
  // The memory is still the secret's own; only its end has moved.
  EXPECT_TRUE(std::all_of(memory + 3, memory + 8, [](std::uint8_t byte) { return byte == 0; }));
  secret.resize(8);
  EXPECT_EQ(ToHex(secret.Reveal()), "6162630000000000");
}

TEST(Secret, MovesAndClonesOnRequestAlone) {
  static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
  SecretBytes first = SecretBytes::CopyOf(AsBytes("secret"));
  const SecretBytes clone = first.Clone();
  const SecretBytes moved = std::move(first);
  EXPECT_TRUE(EqualSecrets(clone.Reveal(), moved.Reveal()));
  EXPECT_NE(clone.Reveal().data(), moved.Reveal().data());
  SecretBytes cleared = clone.Clone();
  cleared.clear();
  EXPECT_TRUE(cleared.empty());
  EXPECT_EQ(ToHex(SecretBytes(3).Reveal()), "000000");
}

TEST(Secret, TakesAWriter) {
  SecretBytes secret;
  Writer writer(secret);
  writer.U32(1);
  writer.Prefixed(AsBytes("ab"));
  EXPECT_EQ(ToHex(secret.Reveal()), "0000000100026162");
}

TEST(Secret, EqualSecretsComparesLengthAndBytes) {
  EXPECT_TRUE(EqualSecrets({}, {}));
  EXPECT_TRUE(EqualSecrets(AsBytes("abc"), AsBytes("abc")));
  EXPECT_FALSE(EqualSecrets(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(EqualSecrets(AsBytes("abc"), AsBytes("ab")));
}

Result<int> Half(int value) {
  if (value % 2 != 0) return Error(ErrorCode::kInvalidArgument, "odd");
  return value / 2;
}

Result<int> Quarter(int value) { return TRY(Half(TRY(Half(value)))); }

Result<void> CheckQuarter(int value) {
  TRY(Quarter(value));
  return {};
}

TEST(Result, TryPassesErrorsOn) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(6).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(CheckQuarter(4).has_value());
  EXPECT_EQ(CheckQuarter(3).error().message(), "odd");
}

TEST(Error, GathersItsContext) {
  const Error error = Error(ErrorCode::kRejected, "some-rule", "too old").Within("leaf").Within("write");
  EXPECT_EQ(error.message(), "write: leaf: too old");
  EXPECT_EQ(error.code(), ErrorCode::kRejected);
  EXPECT_EQ(error.rule(), "some-rule");
}

TEST(Error, EveryCodeHasAName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    EXPECT_TRUE(names.insert(ToString(static_cast<ErrorCode>(code))).second) << code;
  }
  EXPECT_EQ(names.count(""), 0U);
  EXPECT_EQ(ToString(ErrorCode::kAlreadyExists), "already-exists");
}

}  // namespace

}  // namespace certfs
