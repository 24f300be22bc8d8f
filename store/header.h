// keystore.hdr: format version, store id and key slots (store/README.md, "keystore.hdr").
//
// Thread-safety: a value.

#pragma once

#include <chrono>
#include <filesystem>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/key_slot.h"

namespace certfs {

// What keeps the header true, for whoever has unlocked it: the key of its MAC.
struct HeaderKeys {
  SecretBytes mac;
};

// What unlocking yields: the key that seals the manifest, the store it belongs to, and the header's own keys.
struct RootKeys {
  StoreId store_id;
  SecretBytes manifest_key;
  HeaderKeys header{};
};

class Header {
 public:
  // Makes a header with a new store id and one slot for `secret`.
  static Result<Header> Create(const UnlockSecret& secret, std::chrono::sys_seconds now);

  // Reads the header from `bytes`. Returns kCorrupt if it is damaged, kUnsupported if it is of a newer
  // format; each says so.
  static Result<Header> Parse(BytesView bytes);

  // Reads `directory`/keystore.hdr. Returns kNotFound if there is none, and what Parse returns.
  static Result<Header> Load(const std::filesystem::path& directory);

  // Writes `directory`/keystore.hdr: a new file, fsync, rename, fsync of the directory.
  Result<void> Save(const std::filesystem::path& directory) const;

  // Opens the first slot that fits. Returns kAccessDenied ("wrong key") if none does, kCorrupt if one does
  // and the rest of the header is not what was written.
  Result<RootKeys> Unlock(const UnlockSecret& secret) const;

  // Returns kCorrupt unless the header is whole and was written by somebody who had the root key.
  Result<void> Check(const HeaderKeys& keys) const;

  // The certificates of its recovery slots, once it is checked.
  Result<std::vector<Certificate>> RecoveryCertificates(const HeaderKeys& keys) const;

  const StoreId& store_id() const noexcept { return store_id_; }
  std::chrono::sys_seconds created() const noexcept { return created_; }
  const Bytes& bytes() const noexcept { return bytes_; }

 private:
  Header() = default;
  StoreId store_id_{};
  std::chrono::sys_seconds created_{};
  std::vector<Slot> slots_;
  Bytes bytes_;  // The encoding, MAC and checksum included.
};

}  // namespace certfs
