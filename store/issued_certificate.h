// A line of the ledger: a certificate that the authority issued, and what became of it.
//
// Thread-safety: a value. Ownership: owns its key.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "crypto/issuing.h"
#include "store/entry.h"

namespace certfs {

struct Revocation {
  Time at{};
  RevocationReason reason = RevocationReason::kUnspecified;

  friend bool operator==(const Revocation&, const Revocation&) = default;
};

// The longest name under which somebody picks up what he asked for, in bytes ("NAME" of ca/issued/NAME.pem).
inline constexpr std::size_t kPickupNameBytesMax = 200;
// What else a record holds at most.
inline constexpr std::size_t kIssuedDerBytesMax = std::size_t{128} << 10;  // A certificate, a key.
inline constexpr std::size_t kIssuedNameBytesMax = 1024;                   // A name, in UTF-8.
inline constexpr std::size_t kIssuedNamesMax = 1024;

struct IssuedCertificate {
  Number number = 0;            // Of the record, from the one sequence of numbers.
  std::uint32_t authority = 0;  // Which certificate of the authority issued it (AuthorityCertificate::id).
  Bytes certificate;  // DER. Empty for what was revoked by an authority of before a restore: the serial is
                      // all that is known of it.
  SerialNumber serial{};
  std::chrono::sys_seconds not_before{};
  std::chrono::sys_seconds not_after{};
  std::string common_name;         // May be empty.
  std::vector<std::string> names;  // Of subjectAltName, as text.
  std::string profile;
  std::uint32_t uid = 0;  // Who asked for it.
  std::uint32_t gid = 0;
  Time issued{};
  std::optional<Revocation> revocation;
  // The entry whose live certificate it is; 0 for none.
  Number entry = 0;
  // The certificate that it replaced there, and the one that replaced it, by serial number.
  std::optional<SerialNumber> replaces;
  std::optional<SerialNumber> replaced_by;
  // Under which name it is picked up in ca/issued/, until it was; and the key that was made for it, PKCS#8,
  // empty where it was made elsewhere.
  std::string pickup;
  SecretBytes key;

  IssuedCertificate Clone() const;
};

// What the ledger is looked through by. Each record belongs to the group of the day on which it expires, to
// those of its names, and where it has one to those of its entry, its pickup name, its revocation, and its
// place under an authority certificate. One without a certificate has no day.
enum class IssuedGroup : std::uint8_t {  // On disk: never change or reuse.
  kDay = 1,                              // Its last day: days since 1970-01-01, U32.
  kName = 2,     // The common name and each alternative name, folded as names of entries are.
  kPickup = 3,   // The pickup name, folded.
  kRevoked = 4,  // Revoked: the authority certificate's id, U32.
  kPlaced = 5,   // Live in an entry: the authority certificate's id, U32.
  kEntry = 6,    // Live in the entry of that number, U64.
};
struct IssuedGroupKey {
  IssuedGroup group;
  Bytes value;

  static IssuedGroupKey Day(std::chrono::sys_days day);
  static IssuedGroupKey Name(std::string_view name);
  static IssuedGroupKey Pickup(std::string_view name);
  static IssuedGroupKey Revoked(std::uint32_t authority);
  static IssuedGroupKey Placed(std::uint32_t authority);
  static IssuedGroupKey InEntry(Number entry);

  friend bool operator==(const IssuedGroupKey&, const IssuedGroupKey&) = default;
};
// All that `issued` belongs to, each once.
std::vector<IssuedGroupKey> GroupsOf(const IssuedCertificate& issued);

// Fills in what the certificate itself says: serial number, validity, names. Precondition: `certificate` has
// a serial number of at most 20 octets.
void Describe(IssuedCertificate& issued, const Certificate& certificate);

}  // namespace certfs
