// Key slots: how a passphrase, a key file or a recovery certificate's private key opens a keystore.
//
// A slot wraps the keystore's root key under a key derived from one secret; its bytes are specified in
// store/README.md, "keystore.hdr". Scrypt is RFC 7914, HKDF is RFC 5869, OAEP is RFC 8017.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <chrono>
#include <cstdint>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "crypto/sealing.h"

namespace certfs {

// On disk: never change or reuse.
enum class SlotType : std::uint8_t { kPassphrase = 1, kKeyFile = 2, kRecovery = 3 };

inline constexpr std::size_t kSlotBytes = 128;  // Of a recovery slot the first part, more follows.
inline constexpr std::size_t kRootKeyBytes = 32;
inline constexpr std::size_t kKeyFileBytes = 32;
using Slot = Bytes;

// What opens a slot: a passphrase of any length, exactly kKeyFileBytes random bytes, or the private key of a
// recovery certificate in one of the encodings that ReadKeyFile takes, unencrypted.
struct UnlockSecret {
  SlotType type;
  SecretBytes bytes;

  UnlockSecret Clone() const { return {type, bytes.Clone()}; }
};

// What a slot says of itself, to anybody.
struct SlotFacts {
  SlotType type;
  std::chrono::sys_seconds created;
  Digest recipient{};  // Of a recovery slot: SHA-256 over the SubjectPublicKeyInfo of its certificate.
};

// Returns kCorrupt for what is no slot, kUnsupported for one of a type that this version does not know.
Result<SlotFacts> ReadSlotFacts(BytesView slot);

// Wraps `root_key` for `secret`. A passphrase costs 128 MiB and about half a second (scrypt N = 2^17, r = 8,
// p = 1). Returns kInvalidArgument for an empty passphrase, a key file of another length, or a recovery key:
// for that its certificate is enough.
Result<Slot> WrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const SecretBytes& root_key,
                         std::chrono::sys_seconds now);

// Says whether `recipient` may be a recovery certificate: kRejected, in words, for a key that nothing can be
// encrypted to, or a keyUsage (RFC 5280, 4.2.1.3) without keyEncipherment (RSA) or keyAgreement (EC). Its
// dates are the caller's to judge.
Result<void> CheckRecipient(const Certificate& recipient);

// Wraps `root_key` for whoever has the private key of `recipient`. Returns what CheckRecipient returns.
Result<Slot> WrapRootKeyFor(const StoreId& store_id, const Certificate& recipient,
                            const SecretBytes& root_key, std::chrono::sys_seconds now);

// Returns what SlotFacts::recipient is for `recipient`.
Result<Digest> RecipientDigest(const Certificate& recipient);

// Opens `slot`. Returns kAccessDenied if `secret` is not the one (including one of another type), kCorrupt if
// it is but the slot is damaged, kUnsupported if the slot asks for parameters outside the bounds compiled in,
// and what ReadKeyFile returns for a recovery key that is none.
Result<SecretBytes> UnwrapRootKey(const StoreId& store_id, const UnlockSecret& secret, const Slot& slot);

}  // namespace certfs
