// Key slots: how a passphrase or a key file opens a keystore.
//
// A slot wraps the keystore's root key under a key derived from one secret; its bytes are specified in
// store/README.md, "keystore.hdr". Scrypt is RFC 7914, HKDF is RFC 5869.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/sealing.h"

namespace certfs {

// On disk: never change or reuse.
enum class SlotType : std::uint8_t { kPassphrase = 1, kKeyFile = 2 };

inline constexpr std::size_t kSlotBytes = 128;
inline constexpr std::size_t kRootKeyBytes = 32;
inline constexpr std::size_t kKeyFileBytes = 32;
using Slot = std::array<std::uint8_t, kSlotBytes>;

// What opens a slot: a passphrase of any length, or exactly kKeyFileBytes random bytes.
struct UnlockSecret {
  SlotType type;
  SecretBytes bytes;
};

// Wraps `root_key` for `secret`. A passphrase costs 128 MiB and about half a second (scrypt N = 2^17, r = 8,
// p = 1). Returns kInvalidArgument for an empty passphrase or a key file of another length.
Result<Slot> WrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const SecretBytes& root_key,
                         std::chrono::sys_seconds now);

// Opens `slot`. Returns kAccessDenied if `secret` is not the one (including one of another type), kCorrupt if
// it is but the slot is damaged, kUnsupported if the slot asks for parameters outside the bounds compiled in.
Result<SecretBytes> UnwrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot);

}  // namespace certfs
