// Goal: a header opens by what it was made for, shows everything that was done to it, and is never half
// written. Method: headers with slots of every type, each byte flipped, with and without a checksum that fits
// again.

#include "store/header.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "store/unlocked_header.h"
#include "tests/store/table_fixture.h"
#include "tests/support/recovery.h"
#include "tests/support/rounds.h"

namespace certfs {

namespace {

constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};

UnlockSecret KeyFile(char fill) { return {SlotType::kKeyFile, SecretOf(std::string(32, fill))}; }

Header NewHeader() { return Must(Header::Create(KeyFile('k'), kNow)); }

constexpr std::size_t kFirstSlotAt = 44;  // Behind its number and length.

// Makes the checksum fit again, as somebody without the key can.
Bytes WithChecksum(Bytes bytes) {
  const Digest checksum = Sha256({BytesView(bytes).first(bytes.size() - 32)});
  std::copy(checksum.begin(), checksum.end(), bytes.end() - 32);
  return bytes;
}

// Writes a header of format 1, as store/README.md has it.
Bytes HeaderOfFormat1(const StoreId& store_id, const SecretBytes& root_key, const std::vector<Slot>& slots) {
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
  EXPECT_EQ(header.bytes().size(), 104U + 6 + 128);
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

// Goal: guessing a passphrase costs as much as is promised, however its slot came about. Method: the bytes,
// as store/README.md has them: type, log2 of scrypt's N, r and p, four zeros.
TEST(Header, APassphraseIsStretchedAsFarAsIsPromised) {
  const UnlockSecret passphrase{SlotType::kPassphrase, SecretOf("correct horse")};
  const Bytes promised{1, 17, 8, 1, 0, 0, 0, 0};
  const auto begins = [&](const Header& header, std::size_t slot_at) {
    const BytesView facts = BytesView(header.bytes()).subspan(slot_at, promised.size());
    return Bytes(facts.begin(), facts.end());
  };
  EXPECT_EQ(begins(Must(Header::Create(passphrase, kNow)), kFirstSlotAt), promised);
  UnlockedHeader header = Must(UnlockedHeader::Open(NewHeader(), KeyFile('k')));
  ASSERT_EQ(Must(header.Add(passphrase, kNow)), 2);
  EXPECT_EQ(begins(header.header(), kFirstSlotAt + 128 + 6), promised);
  UnlockedHeader renewed = Must(header.WithNewRootKey());
  Must(renewed.Put(2, passphrase, kNow));
  EXPECT_EQ(begins(renewed.header(), kFirstSlotAt), promised);
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
  for (const std::size_t at : {kFirstSlotAt + 80, kFirstSlotAt + 127, good.size() - 64}) {
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
  bytes[9] = 3;
  const auto header = Header::Parse(WithChecksum(bytes));
  EXPECT_EQ(CodeOf(header), ErrorCode::kUnsupported);
  EXPECT_NE(header.error().message().find('3'), std::string::npos);
}

TEST(Header, ReadsTheFormatBefore) {
  StoreId store_id;
  store_id.fill(9);
  const SecretBytes root_key = SecretOf("root key of thirty-two bytes,yes");
  ASSERT_EQ(root_key.size(), 32U);
  std::vector<Slot> slots;
  for (char fill = 'a'; fill < 'a' + 16; ++fill) {
    slots.push_back(Must(WrapRootKey(store_id, KeyFile(fill), root_key, kNow)));
  }
  const Header header = Must(Header::Parse(HeaderOfFormat1(store_id, root_key, slots)));
  const RootKeys first = Must(header.Unlock(KeyFile('a')));
  const RootKeys last = Must(header.Unlock(KeyFile('p')));
  EXPECT_TRUE(EqualSecrets(first.manifest_key.Reveal(), last.manifest_key.Reveal()));
  EXPECT_EQ(CodeOf(header.Unlock(KeyFile('q'))), ErrorCode::kAccessDenied);

  slots.push_back(slots.front());
  EXPECT_EQ(CodeOf(Header::Parse(HeaderOfFormat1(store_id, root_key, slots))), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(Header::Parse(HeaderOfFormat1(store_id, root_key, {}))), ErrorCode::kCorrupt);
}

TEST(Header, RewritesTheFormatBeforeWithTheSameKeys) {
  StoreId store_id{};
  const SecretBytes root_key = SecretOf(std::string(32, 'r'));
  const std::vector<Slot> slots{Must(WrapRootKey(store_id, KeyFile('a'), root_key, kNow)),
                                Must(WrapRootKey(store_id, KeyFile('b'), root_key, kNow))};
  const Header old = Must(Header::Parse(HeaderOfFormat1(store_id, root_key, slots)));
  UnlockedHeader unlocked = Must(UnlockedHeader::Open(old, KeyFile('b')));
  EXPECT_EQ(unlocked.opened(), 2);
  Must(unlocked.Remove(1));
  EXPECT_EQ(Must(unlocked.Add(KeyFile('c'), kNow)), 3);
  const Header now = Must(Header::Parse(unlocked.header().bytes()));
  EXPECT_EQ(now.bytes()[9], 2);
  EXPECT_EQ(CodeOf(now.Unlock(KeyFile('a'))), ErrorCode::kAccessDenied);
  for (const char fill : {'b', 'c'}) {
    EXPECT_TRUE(EqualSecrets(Must(now.Unlock(KeyFile(fill))).manifest_key.Reveal(),
                             Must(old.Unlock(KeyFile('b'))).manifest_key.Reveal()));
  }
}

TEST(Header, ASlotOfAnotherStoreDoesNotFit) {
  StoreId store_id{};
  StoreId other{};
  other[0] = 1;
  const SecretBytes root_key = SecretOf(std::string(32, 'r'));
  const Slot slot = Must(WrapRootKey(other, KeyFile('a'), root_key, kNow));
  const Header header = Must(Header::Parse(HeaderOfFormat1(store_id, root_key, {slot})));
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

// --- Slots that come and go

// A header of one slot of each type, but no passphrase: those are slow.
UnlockedHeader SomeHeader() {
  UnlockedHeader header = Must(UnlockedHeader::Open(NewHeader(), KeyFile('k')));
  EXPECT_EQ(Must(header.Add(KeyFile('l'), kNow + std::chrono::seconds(1))), 2);
  EXPECT_EQ(Must(header.Add(test::Recipient("rsa"), kNow)), 3);
  EXPECT_EQ(Must(header.Add(test::Recipient("p256"), kNow)), 4);
  return header;
}

TEST(HeaderSlots, EachOpensToTheSameKeys) {
  const UnlockedHeader made = SomeHeader();
  const Header header = Must(Header::Parse(made.header().bytes()));
  SlotNumber expected = 0;
  for (const UnlockSecret& secret :
       {KeyFile('k'), KeyFile('l'), test::RecoveryKey("rsa"), test::RecoveryKey("p256")}) {
    const UnlockedHeader opened = Must(UnlockedHeader::Open(header, secret));
    EXPECT_EQ(opened.opened(), ++expected);
    EXPECT_EQ(Must(made.Find(secret)), expected);
    EXPECT_TRUE(EqualSecrets(Must(opened.Keys()).manifest_key.Reveal(),
                             Must(header.Unlock(KeyFile('k'))).manifest_key.Reveal()));
  }
  EXPECT_EQ(CodeOf(header.Unlock(test::RecoveryKey("p384"))), ErrorCode::kAccessDenied);
}

TEST(HeaderSlots, AreDescribedAndShowTheirCertificatesOnlyWhenUnlocked) {
  const UnlockedHeader made = SomeHeader();
  const Header header = Must(Header::Parse(made.header().bytes()));
  const HeaderKeys keys = std::move(Must(header.Unlock(KeyFile('k'))).header);
  const std::vector<SlotDescription> seen = header.Slots();
  const std::vector<SlotDescription> known = Must(header.Slots(keys));
  ASSERT_EQ(seen.size(), 4U);
  ASSERT_EQ(known.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(seen[i].number, i + 1);
    EXPECT_EQ(seen[i].facts.type, i < 2 ? SlotType::kKeyFile : SlotType::kRecovery);
    EXPECT_EQ(seen[i].facts.created, i == 1 ? kNow + std::chrono::seconds(1) : kNow);
    EXPECT_FALSE(seen[i].certificate);
    EXPECT_EQ(known[i].certificate.has_value(), i >= 2);
  }
  EXPECT_EQ(seen[2].facts.recipient, Must(RecipientDigest(test::Recipient("rsa"))));
  EXPECT_EQ(known[2].certificate->fingerprint(), test::Recipient("rsa").fingerprint());
  const auto certificates = Must(header.RecoveryCertificates(keys));
  ASSERT_EQ(certificates.size(), 2U);
  EXPECT_EQ(certificates[1].fingerprint(), test::Recipient("p256").fingerprint());
  // Neither a name nor the certificate is there to be seen.
  for (const std::string_view name : {"Recovery", "Acme"}) {
    EXPECT_EQ(AsText(header.bytes()).find(name), std::string_view::npos);
  }
  const HeaderKeys others = std::move(Must(NewHeader().Unlock(KeyFile('k'))).header);
  EXPECT_EQ(CodeOf(header.Slots(others)), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(header.RecoveryCertificates(others)), ErrorCode::kCorrupt);
}

TEST(HeaderSlots, EveryFlippedByteIsRefused) {
  const Bytes good = SomeHeader().header().bytes();
  const HeaderKeys keys = std::move(Must(Must(Header::Parse(good)).Unlock(KeyFile('k'))).header);
  for (std::size_t at = 0; at < good.size(); at += RoundsStride()) {
    Bytes bad = good;
    bad[at] ^= 0x01;
    ASSERT_FALSE(Header::Parse(bad).has_value()) << at;
    if (at >= good.size() - 32) continue;
    const auto header = Header::Parse(WithChecksum(bad));
    if (!header.has_value()) continue;
    for (const char fill : {'k', 'l'}) ASSERT_FALSE(header.value().Unlock(KeyFile(fill)).has_value()) << at;
    ASSERT_FALSE(header.value().Unlock(test::RecoveryKey("p256")).has_value()) << at;
    ASSERT_FALSE(header.value().Slots(keys).has_value()) << at;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(CodeOf(Header::Parse(BytesView(good).first(size))), ErrorCode::kCorrupt) << size;
  }
}

TEST(HeaderSlots, KeepTheirNumbersWhenOthersGo) {
  UnlockedHeader header = SomeHeader();
  Must(header.Remove(2));
  Must(header.Remove(4));
  EXPECT_EQ(CodeOf(header.Remove(2)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(header.header().Unlock(KeyFile('l'))), ErrorCode::kAccessDenied);
  EXPECT_EQ(CodeOf(header.header().Unlock(test::RecoveryKey("p256"))), ErrorCode::kAccessDenied);
  // A number is never given again, not even the last one.
  EXPECT_EQ(Must(header.Add(KeyFile('m'), kNow)), 5);
  const UnlockedHeader again =
      Must(UnlockedHeader::Open(Must(Header::Parse(header.header().bytes())), test::RecoveryKey("rsa")));
  std::vector<SlotNumber> numbers;
  for (const SlotDescription& slot : again.header().Slots()) numbers.push_back(slot.number);
  EXPECT_EQ(numbers, (std::vector<SlotNumber>{1, 3, 5}));
}

TEST(HeaderSlots, TheLastOneStays) {
  UnlockedHeader header = Must(UnlockedHeader::Open(NewHeader(), KeyFile('k')));
  const Bytes before = header.header().bytes();
  EXPECT_EQ(CodeOf(header.Remove(1)), ErrorCode::kNotPermitted);
  EXPECT_EQ(header.header().bytes(), before);
}

TEST(HeaderSlots, NoneIsMadeTwiceForOneSecret) {
  UnlockedHeader header = SomeHeader();
  const auto again = header.Add(KeyFile('l'), kNow);
  EXPECT_EQ(CodeOf(again), ErrorCode::kAlreadyExists);
  EXPECT_NE(again.error().message().find("slot 2"), std::string::npos) << again.error().message();
  EXPECT_EQ(CodeOf(header.Add(test::Recipient("rsa"), kNow)), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(header.Add(test::Recipient("rsa-signs"), kNow)), ErrorCode::kRejected);
  EXPECT_EQ(header.header().Slots().size(), 4U);
  EXPECT_EQ(Must(header.Add(KeyFile('n'), kNow)), 5);  // What was refused took no number.
}

TEST(HeaderSlots, AreSixteenAtMost) {
  UnlockedHeader header = Must(UnlockedHeader::Open(NewHeader(), KeyFile('k')));
  for (char fill = 'A'; fill < 'A' + 15; ++fill) Must(header.Add(KeyFile(fill), kNow));
  const Bytes before = header.header().bytes();
  EXPECT_EQ(CodeOf(header.Add(KeyFile('z'), kNow)), ErrorCode::kNoSpace);
  EXPECT_EQ(header.header().bytes(), before);
  Must(header.Remove(7));
  EXPECT_TRUE(header.Add(KeyFile('z'), kNow).has_value());
}

TEST(HeaderSlots, GrowTo64KiBAtMost) {
  UnlockedHeader header = Must(UnlockedHeader::Open(NewHeader(), KeyFile('k')));
  const Certificate large = test::Recipient("large");
  ASSERT_GT(large.der().size(), 15'000U);
  Result<void> put;
  SlotNumber number = 2;
  for (; put.has_value() && number < 10; ++number) {
    EXPECT_LE(header.header().bytes().size(), Header::kBytesMax);
    put = header.Put(number, large, kNow);
  }
  EXPECT_EQ(CodeOf(put), ErrorCode::kNoSpace);
  EXPECT_NE(put.error().message().find("64 KiB"), std::string::npos);
  EXPECT_GE(header.header().Slots().size(), 3U);
  EXPECT_TRUE(header.header().Unlock(KeyFile('k')).has_value());
}

// What MACs well and is no header all the same: whoever has the key wrote it wrong, or changed it on purpose.
TEST(HeaderSlots, NumbersOutOfOrderAreRefused) {
  const Bytes good = SomeHeader().header().bytes();
  const std::size_t second = 40 + 6 + 128;
  for (const std::size_t at : {std::size_t{12}, std::size_t{40}, second}) {
    for (const int number : {0, 1, 2, 4, 5, 255}) {
      Bytes bad = good;
      bad[at + 1] = static_cast<std::uint8_t>(number);
      if (bad == good) continue;
      const auto parsed = Header::Parse(WithChecksum(bad));
      if (parsed.has_value()) {
        EXPECT_EQ(CodeOf(parsed.value().Unlock(KeyFile('l'))), ErrorCode::kCorrupt) << at << ": " << number;
      } else {
        EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
      }
    }
  }
}

TEST(HeaderSlots, ANewRootKeyLeavesNothingOfTheOldOne) {
  const UnlockedHeader old = SomeHeader();
  UnlockedHeader renewed = Must(old.WithNewRootKey());
  Must(renewed.Put(1, KeyFile('k'), kNow));
  Must(renewed.Put(4, test::Recipient("p256"), kNow));
  const Header header = Must(Header::Parse(renewed.header().bytes()));
  EXPECT_EQ(header.store_id(), old.header().store_id());
  EXPECT_FALSE(EqualSecrets(Must(header.Unlock(KeyFile('k'))).manifest_key.Reveal(),
                            Must(old.Keys()).manifest_key.Reveal()));
  EXPECT_EQ(CodeOf(header.Unlock(KeyFile('l'))), ErrorCode::kAccessDenied);
  EXPECT_TRUE(header.Unlock(test::RecoveryKey("p256")).has_value());
  EXPECT_EQ(CodeOf(header.Check(Must(old.Keys()).header)), ErrorCode::kCorrupt);
  EXPECT_EQ(Must(renewed.Add(KeyFile('n'), kNow)), 5);
}

}  // namespace

}  // namespace certfs
