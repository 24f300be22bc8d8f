#include "store/header.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};

UnlockSecret KeyFile(char fill) { return {SlotType::kKeyFile, SecretOf(std::string(32, fill))}; }

Header NewHeader() { return Must(Header::Create(KeyFile('k'), kNow)); }

// Makes the checksum fit again, as somebody without the key can.
Bytes WithChecksum(Bytes bytes) {
  const Digest checksum = Sha256({BytesView(bytes).first(bytes.size() - 32)});
  std::copy(checksum.begin(), checksum.end(), bytes.end() - 32);
  return bytes;
}

// Writes a header of several slots, as store/README.md has it.
Bytes HeaderOf(const StoreId& store_id, const SecretBytes& root_key, const std::vector<Slot>& slots) {
  using namespace std::string_view_literals;
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(AsBytes("CERTFS\r\n"));
  writer.U16(1);
  writer.U16(static_cast<std::uint16_t>(slots.size()));
  writer.U32(0);
  writer.Raw(store_id);
  writer.U64(1'800'000'000);
  for (const Slot& slot : slots) writer.Raw(slot);
  Bytes info;
  Writer(info).Raw(AsBytes("certfs/v1/header\0"sv));
  Writer(info).Raw(store_id);
  writer.Raw(HmacSha256(Must(DeriveKey(root_key, {}, info, 32)), {bytes}));
  writer.Raw(Sha256({bytes}));
  return bytes;
}

TEST(Header, UnlocksWithItsKey) {
  const Header header = NewHeader();
  EXPECT_EQ(header.bytes().size(), 72U + 128 + 32);
  const Header again = Must(Header::Parse(header.bytes()));
  EXPECT_EQ(again.store_id(), header.store_id());
  EXPECT_EQ(again.created(), kNow);
  EXPECT_EQ(again.bytes(), header.bytes());
  const RootKeys first = Must(header.Unlock(KeyFile('k')));
  const RootKeys second = Must(again.Unlock(KeyFile('k')));
  EXPECT_EQ(first.store_id, header.store_id());
  EXPECT_EQ(first.manifest_key.size(), 32U);
  EXPECT_TRUE(EqualSecrets(first.manifest_key.Reveal(), second.manifest_key.Reveal()));
}

TEST(Header, UnlocksWithItsPassphrase) {
  const Header header = Must(Header::Create({SlotType::kPassphrase, SecretOf("correct horse")}, kNow));
  EXPECT_TRUE(header.Unlock({SlotType::kPassphrase, SecretOf("correct horse")}).has_value());
  EXPECT_EQ(CodeOf(header.Unlock({SlotType::kPassphrase, SecretOf("correct hors")})),
            ErrorCode::kAccessDenied);
  EXPECT_EQ(CodeOf(header.Unlock(KeyFile('k'))), ErrorCode::kAccessDenied);
}

TEST(Header, RefusesAWrongKey) {
  EXPECT_EQ(CodeOf(NewHeader().Unlock(KeyFile('x'))), ErrorCode::kAccessDenied);
}

TEST(Header, TwoHeadersHaveNothingInCommon) {
  const Header first = NewHeader();
  const Header second = NewHeader();
  EXPECT_NE(first.store_id(), second.store_id());
  EXPECT_FALSE(EqualSecrets(Must(first.Unlock(KeyFile('k'))).manifest_key.Reveal(),
                            Must(second.Unlock(KeyFile('k'))).manifest_key.Reveal()));
}

TEST(Header, RefusesEveryFlippedByte) {
  const Bytes good = NewHeader().bytes();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int bit : {0x01, 0x80}) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ bit);
      const ErrorCode code = CodeOf(Header::Parse(bad));
      EXPECT_EQ(code, at == 8 || at == 9 ? ErrorCode::kUnsupported : ErrorCode::kCorrupt) << at;
    }
  }
}

TEST(Header, RefusesEveryFlippedByteUnderAFittingChecksum) {
  const Bytes good = NewHeader().bytes();
  for (std::size_t at = 0; at < good.size() - 32; ++at) {
    Bytes bad = good;
    bad[at] ^= 0x01;
    auto header = Header::Parse(WithChecksum(bad));
    if (!header.has_value()) continue;
    EXPECT_FALSE(header.value().Unlock(KeyFile('k')).has_value()) << at;
  }
  // The wrapped key and the MAC are damage, not a wrong key.
  for (const std::size_t at : {std::size_t{40 + 80}, std::size_t{40 + 127}, good.size() - 64}) {
    Bytes bad = good;
    bad[at] ^= 0x01;
    const Header header = Must(Header::Parse(WithChecksum(bad)));
    EXPECT_EQ(CodeOf(header.Unlock(KeyFile('k'))), ErrorCode::kCorrupt) << at;
  }
}

