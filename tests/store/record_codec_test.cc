#include "store/record_codec.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/store/table_fixture.h"

namespace certfs {

namespace {

Manifest SomeManifest() {
  Manifest manifest;
  manifest.commit = 41;
  manifest.next_number = 99;
  manifest.stores.fill(0xAB);
  manifest.store_count = 5;
  manifest.serials.fill(0xBA);
  manifest.index_key = SecretOf(std::string(32, 'i'));
  manifest.data_keys.push_back({1, SecretOf(std::string(32, 'd'))});
  manifest.data_keys.push_back({2, SecretOf(std::string(32, 'e'))});
  manifest.settings.fill(0xDA);
  manifest.authority.fill(0xA1);
  manifest.has_authority = true;
  manifest.issued.fill(0xA2);
  manifest.groups.fill(0xA3);
  manifest.issued_count = 12;
  manifest.rewrite_pending = true;
  manifest.audit.first = 7;
  manifest.audit.before.fill(0xB1);
  manifest.audit.last = {70, Sha256({AsBytes("line 70")}), 60, 12345};
  return manifest;
}

// u::rw-,u:7:r--,g::---,m::r--,o::---
AccessControlList SomeAcl() {
  const Bytes bytes{2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  4,
                    0, 7, 0,   0,   0,   4,   0,  0, 0,   255, 255, 255, 255, 16, 0,
                    4, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
  return Must(AccessControlList::Parse(bytes));
}

Store SomeStore() {
  Store store = NewStore("Servers");
  store.number = 20;
  store.entry_count = 3;
  store.enforce_revocation = true;
  store.entries.fill(0xCD);
  store.attributes.mode = 0640;
  store.attributes.access_acl = SomeAcl();
  return store;
}

Entry SomeEntry() {
  Entry entry = NewEntry(20, "www");
  entry.number = 21;
  entry.revision = 6;
  entry.attributes.default_acl = SomeAcl();
  entry.changed = LastChange{1000, Time(std::chrono::nanoseconds(1'700'000'000'000'000'007))};
  entry.keeps = 5;
  for (const Member member : {Member::kCertificate, Member::kSecret}) {
    File& file = entry.file(member).emplace();
    file.attributes = AttributesOf(static_cast<std::uint32_t>(member));
    file.size = 1234;
    file.digest.fill(0xEF);
  }
  return entry;
}

TEST(RecordCodec, ManifestThereAndBack) {
  const SecretBytes bytes = EncodeManifest(SomeManifest());
  EXPECT_EQ(bytes.size(), 2U + 8 + 8 + 32 + 8 + 32 + 32 + 2 + 2 * 36 + 32 + 1 + 3 * 32 + 8 + 96);
  const Manifest back = Must(DecodeManifest(bytes.Reveal()));
  EXPECT_EQ(back.commit, 41U);
  EXPECT_EQ(back.next_number, 99U);
  EXPECT_EQ(back.store_count, 5U);
  EXPECT_EQ(back.serials, SomeManifest().serials);
  EXPECT_TRUE(EqualSecrets(back.KeyOf(2)->Reveal(), AsBytes(std::string(32, 'e'))));
  EXPECT_EQ(back.KeyOf(3), nullptr);
  EXPECT_EQ(back.settings, SomeManifest().settings);
  EXPECT_TRUE(back.rewrite_pending);
  EXPECT_TRUE(back.has_authority);
  EXPECT_EQ(back.authority, SomeManifest().authority);
  EXPECT_EQ(back.issued, SomeManifest().issued);
  EXPECT_EQ(back.groups, SomeManifest().groups);
  EXPECT_EQ(back.issued_count, 12U);
  EXPECT_EQ(back.audit, SomeManifest().audit);
  EXPECT_TRUE(EqualSecrets(EncodeManifest(back).Reveal(), bytes.Reveal()));
  EXPECT_TRUE(EqualSecrets(EncodeManifest(back.Clone()).Reveal(), bytes.Reveal()));
}

TEST(RecordCodec, StoreThereAndBack) {
  const Bytes bytes = EncodeStore(SomeStore());
  const Store back = Must(DecodeStore(bytes));
  EXPECT_EQ(back.name.text(), "Servers");
  EXPECT_EQ(back.attributes, SomeStore().attributes);
  EXPECT_EQ(back.entries, SomeStore().entries);
  EXPECT_TRUE(back.enforce_revocation);
  EXPECT_EQ(EncodeStore(back), bytes);
  // The layout itself, as store/README.md gives it: nothing may move.
  EXPECT_EQ(ToHex(BytesView(bytes).first(22)),
            "0002"
            "0000000000000014"
            "00000007"
            "00000008"
            "000001a0");
  EXPECT_EQ(ToHex(BytesView(bytes).subspan(22, 8)), "fffffffffffffffb");
  EXPECT_EQ(ToHex(BytesView(bytes).last(10)),
            "0007"
            "53657276657273"
            "01");
}

TEST(RecordCodec, EntryThereAndBack) {
  const Bytes bytes = EncodeEntry(SomeEntry());
  const Entry back = Must(DecodeEntry(bytes));
  EXPECT_EQ(back.alias.text(), "www");
  EXPECT_EQ(back.store, 20U);
  EXPECT_EQ(back.revision, 6U);
  EXPECT_EQ(back.attributes, SomeEntry().attributes);
  EXPECT_EQ(back.files, SomeEntry().files);
  EXPECT_EQ(back.changed, SomeEntry().changed);
  EXPECT_EQ(back.keeps, 5U);
  EXPECT_EQ(EncodeEntry(back), bytes);
  Entry unchanged = SomeEntry();
  unchanged.changed.reset();
  EXPECT_EQ(Must(DecodeEntry(EncodeEntry(unchanged))).changed, std::nullopt);
}

TEST(RecordCodec, SettingsThereAndBack) {
  for (const std::string& password : {std::string(), std::string("p\xC3\xA4ss"), std::string(1024, 'p')}) {
    for (const ExportProfile profile : {ExportProfile::kModern, ExportProfile::kCompatible}) {
      const SecretBytes bytes = EncodeSettings({SecretOf(password), profile});
      const Settings back = Must(DecodeSettings(bytes.Reveal()));
      EXPECT_EQ(AsText(back.export_password.Reveal()), password);
      EXPECT_EQ(back.profile, profile);
      EXPECT_TRUE(EqualSecrets(EncodeSettings(back.Clone()).Reveal(), bytes.Reveal()));
    }
  }
}

// Goal: what certfs of before wrote is still read. Method: the encodings of today, cut back to older formats.
TEST(RecordCodec, ReadsTheFormatsBefore) {
  const auto as_format = [](std::uint8_t format, BytesView bytes, std::size_t appended) {
    Bytes old(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(appended));
    old[1] = format;
    return old;
  };
  const Entry entry = Must(DecodeEntry(as_format(1, EncodeEntry(SomeEntry()), 21)));
  EXPECT_EQ(entry.files, SomeEntry().files);
  EXPECT_EQ(entry.changed, std::nullopt);
  EXPECT_EQ(entry.keeps, 0U);
  const Entry changed = Must(DecodeEntry(as_format(2, EncodeEntry(SomeEntry()), 8)));
  EXPECT_EQ(changed.changed, SomeEntry().changed);
  EXPECT_EQ(changed.keeps, 0U);
  const SecretBytes bytes = EncodeManifest(SomeManifest());
  const Store store = Must(DecodeStore(as_format(1, EncodeStore(SomeStore()), 1)));
  EXPECT_EQ(store.name.text(), "Servers");
  EXPECT_FALSE(store.enforce_revocation);
  const Manifest quiet = Must(DecodeManifest(as_format(3, bytes.Reveal(), 96)));
  EXPECT_EQ(quiet.issued_count, 12U);
  EXPECT_EQ(quiet.audit, AuditAnchor{});
  Bytes flagged = as_format(2, bytes.Reveal(), 200);
  EXPECT_EQ(CodeOf(DecodeManifest(flagged)), ErrorCode::kCorrupt);  // It knew one flag.
  flagged.back() = 1;
  const Manifest without = Must(DecodeManifest(flagged));
  EXPECT_EQ(without.settings, SomeManifest().settings);
  EXPECT_TRUE(without.rewrite_pending);
  EXPECT_FALSE(without.has_authority);
  EXPECT_EQ(without.issued, Digest{});
  const Manifest manifest = Must(DecodeManifest(as_format(1, bytes.Reveal(), 233)));
  EXPECT_EQ(manifest.data_keys.size(), 2U);
  EXPECT_EQ(manifest.settings, Digest{});
  EXPECT_FALSE(manifest.rewrite_pending);
}

TEST(RecordCodec, StagedEntryThereAndBack) {
  Entry staged = SomeEntry();
  staged.alias = staged.alias.Next();
  staged.origin = 30;
  staged.file(Member::kSigningRequest) = staged.file(Member::kCertificate);
  staged.file(Member::kSigningRequest)->dated = true;
  const Bytes bytes = EncodeEntry(staged);
  const Entry back = Must(DecodeEntry(bytes));
  EXPECT_TRUE(back.is_staged());
  EXPECT_EQ(back.alias.text(), "www/next");
  EXPECT_EQ(back.origin, 30U);
  EXPECT_EQ(back.files, staged.files);
  EXPECT_EQ(EncodeEntry(back), bytes);
}

template <typename Decode>
void RefusesEveryOtherLength(BytesView bytes, Decode&& decode) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(CodeOf(decode(bytes.first(size))), ErrorCode::kCorrupt) << size;
  }
  Bytes longer(bytes.begin(), bytes.end());
  longer.push_back(0);
  EXPECT_EQ(CodeOf(decode(longer)), ErrorCode::kCorrupt);
  Bytes newer(bytes.begin(), bytes.end());
  ++newer[1];
  EXPECT_EQ(CodeOf(decode(newer)), ErrorCode::kUnsupported);
  newer[1] = 0;
  EXPECT_EQ(CodeOf(decode(newer)), ErrorCode::kCorrupt);
}

TEST(RecordCodec, RefusesEveryTruncation) {
  RefusesEveryOtherLength(EncodeManifest(SomeManifest()).Reveal(), DecodeManifest);
  RefusesEveryOtherLength(EncodeStore(SomeStore()), DecodeStore);
  RefusesEveryOtherLength(EncodeEntry(SomeEntry()), DecodeEntry);
  RefusesEveryOtherLength(EncodeSettings({SecretOf("password"), ExportProfile::kModern}).Reveal(),
                          DecodeSettings);
}

TEST(RecordCodec, NeverReadsBeyondItsBytes) {
  // Under the sanitizers: whatever one changed byte does to lengths and counts, decoding stays inside.
  const auto change_each = [](const Bytes& good, const auto& decode) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
        Bytes bad = good;
        bad[at] = static_cast<std::uint8_t>(value);
        static_cast<void>(decode(bad).has_value());
      }
    }
  };
  change_each(EncodeStore(SomeStore()), DecodeStore);
  change_each(EncodeEntry(SomeEntry()), DecodeEntry);
  const SecretBytes settings = EncodeSettings({SecretOf("password"), ExportProfile::kModern});
  change_each(Bytes(settings.Reveal().begin(), settings.Reveal().end()), DecodeSettings);
}

