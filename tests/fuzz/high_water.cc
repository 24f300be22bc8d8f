// The high-water file lies where somebody else may write. What the target makes fit, as only the keystore's
// owner can, are the names of the keystore and the codes over the records.

#include <fstream>

#include "crypto/sealing.h"
#include "store/high_water.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/scratch.h"

namespace certfs::fuzz {

namespace {

using std::string_view_literals::operator""sv;

// On disk: never change or reuse. (store/high_water.cc)
constexpr auto kLabel = "certfs/v1/high-water\0"sv;
constexpr std::size_t kRecordDistance = 4096;
constexpr std::size_t kRecords = 2;
constexpr std::size_t kBodyBytes = 56;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kIdAt = 16;
constexpr std::size_t kTimeAt = 48;

Keystore& OneKeystore() {
  static const auto keystore = Have(Keystore::InMemory({0, 0}, [] { return Time{}; }));
  return *keystore;
}

SecretBytes MacKey(TableSnapshot& snapshot) {
  Bytes info(kLabel.begin(), kLabel.end());
  const StoreId id = snapshot.store_id();
  info.insert(info.end(), id.begin(), id.end());
  return Have(DeriveKey(Have(snapshot.DeriveViewKey()), {}, info, kMacBytes));
}

// A record of each kind: 'm' of this keystore, 'o' of whichever it says, both with a code that fits; else any
// bytes.
Bytes RecordOf(Pieces& pieces, TableSnapshot& snapshot) {
  const std::uint8_t kind = pieces.U8();
  if (kind != 'm' && kind != 'o') {
    const BytesView any = pieces.Take(kBodyBytes + kMacBytes);
    return {any.begin(), any.end()};
  }
  const BytesView body = pieces.Take(kBodyBytes);
  Bytes record(body.begin(), body.end());
  record.resize(kBodyBytes);
  const StoreId id = snapshot.store_id();
  if (kind == 'm') std::copy(id.begin(), id.end(), record.begin() + kIdAt);
  record[kTimeAt] &= 0x7F;  // Nobody has written one before 1970.
  const Digest mac = HmacSha256(MacKey(snapshot), {record});
  record.insert(record.end(), mac.begin(), mac.end());
  return record;
}

Bytes FileOf(Pieces pieces, TableSnapshot& snapshot) {
  Bytes file;
  for (std::size_t i = 0; i < kRecords && !pieces.empty(); ++i) {
    file.resize(i * kRecordDistance);
    const Bytes record = RecordOf(pieces, snapshot);
    file.insert(file.end(), record.begin(), record.end());
  }
  return file;
}

}  // namespace

// Whatever the file holds is compared or refused, in words; and one that is taken is taken again, once it was
// kept.
int FuzzHighWater(const std::uint8_t* data, std::size_t size) {
  static const ScratchDirectory directory;
  const std::filesystem::path path = directory.path() / "high-water";
  Keystore& keystore = OneKeystore();
  const Bytes bytes = FileOf(Pieces(BytesView(data, size)), *Have(keystore.Snapshot()));
  {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  const auto checked = CheckHighWater(keystore, path);
  const auto kept = HighWater::Keep(keystore, path);
  PROPERTY(kept.has_value() == checked.has_value());
  if (checked.has_value()) {
    PROPERTY(CheckHighWater(keystore, path).has_value());
    NoteRead();
    return 0;
  }
  const Error& error = checked.error();
  PROPERTY(error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kRejected);
  PROPERTY(error.code() == ErrorCode::kUnsupported || error.rule() == "high-water-file" ||
           error.rule() == "older-than-high-water");
  PROPERTY(!error.message().empty() && kept.error().code() == error.code());
  return 0;
}

}  // namespace certfs::fuzz