TEST(Header, RefusesEveryTruncationAndMore) {
  const Bytes good = NewHeader().bytes();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(CodeOf(Header::Parse(BytesView(good).first(size))), ErrorCode::kCorrupt) << size;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(CodeOf(Header::Parse(longer)), ErrorCode::kCorrupt);
}

TEST(Header, SaysWhichNewerFormatItMet) {
  Bytes bytes = NewHeader().bytes();
  bytes[9] = 2;
  const auto header = Header::Parse(WithChecksum(bytes));
  EXPECT_EQ(CodeOf(header), ErrorCode::kUnsupported);
  EXPECT_NE(header.error().message().find('2'), std::string::npos);
}

TEST(Header, OpensTheSlotThatFits) {
  StoreId store_id;
  store_id.fill(9);
  const SecretBytes root_key = SecretOf("root key of thirty-two bytes,yes");
  ASSERT_EQ(root_key.size(), 32U);
  std::vector<Slot> slots;
  for (char fill = 'a'; fill < 'a' + 16; ++fill) {
    slots.push_back(Must(WrapRootKey(store_id, KeyFile(fill), root_key, kNow)));
  }
  const Header header = Must(Header::Parse(HeaderOf(store_id, root_key, slots)));
  const RootKeys first = Must(header.Unlock(KeyFile('a')));
  const RootKeys last = Must(header.Unlock(KeyFile('p')));
  EXPECT_TRUE(EqualSecrets(first.manifest_key.Reveal(), last.manifest_key.Reveal()));
  EXPECT_EQ(CodeOf(header.Unlock(KeyFile('q'))), ErrorCode::kAccessDenied);

  slots.push_back(slots.front());
  EXPECT_EQ(CodeOf(Header::Parse(HeaderOf(store_id, root_key, slots))), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(Header::Parse(HeaderOf(store_id, root_key, {}))), ErrorCode::kCorrupt);
}

TEST(Header, ASlotOfAnotherStoreDoesNotFit) {
  StoreId store_id{};
  StoreId other{};
  other[0] = 1;
  const SecretBytes root_key = SecretOf(std::string(32, 'r'));
  const Slot slot = Must(WrapRootKey(other, KeyFile('a'), root_key, kNow));
  const Header header = Must(Header::Parse(HeaderOf(store_id, root_key, {slot})));
  EXPECT_EQ(CodeOf(header.Unlock(KeyFile('a'))), ErrorCode::kAccessDenied);
}

TEST(Header, IsSavedPrivatelyAndLoaded) {
  const TemporaryDirectory directory;
  EXPECT_EQ(CodeOf(Header::Load(directory.path())), ErrorCode::kNotFound);
  const Header first = NewHeader();
  Must(first.Save(directory.path()));
  const Header second = NewHeader();
  Must(second.Save(directory.path()));
  EXPECT_EQ(Must(Header::Load(directory.path())).bytes(), second.bytes());
  struct stat status {};
  ASSERT_EQ(stat((directory.path() / "keystore.hdr").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

// What lies where the new header is written, left by a crash or put there by somebody, lends it nothing.
TEST(Header, IsSavedPrivatelyWhateverLayBeside) {
  const TemporaryDirectory directory;
  const std::filesystem::path beside = directory.path() / "keystore.hdr.new";
  std::ofstream(beside) << "old";
  std::filesystem::permissions(beside, std::filesystem::perms(0666));
  std::filesystem::create_hard_link(beside, directory.path() / "spy");
  Must(NewHeader().Save(directory.path()));
  struct stat status {};
  ASSERT_EQ(stat((directory.path() / "keystore.hdr").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(status.st_nlink, 1U);
}

TEST(Header, AFailedSaveLeavesNothingBeside) {
  const TemporaryDirectory directory;
  std::filesystem::create_directories(directory.path() / "keystore.hdr" / "full");
  EXPECT_EQ(CodeOf(NewHeader().Save(directory.path())), ErrorCode::kIo);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "keystore.hdr.new"));
}

TEST(Header, AFileThatIsTooLongIsDamaged) {
  const TemporaryDirectory directory;
  Must(NewHeader().Save(directory.path()));
  std::ofstream(directory.path() / "keystore.hdr", std::ios::app) << std::string(10'000, 'x');
  EXPECT_EQ(CodeOf(Header::Load(directory.path())), ErrorCode::kCorrupt);
}

TEST(Header, SavingIntoNowhereFails) {
  EXPECT_EQ(CodeOf(NewHeader().Save("/nonexistent/certfs")), ErrorCode::kIo);
}

}  // namespace

}  // namespace certfs
