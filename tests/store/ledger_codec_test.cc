// The records of the authority and of the lines of its ledger, to bytes and back.

#include <functional>

#include "tests/store/ledger_fixture.h"

namespace certfs {
namespace {

IssuedCertificate Numbered() {
  IssuedCertificate issued = SomeIssued(3);
  issued.number = 31;
  return issued;
}

TEST(LedgerCodec, LineThereAndBack) {
  const SecretBytes bytes = EncodeIssued(Numbered());
  const IssuedCertificate back = Must(DecodeIssued(bytes.Reveal()));
  EXPECT_EQ(back.number, 31U);
  EXPECT_EQ(back.names, Numbered().names);
  EXPECT_EQ(back.revocation, Numbered().revocation);
  EXPECT_EQ(back.replaces, Numbered().replaces);
  EXPECT_EQ(back.pickup, "Web3");
  EXPECT_EQ(AsText(back.key.Reveal()), "key 3");
  EXPECT_EQ(Encoded(back), Encoded(Numbered()));
  EXPECT_EQ(Encoded(back.Clone()), Encoded(Numbered()));
  // The layout itself, as store/README.md gives it: nothing may move.
  EXPECT_EQ(ToHex(bytes.Reveal().first(18)),
            "0001"
            "000000000000001f"
            "00000002"
            "0000000d");
  IssuedCertificate least;
  least.number = 16;
  least.authority = 1;
  EXPECT_EQ(Encoded(Must(DecodeIssued(EncodeIssued(least).Reveal()))), Encoded(least));
}

TEST(LedgerCodec, AuthorityThereAndBack) {
  const SecretBytes bytes = EncodeAuthority(SomeAuthority());
  const AuthorityRecord back = Must(DecodeAuthority(bytes.Reveal()));
  EXPECT_EQ(back.certificates.size(), 2U);
  EXPECT_EQ(back.profiles, SomeAuthority().profiles);
  EXPECT_EQ(back.replacement, SomeAuthority().replacement);
  EXPECT_EQ(back.last_operation, SomeAuthority().last_operation);
  EXPECT_EQ(Encoded(back), Encoded(SomeAuthority()));
  EXPECT_EQ(Encoded(back.Clone()), Encoded(SomeAuthority()));
  EXPECT_EQ(ToHex(bytes.Reveal().first(13)),
            "0001"
            "00000005"
            "0002"
            "00000001"
            "01");
  EXPECT_EQ(Encoded(Must(DecodeAuthority(EncodeAuthority({}).Reveal()))), Encoded(AuthorityRecord{}));
}

TEST(LedgerCodec, FindsItsCertificates) {
  AuthorityRecord record = SomeAuthority();
  EXPECT_EQ(record.Issuing()->id, 1U);
  EXPECT_EQ(record.Find(4)->role, AuthorityRole::kPrepared);
  EXPECT_EQ(record.Find(2), nullptr);
  record.Issuing()->role = AuthorityRole::kRetired;
  EXPECT_EQ(std::as_const(record).Issuing(), nullptr);
}

template <typename Decode>
void RefusesEveryOtherLength(const SecretBytes& good, Decode&& decode) {
  const BytesView bytes = good.Reveal();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(CodeOf(decode(bytes.first(size))), ErrorCode::kCorrupt) << size;
  Bytes changed(bytes.begin(), bytes.end());
  changed.push_back(0);
  EXPECT_EQ(CodeOf(decode(changed)), ErrorCode::kCorrupt);
  changed.pop_back();
  ++changed[1];
  EXPECT_EQ(CodeOf(decode(changed)), ErrorCode::kUnsupported);
  changed[1] = 0;
  EXPECT_EQ(CodeOf(decode(changed)), ErrorCode::kCorrupt);
}

// Goal: only what an encoder wrote is read. Method: every truncation, one byte more, other formats; and under
// the sanitizers every byte at five values: what is read encodes to what it was read from.
TEST(LedgerCodec, RefusesWhatNoEncoderWrote) {
  RefusesEveryOtherLength(EncodeIssued(Numbered()), DecodeIssued);
  RefusesEveryOtherLength(EncodeAuthority(SomeAuthority()), DecodeAuthority);
  const auto change_each = [](const SecretBytes& good, const auto& decode) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
        Bytes bad(good.Reveal().begin(), good.Reveal().end());
        bad[at] = static_cast<std::uint8_t>(value);
        const auto read = decode(BytesView(bad));
        if (read.has_value()) {
          EXPECT_EQ(Encoded(read.value()), ToHex(bad)) << at;
        }
      }
    }
  };
  change_each(EncodeIssued(Numbered()), DecodeIssued);
  change_each(EncodeAuthority(SomeAuthority()), DecodeAuthority);
}

