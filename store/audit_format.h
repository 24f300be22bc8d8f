// The files of the audit log, to bytes and back (store/README.md, "The audit log"). Private to store/.
//
// Thread-safety: free functions; an AuditCipher is constant. Errors: kCorrupt for bytes that certfs did not
// write there.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/sealing.h"
#include "store/audit_event.h"

namespace certfs {

// On disk: never change or reuse.
inline constexpr auto kAuditLogName = "audit.log";
inline constexpr std::size_t kAuditHeaderBytes = 40;
inline constexpr std::size_t kAuditLengthBytes = 4;
// Of a line. What has no bound of its own in it is cut short.
inline constexpr std::size_t kAuditLineBytesMax = std::size_t{64} << 10;

// The name of the file that begins with line `first`, once a newer one has taken its place as audit.log.
std::string AuditSegmentName(std::uint64_t first);
// The number in such a name; 0 for any other.
std::uint64_t AuditSegmentOf(std::string_view name);

// What each file begins with.
Bytes EncodeAuditHeader(const StoreId& store_id, std::uint64_t first);
// Returns the number of the first line. kCorrupt; kUnsupported for a newer format.
Result<std::uint64_t> DecodeAuditHeader(const StoreId& store_id, BytesView bytes);

// One line of JSON, without a newline; `before` is the digest of the one before.
std::string EncodeAuditLine(const AuditEvent& event, std::uint64_t number, Time when, const Digest& before);
// What a line says of itself. Whether that is true, the seal and the next line tell.
bool NamesBefore(std::string_view line, const Digest& before);
// The digest that it names; zeros where it names none.
Digest BeforeOf(std::string_view line);
Digest DigestOfLine(std::string_view line);
// "lines 3 to 5 are missing".
std::string MissingLines(std::uint64_t first, std::uint64_t last);

class AuditCipher {
 public:
  AuditCipher(StoreId store_id, SecretBytes key) : store_id_(store_id), key_(std::move(key)) {}

  const StoreId& store_id() const noexcept { return store_id_; }

  // The frame of line `number`: its length, and the line sealed.
  Result<Bytes> Seal(std::uint64_t number, std::string_view line) const;
  // Opens what is in a frame as line `number`.
  Result<std::string> Unseal(std::uint64_t number, BytesView sealed) const;

  // The number that a sealed line bears in the clear: unchecked until it is opened.
  static std::uint64_t NumberOf(BytesView sealed);

 private:
  const StoreId store_id_;
  const SecretBytes key_;
};

}  // namespace certfs