TEST(RecordCodec, RefusesWhatNoEncoderWrites) {
  Store reserved = SomeStore();
  reserved.number = 15;
  EXPECT_EQ(CodeOf(DecodeStore(EncodeStore(reserved))), ErrorCode::kCorrupt);
  Store odd_mode = SomeStore();
  odd_mode.attributes.mode = 0100644;
  EXPECT_EQ(CodeOf(DecodeStore(EncodeStore(odd_mode))), ErrorCode::kCorrupt);
  Store out_of_step = SomeStore();
  out_of_step.attributes.mode = 0660;
  EXPECT_EQ(CodeOf(DecodeStore(EncodeStore(out_of_step))), ErrorCode::kCorrupt);
  Bytes malformed_acl = EncodeStore(SomeStore());
  malformed_acl[2 + 8 + 12 + 24 + 2] = 3;  // Its version.
  EXPECT_EQ(CodeOf(DecodeStore(malformed_acl)), ErrorCode::kCorrupt);
  Bytes unordered = EncodeStore(SomeStore());
  std::swap_ranges(unordered.begin() + 2 + 8 + 12 + 24 + 2 + 4, unordered.begin() + 2 + 8 + 12 + 24 + 2 + 12,
                   unordered.begin() + 2 + 8 + 12 + 24 + 2 + 12);
  EXPECT_EQ(CodeOf(DecodeStore(unordered)), ErrorCode::kCorrupt);
  Store nameless = SomeStore();
  nameless.name = {};
  EXPECT_EQ(CodeOf(DecodeStore(EncodeStore(nameless))), ErrorCode::kCorrupt);
  Entry orphan = SomeEntry();
  orphan.store = 0;
  EXPECT_EQ(CodeOf(DecodeEntry(EncodeEntry(orphan))), ErrorCode::kCorrupt);

  // Members out of order, twice, or unknown. A file without ACLs takes 78 bytes: 1 + 40 + 4 + 1 + 32. The
  // last change has 13 behind them, and what is kept the last 8.
  const Bytes good = EncodeEntry(SomeEntry());
  const std::size_t second = good.size() - 21 - 78;
  ASSERT_EQ(good[second], 4);
  for (const int member : {0, 1, 7, 255}) {
    Bytes bad = good;
    bad[second] = static_cast<std::uint8_t>(member);
    EXPECT_EQ(CodeOf(DecodeEntry(bad)), ErrorCode::kCorrupt) << member;
  }
  Bytes undated = good;
  undated[good.size() - 21 - 33] = 2;
  EXPECT_EQ(CodeOf(DecodeEntry(undated)), ErrorCode::kCorrupt);
  Bytes unclear = good;
  unclear[good.size() - 21] = 2;
  EXPECT_EQ(CodeOf(DecodeEntry(unclear)), ErrorCode::kCorrupt);
  const SecretBytes flagged = EncodeManifest(SomeManifest());
  Bytes flags(flagged.Reveal().begin(), flagged.Reveal().end());
  flags[flags.size() - 201] = 4;
  EXPECT_EQ(CodeOf(DecodeManifest(flags)), ErrorCode::kCorrupt);
  const SecretBytes password = EncodeSettings({SecretOf("password"), ExportProfile::kModern});
  Bytes profile(password.Reveal().begin(), password.Reveal().end());
  for (const int unknown : {0, 3, 255}) {
    profile[2] = static_cast<std::uint8_t>(unknown);
    EXPECT_EQ(CodeOf(DecodeSettings(profile)), ErrorCode::kCorrupt) << unknown;
  }
  EXPECT_EQ(CodeOf(DecodeSettings(
                EncodeSettings({SecretOf(std::string(1025, 'p')), ExportProfile::kModern}).Reveal())),
            ErrorCode::kCorrupt);
  Manifest keyless = SomeManifest();
  keyless.data_keys.clear();
  EXPECT_EQ(CodeOf(DecodeManifest(EncodeManifest(keyless).Reveal())), ErrorCode::kCorrupt);
  // A log begins before it ends, and has an end if it has a beginning.
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{71}}) {
    Manifest anchored = SomeManifest();
    anchored.audit.first = first;
    EXPECT_EQ(CodeOf(DecodeManifest(EncodeManifest(anchored).Reveal())), ErrorCode::kCorrupt) << first;
  }
  // What counts for ever has not come to its end.
  for (const auto member : {&Manifest::commit, &Manifest::next_number}) {
    Manifest last = SomeManifest();
    last.*member = ~std::uint64_t{0};
    EXPECT_EQ(CodeOf(DecodeManifest(EncodeManifest(last).Reveal())), ErrorCode::kCorrupt);
    last.*member -= 1;
    EXPECT_TRUE(DecodeManifest(EncodeManifest(last).Reveal()).has_value());
  }
  Manifest last_line = SomeManifest();
  last_line.audit.last.number = ~std::uint64_t{0};
  EXPECT_EQ(CodeOf(DecodeManifest(EncodeManifest(last_line).Reveal())), ErrorCode::kCorrupt);
  Manifest twice = SomeManifest();
  twice.data_keys.back().epoch = 1;
  EXPECT_EQ(CodeOf(DecodeManifest(EncodeManifest(twice).Reveal())), ErrorCode::kCorrupt);
}

}  // namespace

}  // namespace certfs
