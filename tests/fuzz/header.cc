#include "store/header.h"

#include "crypto/sealing.h"
#include "store/unlocked_header.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

// keystore.hdr without its last 32 bytes, the checksum, which anybody can make fit. Opened by a key file
// alone: a passphrase costs half a second whatever the header says.
int FuzzHeader(const std::uint8_t* data, std::size_t size) {
  static const UnlockSecret secret{SlotType::kKeyFile, SecretBytes::CopyOf(Bytes(kKeyFileBytes, 'k'))};
  Bytes bytes(data, data + size);
  const Digest checksum = Sha256({bytes});
  bytes.insert(bytes.end(), checksum.begin(), checksum.end());
  const auto header = Header::Parse(bytes);
  if (!header.has_value()) {
    PROPERTY(header.error().code() == ErrorCode::kCorrupt ||
             header.error().code() == ErrorCode::kUnsupported);
    return 0;
  }
  PROPERTY(header.value().bytes() == bytes);
  const auto slots = header.value().Slots();
  PROPERTY(!slots.empty() && slots.size() <= Header::kSlotsMax);
  for (const SlotDescription& slot : slots) PROPERTY(slot.number != 0 && !slot.certificate);
  const auto opened = UnlockedHeader::Open(header.value(), secret);
  if (!opened.has_value()) {
    const ErrorCode code = opened.error().code();
    PROPERTY(code == ErrorCode::kAccessDenied || code == ErrorCode::kCorrupt ||
             code == ErrorCode::kUnsupported);
    return 0;
  }
  const auto keys = Have(opened.value().Keys());
  const auto all = header.value().Slots(keys.header);
  PROPERTY(all.has_value() && all.value().size() == slots.size());
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