TEST(LedgerCodec, RefusesLinesThatMakeNoSense) {
  const std::function<void(IssuedCertificate&)> rows[] = {
      [](auto& line) { line.authority = 0; },
      [](auto& line) { line.certificate.resize(kIssuedDerBytesMax + 1); },
      [](auto& line) { line.key.resize(kIssuedDerBytesMax + 1); },
      [](auto& line) { line.not_after = line.not_before - std::chrono::seconds(1); },
      [](auto& line) { line.common_name = "\xff"; },
      [](auto& line) { line.common_name.assign(kIssuedNameBytesMax + 1, 'x'); },
      [](auto& line) { line.names.assign(kIssuedNamesMax + 1, "x"); },
      [](auto& line) { line.names.push_back(""); },
      [](auto& line) { line.profile = "\xff"; },
      [](auto& line) { line.pickup = "a/b"; },
      [](auto& line) { line.pickup.assign(kPickupNameBytesMax + 1, 'x'); },
      [](auto& line) { line.revocation->reason = static_cast<RevocationReason>(8); },
  };
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    IssuedCertificate line = Numbered();
    Must(CheckIssued(line));
    rows[i](line);
    EXPECT_EQ(CodeOf(CheckIssued(line)), ErrorCode::kInvalidArgument) << i;
    EXPECT_EQ(CodeOf(DecodeIssued(EncodeIssued(line).Reveal())), ErrorCode::kCorrupt) << i;
  }
  IssuedCertificate reserved = Numbered();
  reserved.number = 15;
  EXPECT_EQ(CodeOf(DecodeIssued(EncodeIssued(reserved).Reveal())), ErrorCode::kCorrupt);
}

TEST(LedgerCodec, RefusesAuthoritiesThatMakeNoSense) {
  const std::function<void(AuthorityRecord&)> rows[] = {
      [](auto& record) { record.certificates[1].id = 1; },
      [](auto& record) { record.certificates[1].id = 5; },
      [](auto& record) { record.certificates[1].role = AuthorityRole::kIssuing; },
      [](auto& record) { record.certificates[1].role = static_cast<AuthorityRole>(5); },
      [](auto& record) { record.certificates[1].certificate.clear(); },
      [](auto& record) { record.certificates[1].chain.assign(kAuthorityChainMax + 1, Bytes{1}); },
      [](auto& record) { record.certificates[1].chain.push_back({}); },
      [](auto& record) { record.certificates[1].token = "\xff"; },
      [](auto& record) { record.profiles["a/b"] = ""; },
      [](auto& record) { record.profiles["big"].assign(kProfileBytesMax + 1, 'x'); },
      [](auto& record) { record.requests_mode = 010000; },
      [](auto& record) { record.replacement->to = 3; },
      [](auto& record) { record.replacement->phase = static_cast<ReplacementPhase>(0); },
      [](auto& record) { record.last_operation->name = "\xff"; },
      [](auto& record) { record.last_operation->entries.resize(kOperationEntriesMax + 1); },
  };
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    AuthorityRecord record = SomeAuthority();
    Must(CheckAuthority(record));
    rows[i](record);
    EXPECT_EQ(CodeOf(CheckAuthority(record)), ErrorCode::kInvalidArgument) << i;
    EXPECT_EQ(CodeOf(DecodeAuthority(EncodeAuthority(record).Reveal())), ErrorCode::kCorrupt) << i;
  }
}

// Goal: a line is in the groups that its fields say, each once. Method: one in all kinds, one in none.
TEST(LedgerCodec, GroupsALine) {
  const auto groups = GroupsOf(Numbered());
  const std::vector<IssuedGroupKey> expected{
      IssuedGroupKey::Day(std::chrono::floor<std::chrono::days>(Numbered().not_after)),
      IssuedGroupKey::Name("host3.example.com"),
      IssuedGroupKey::Name("alias.example.com"),
      IssuedGroupKey::Pickup("web3"),
      IssuedGroupKey::Revoked(2),
      IssuedGroupKey::Placed(2),
      IssuedGroupKey::InEntry(103)};
  EXPECT_EQ(groups, expected);
  IssuedCertificate bare;
  bare.authority = 1;
  EXPECT_TRUE(GroupsOf(bare).empty());
}

}  // namespace
}  // namespace certfs
