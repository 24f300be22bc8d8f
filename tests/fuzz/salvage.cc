// A data.mdb that LMDB is not trusted with is searched for what still opens, in the process that has the
// keys.

#include "crypto/sealing.h"
#include "store/authority_record.h"
#include "store/record_codec.h"
#include "store/salvage_records.h"
#include "store/unlocked_header.h"
#include "tests/fuzz/scratch.h"

namespace certfs::fuzz {

namespace {

// Of the keystore that the seeds are of.
const RootKeys& Keys() {
  static const RootKeys keys = [] {
    const UnlockSecret secret{SlotType::kKeyFile, SecretBytes::CopyOf(Bytes(kKeyFileBytes, 'k'))};
    const Header header = Have(Header::Parse(TestFile("store/vectors/format-3/keystore.hdr")));
    return Have(Have(UnlockedHeader::Open(header, secret)).Keys());
  }();
  return keys;
}

// What its seal says is whole is a record, or one of a newer format.
void Decode(RecordKind kind, BytesView bytes) {
  const auto check = [](const auto& decoded) {
    PROPERTY(decoded.has_value() || decoded.error().code() == ErrorCode::kUnsupported);
  };
  if (kind == RecordKind::kStore) check(DecodeStore(bytes));
  if (kind == RecordKind::kEntry) check(DecodeEntry(bytes));
  if (kind == RecordKind::kSettings) check(DecodeSettings(bytes));
  if (kind == RecordKind::kAuthority) check(DecodeAuthority(bytes));
  if (kind == RecordKind::kIssued) check(DecodeIssued(bytes));
}

}  // namespace

// What is found opens again as what it is filed under, and trees lead nowhere else.
int FuzzSalvage(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(BytesView(data, size));
  PageScan scan = Have(PageScan::Begin(file.number()));
  PROPERTY(scan.bytes() == size);
  std::uint64_t done = 0;
  const auto records = SalvagedRecords::Read(scan, Keys(), [&](std::uint64_t bytes) { done += bytes; });
  PROPERTY(done <= 2 * scan.bytes());
  if (!records.has_value()) {
    PROPERTY(records.error().code() == ErrorCode::kCorrupt);
    return 0;
  }
  const SalvagedRecords& found = records.value();
  PROPERTY(!found.is_current() || scan.standings_known());
  for (const RecordKind kind : {RecordKind::kStore, RecordKind::kEntry, RecordKind::kContent,
                                RecordKind::kSettings, RecordKind::kAuthority, RecordKind::kIssued}) {
    for (const SalvagedRecords::Key& key : found.KeysOf(kind)) {
      const SalvagedRecord* const newest = found.Newest(key);
      const SalvagedRecord* const any = found.NewestFree(key);
      PROPERTY(any != nullptr && found.Find(key, any->digest) != nullptr);
      for (const SalvagedRecord* const each : {newest, any}) {
        if (each == nullptr) continue;
        PROPERTY(each->place.offset + each->place.size <= size);
        PROPERTY(Sha256({scan.Read(each->place)}) == each->digest);
        Decode(kind, Have(found.Open(key, *each)).Reveal());
      }
    }
  }
  const Manifest& manifest = found.manifest();
  for (const Digest& root : {manifest.stores, manifest.serials, manifest.issued, manifest.groups}) {
    bool whole = true;
    const std::vector<TreeItem> items = found.ItemsOf(root, whole);
    PROPERTY(root != Digest{} || (whole && items.empty()));
  }
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
