// Sealing of records: authenticated encryption in which every record has a key of its own and commits to it.
//
// The layout and the derivation are specified in store/README.md, "Sealed records". AES-256-GCM (SP 800-38D)
// under a key and a commitment derived by HKDF-SHA-512 (RFC 5869) from the data key and a fresh 32-byte salt.
//
// Thread-safety: free functions; DataKey is immutable. Errors: kCorrupt whenever a sealed record is not
// exactly what was asked for, kInternal when OpenSSL fails for reasons of its own.

#pragma once

#include <array>
#include <cstdint>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

using StoreId = std::array<std::uint8_t, 16>;  // Random; names one keystore for ever.

// On disk: never change or reuse.
enum class RecordKind : std::uint8_t {
  kManifest = 1,
  kStore = 2,
  kEntry = 3,
  kContent = 4,
  kSettings = 5,
  kRecoveryCertificate = 6,  // In keystore.hdr.
  kAuthority = 7,
  kIssued = 8,
  kAuditLine = 9  // In audit.log.
};

// Which record, in which state: bound into the seal, so that no record passes for another or for its own
// past.
struct RecordIdentity {
  StoreId store_id;
  RecordKind kind;
  std::uint32_t epoch;   // Of the data key.
  std::uint64_t number;  // Of the store, entry or line; 0 for what there is one of.
  std::uint64_t member;  // Of a content; 0 otherwise.
};

// The bytes a seal adds to its plaintext.
inline constexpr std::size_t kSealOverhead = 96;
inline constexpr std::size_t kDataKeyBytes = 32;

// Seals `plaintext`, which must not be empty, as `identity` at `revision`. `key` is kDataKeyBytes long.
Result<Bytes> Seal(const SecretBytes& key, const RecordIdentity& identity, std::uint64_t revision,
                   BytesView plaintext);

struct Unsealed {
  std::uint64_t revision;
  SecretBytes plaintext;
};

// Opens a record sealed as `identity`. Returns kCorrupt if a bit of it, or the identity, is another, or if
// it was sealed under another key.
Result<Unsealed> Unseal(const SecretBytes& key, const RecordIdentity& identity, BytesView sealed);

// SHA-256 (FIPS 180-4) over the concatenation of `parts`.
Digest Sha256(std::initializer_list<BytesView> parts);

// HMAC-SHA-256 (RFC 2104) over the concatenation of `parts`.
Digest HmacSha256(const SecretBytes& key, std::initializer_list<BytesView> parts);

// HKDF-SHA-512 (RFC 5869): `size` bytes from `secret`, at most 64.
Result<SecretBytes> DeriveKey(const SecretBytes& secret, BytesView salt, BytesView info, std::size_t size);

// Fills `out` from the calling thread's generator, which the operating system's seeds. kNoMemory when no
// locked memory is left for it; kInternal when it has nothing to give.
Result<void> FillRandom(std::span<std::uint8_t> out);

}  // namespace certfs
