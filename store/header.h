// keystore.hdr: format version, store id and key slots (store/README.md, "keystore.hdr").
//
// Thread-safety: a value.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/key_slot.h"

namespace certfs {

// Names a slot of one header: given once, from 1, and never again.
using SlotNumber = std::uint16_t;

// What keeps the header true, and what it shows to nobody else: for whoever has unlocked it.
struct HeaderKeys {
  SecretBytes mac;
  SecretBytes certificates;  // Seals those of recovery slots.
};

// What unlocking yields: the key that seals the manifest, the store it belongs to, and the header's own keys.
struct RootKeys {
  StoreId store_id;
  SecretBytes manifest_key;
  HeaderKeys header{};
};

// One slot, as far as it may be known.
struct SlotDescription {
  SlotNumber number = 0;
  SlotFacts facts{};
  std::optional<Certificate> certificate;  // Of a recovery slot, for whoever has unlocked the header.
};

// Of the certificate of a recovery slot, as it is sealed in the header.
RecordIdentity CertificateIdentity(const StoreId& store_id, SlotNumber number);

class Header {
 public:
  static constexpr std::size_t kSlotsMax = 16;
  static constexpr std::size_t kBytesMax = std::size_t{64} << 10;

  // Makes a header with a new store id and one slot for `secret`.
  static Result<Header> Create(const UnlockSecret& secret, std::chrono::sys_seconds now);

  // Reads the header from `bytes`. Returns kCorrupt if it is damaged, kUnsupported if it is of a newer
  // format; each says so.
  static Result<Header> Parse(BytesView bytes);

  // Reads `directory`/keystore.hdr. Returns kNotFound if there is none, kCorrupt if it is a symbolic link or
  // no regular file, and what Parse returns.
  static Result<Header> Load(const std::filesystem::path& directory);

  // Writes `directory`/keystore.hdr: a new file, fsync, rename, fsync of the directory.
  Result<void> Save(const std::filesystem::path& directory) const;

  // Opens the first slot that fits. Returns kAccessDenied ("wrong key") if none does, kCorrupt if one does
  // and the rest of the header is not what was written.
  Result<RootKeys> Unlock(const UnlockSecret& secret) const;

  // Returns kCorrupt unless the header is whole and was written by somebody who had the root key.
  Result<void> Check(const HeaderKeys& keys) const;

  // Its slots by number: what anybody sees; with `keys`, once it is checked, all there is to know.
  std::vector<SlotDescription> Slots() const;
  Result<std::vector<SlotDescription>> Slots(const HeaderKeys& keys) const;

  // The certificates of its recovery slots, once it is checked.
  Result<std::vector<Certificate>> RecoveryCertificates(const HeaderKeys& keys) const;

  const StoreId& store_id() const noexcept { return store_id_; }
  std::chrono::sys_seconds created() const noexcept { return created_; }
  const Bytes& bytes() const noexcept { return bytes_; }

 private:
  friend class UnlockedHeader;

  struct NumberedSlot {
    SlotNumber number = 0;
    SlotFacts facts{};
    Slot slot;
    Bytes certificate;  // Of a recovery slot: sealed.
  };

  Header() = default;
  static Result<Header> ParseFormat1(BytesView bytes);
  static Result<Header> ParseFormat2(BytesView bytes);
  // Remakes bytes_ from the rest, in the newest format. kTooLarge over kBytesMax.
  Result<void> Encode(const HeaderKeys& keys);

  StoreId store_id_{};
  std::chrono::sys_seconds created_{};
  SlotNumber next_number_ = 1;
  std::vector<NumberedSlot> slots_;
  Bytes bytes_;  // The encoding, MAC and checksum included.
};

}  // namespace certfs
