// What a keystore keeps of its certificate authority, besides the ledger: its certificates and keys, its
// profiles, and what it is in the middle of. One sealed record, a few KiB.
//
// Thread-safety: a value. Ownership: owns its keys.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "store/entry.h"
#include "store/issued_certificate.h"

namespace certfs {

// What the record holds at most.
inline constexpr std::size_t kAuthorityCertificatesMax = 4096;
inline constexpr std::size_t kAuthorityChainMax = 16;
inline constexpr std::size_t kTokenBytesMax = 4096;
inline constexpr std::size_t kProfilesMax = 1024;
inline constexpr std::size_t kProfileNameBytesMax = 128;
inline constexpr std::size_t kProfileBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kOperationEntriesMax = 4096;

// On disk: never change or reuse.
enum class AuthorityRole : std::uint8_t {
  kIssuing = 1,   // It issues.
  kPrepared = 2,  // It is trusted already, and is going to issue.
  kRetiring = 3,  // It issues no more; its CRL is kept current until its last certificate has expired.
  kRetired = 4,   // Nothing of it is trusted or signed any more; its key is gone.
};

struct AuthorityCertificate {
  std::uint32_t id = 0;  // Given once, from 1.
  AuthorityRole role = AuthorityRole::kIssuing;
  Bytes certificate;             // DER.
  std::vector<Bytes> chain;      // DER, what certifies it, the root last; empty for a root.
  SecretBytes key;               // PKCS#8; empty where it is gone or lies in a token.
  std::string token;             // Where it lies in a token: a PKCS#11 URI (RFC 7512).
  std::uint64_t crl_number = 0;  // Of the newest CRL; 0 before the first.
  Time crl_made{};
  Number root_entry = 0;  // Its root in TRUSTED_ROOTS and its CRL in TRUSTED_ROOTS_CRLS; 0 for none.
  Number crl_entry = 0;
  Time created{};
  std::uint64_t issued = 0;  // How many records of the ledger are its.

  AuthorityCertificate Clone() const;
};

// On disk: never change or reuse.
enum class ReplacementPhase : std::uint8_t {
  kReissuing = 1,
  kRollingBack = 2,
};

// A replacement of the root that is under way.
struct RootReplacement {
  ReplacementPhase phase = ReplacementPhase::kReissuing;
  std::uint32_t from = 0;  // Ids of authority certificates.
  std::uint32_t to = 0;
  bool compromised = false;  // The old one is distrusted as soon as everything is re-issued.
  bool rekey = false;        // Entries get new keys, too.
  std::uint64_t total = 0;   // How many entries had to be re-issued when it began.
  std::uint64_t failed = 0;  // How many could not be, and keep what they have.
  Time began{};

  friend bool operator==(const RootReplacement&, const RootReplacement&) = default;
};

// The last operation over several entries, for "revert the last operation": what each of them held before
// lies in BACKUP_STORE.
struct LastOperation {
  std::string name;  // "machine-ssl-by-authority", for people.
  Time at{};
  struct Changed {
    Number entry = 0;
    Revision revision = 0;  // Of the entry right after it: what changed since is not reverted.

    friend bool operator==(const Changed&, const Changed&) = default;
  };
  std::vector<Changed> entries;  // At most kOperationEntriesMax.
  bool reverted = false;

  friend bool operator==(const LastOperation&, const LastOperation&) = default;
};

// The name of the last operation where that was a replacement of the root, whose entries are in the ledger:
// RollBackReplacement takes it back. On disk: never change or reuse.
inline constexpr std::string_view kReplaceRootOperation = "replace-root";

struct AuthorityRecord {
  std::vector<AuthorityCertificate> certificates;  // By id. At most one issues; empty: there is no authority.
  std::uint32_t next_id = 1;
  std::map<std::string, std::string> profiles;  // TOML, by name: those that somebody wrote.
  // Of ca/requests/: who may ask for certificates there.
  std::uint32_t requests_uid = 0;
  std::uint32_t requests_gid = 0;
  std::uint32_t requests_mode = 0700;
  std::optional<RootReplacement> replacement;
  std::optional<LastOperation> last_operation;
  Time backed_up{};  // When backup/ca.p12 was last read to its end; zero: never.
  std::uint64_t issued_at_backup = 0;

  AuthorityRecord Clone() const;
  const AuthorityCertificate* Find(std::uint32_t id) const;
  AuthorityCertificate* Find(std::uint32_t id);
  const AuthorityCertificate* Issuing() const;
  AuthorityCertificate* Issuing();
};

// Says whether a record is within its bounds and makes sense by itself: kInvalidArgument, with what does not.
// A profile's text, a certificate's and a key's bytes are not parsed.
Result<void> CheckAuthority(const AuthorityRecord& record);
Result<void> CheckIssued(const IssuedCertificate& issued);

// The plaintext of the sealed record, and back. kCorrupt, kUnsupported as the other records
// (store/record_codec.h).
SecretBytes EncodeAuthority(const AuthorityRecord& record);
Result<AuthorityRecord> DecodeAuthority(BytesView bytes);
SecretBytes EncodeIssued(const IssuedCertificate& issued);
Result<IssuedCertificate> DecodeIssued(BytesView bytes);

}  // namespace certfs
