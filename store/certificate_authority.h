// The certificate authority inside a keystore: it issues, revokes, renews, replaces its own root, and is
// backed up.
//
// Every change is one transaction of the keystore: the ledger, the CRL in TRUSTED_ROOTS_CRLS, the entry that
// gets the certificate, and the authority's own record come together or not at all. Keys and throw-away
// signatures are made before the transaction; what they rest on is looked at again inside it.
//
// Thread-safety: any thread; changes are serialised by the keystore. The caller holds no snapshot while he
// calls a change. Ownership: borrows the keystore. Errors, besides those of Keystore: kNotFound
// ("no-authority") while there is none; kRejected and others with the id of the rule that refuses.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/issuing.h"
#include "crypto/profile.h"
#include "crypto/request_config.h"
#include "store/authority_record.h"
#include "store/keystore.h"

namespace certfs {

// What a new authority is to be.
struct NewAuthority {
  KeyType key_type = KeyType::kEcP384;
  RequestConfig subject;  // Name and the like; hosts, addresses and emails of it are not used.
  std::chrono::days lifetime{3650};
  std::optional<int> path_length;
  std::vector<std::string> permitted;  // As RootOptions.
  std::vector<std::string> excluded;
};

// One certificate to be issued: for a request, for a certool.cfg with a key that is made for it, or both (the
// subject of the config, the key of the request).
struct IssueOrder {
  std::string profile = "server";
  std::optional<CertificationRequest> request;
  std::optional<RequestConfig> config;
  std::optional<std::chrono::seconds> lifetime;  // Less than the profile's.
  std::string pickup;                            // A name in ca/issued/; empty for none.
};

struct Issued {
  IssuedCertificate record;  // With its key, where one was made.
  Bytes chain;               // PEM: leaf and intermediates, as servers send it.
};

// What is to be written into one entry, in one step with others.
struct EntryOrder {
  StoreName store;
  Alias alias;        // Made if it is not there.
  IssueOrder issue;   // By the authority; or
  Bytes certificate;  // from elsewhere: PEM, and
  SecretBytes key;    // its key, PEM.
};

// Why a certificate of an authority that no longer issues is to be renewed; mounts say so in their answers.
inline constexpr std::string_view kAuthorityReplaced = "the authority was replaced";

// How a renewal goes about one entry.
struct RenewalPlan {
  Number entry = 0;
  StoreName store;
  Alias alias;
  IssuedCertificate current;      // Without a key.
  std::string reason;             // "expires 2026-12-01T00:00:00Z", "revoked", kAuthorityReplaced.
  std::optional<Error> obstacle;  // Why it would be refused.
};

struct ReplacementProgress {
  std::optional<RootReplacement> replacement;  // None under way.
  std::uint64_t left = 0;                      // Entries that still have to be re-issued, or taken back.
};

enum class LedgerState { kAll, kActive, kRevoked, kExpired };
// Where a page of the ledger ended.
struct LedgerPosition {
  std::uint32_t day = 0;  // Of a query for what expires: days since 1970-01-01. Others: 0.
  Cursor at = 0;
};
struct LedgerQuery {
  LedgerState state = LedgerState::kAll;
  std::optional<std::chrono::days> expiring;  // Those that expire within so many days, and have not.
  std::string name;                           // Common name or alternative name; empty for any.
  LedgerPosition after;                       // Where to go on, with the same query.
  std::size_t count_max = 1000;
};
struct LedgerPage {
  std::vector<IssuedCertificate> lines;  // Without keys.
  std::optional<LedgerPosition> next;    // Where to go on, if there may be more.
};

// The state of a certificate as the authority knows it.
enum class IssuedState { kUnknown, kActive, kRevoked, kExpired };
IssuedState StateOf(const std::optional<IssuedCertificate>& issued, Time now);

// Something about the authority, or about what it issued, that somebody should look at.
struct HealthFinding {
  std::string_view id;        // "ca-never-backed-up": stable, for scripts.
  std::string_view severity;  // "info", "warning", "critical".
  std::string subject;
  std::string detail;
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(Keystore& keystore);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  // --- What there is (certificate_authority.cc)

  // The issuing certificate with its chain as PEM, the root alone, and the newest CRL in DER. Nothing where
  // there is no authority.
  struct PublicFace {
    Certificate certificate;
    std::vector<Certificate> chain;  // What certifies it; the root last, empty for a root.
    Bytes crl;                       // DER.
    AuthorityCertificate facts;      // Without the key.
  };
  Result<std::optional<PublicFace>> Face(TableSnapshot& snapshot);

  // The profile of that name: written, or built in. kNotFound ("no-profile").
  Result<Profile> FindProfile(TableSnapshot& snapshot, const std::string& name);
  // All of them: name and text.
  Result<std::vector<std::pair<std::string, std::string>>> Profiles(TableSnapshot& snapshot);
  // Writes one, or removes what was written over a built-in one (an empty text). kMalformed ("profile").
  Result<void> SetProfile(const std::string& name, BytesView toml);
  // Who may ask through ca/requests/.
  Result<void> SetRequestsAttributes(const AttributeChange& change);

  Result<LedgerPage> List(TableSnapshot& snapshot, const LedgerQuery& query);
  // The serial number of what `text` names: a serial number in hexadecimal, "STORE/ALIAS", or a certificate
  // in PEM. kNotFound.
  Result<SerialNumber> Identify(TableSnapshot& snapshot, std::string_view text);

  // --- Coming to be (authority_creation.cc)

  // Makes a root and its key, puts it into TRUSTED_ROOTS and its first CRL into TRUSTED_ROOTS_CRLS.
  // kAlreadyExists while there is an authority.
  Result<void> Create(const NewAuthority& authority, Actor actor);
  // Takes a CA certificate with its chain, leaf first, and its key from elsewhere; the last of the chain is a
  // root. kRejected by the rules of TRUSTED_ROOTS, "key-mismatch", "not-a-ca". While there is an authority,
  // it becomes the issuing one in its stead, and the old one retires (`replace`); kAlreadyExists without.
  Result<void> Import(PrivateKey key, std::vector<Certificate> chain, bool replace, Actor actor);

  // --- Issuing (authority_issuing.cc)

  Result<Issued> Issue(const IssueOrder& order, Actor actor);
  // All or none, in one transaction; keys and signatures are made on as many threads as there are cores.
  Result<std::vector<Issued>> IssueAll(std::span<const IssueOrder> orders, Actor actor);
  // Forgets the key and the name under which `pickup` is found in ca/issued/. kNotFound.
  Result<void> RemovePickup(const std::string& pickup);
  // Forgets the key alone: whoever asked for it has taken it, and not the certificate yet. kNotFound.
  Result<void> RemovePickupKey(const std::string& pickup);

  // --- Revocation (authority_revocation.cc)

  // Ledger, CRL and TRUSTED_ROOTS_CRLS in one transaction. kNotFound ("not-issued-here"); kAlreadyExists
  // ("revoked-already"). "removeFromCRL" is no reason; certificateHold stays for good.
  Result<void> Revoke(const SerialNumber& serial, RevocationReason reason, Actor actor);
  // Signs the CRL of each certificate that is not retired anew where half of its life is over, or `force`.
  // Returns how many. Lists are good for 7 days; what has expired leaves them.
  Result<std::size_t> RefreshLists(bool force);

  // --- Entries (authority_entries.cc)

  // Issues and writes all orders, in one transaction; nothing is written if one is refused. With `plan_only`
  // it is judged and given up. Returns what each entry's outcome is, as Keystore::WriteFile says it.
  // `operation` names it for RevertLast; empty: not to be reverted.
  Result<std::vector<WriteOutcome>> WriteEntries(std::span<const EntryOrder> orders,
                                                 const std::string& operation, bool plan_only, Actor actor);
  // Puts back what each entry of the last operation held before it, in one transaction. kNotFound
  // ("no-operation": there is none, or it replaced the root); kStale ("changed-since") naming an entry that
  // somebody changed meanwhile.
  Result<std::vector<std::string>> RevertLast(bool plan_only, Actor actor);

  // Which entries hold a certificate of ours that expires `within`, is revoked, or is that of a retiring
  // authority.
  Result<std::vector<RenewalPlan>> PlanRenewals(TableSnapshot& snapshot, std::chrono::days within);
  Result<std::optional<RenewalPlan>> PlanRenewal(TableSnapshot& snapshot, const StoreName& store,
                                                 const Alias& alias);
  // Issues the same subject and names again under the same profile, to the same key or with `rekey` to a new
  // one of the same kind, and makes it live. Returns the new line. kNotFound ("not-issued-here") for a
  // certificate of others.
  Result<IssuedCertificate> Renew(Number entry, bool rekey, Actor actor);

  // --- Replacing the root (authority_replacement.cc). Each step is one transaction; what is interrupted goes
  // on with the next step, or is taken back.

  // Makes the new root and has it trusted beside the old one. What is compromised is a key: every certificate
  // of the authority that has it goes. kBusy ("replacement-under-way").
  Result<void> BeginReplacement(const NewAuthority& authority, bool compromised, bool rekey, Actor actor);
  // The same with a certificate from elsewhere. kRejected ("compromised-key") if it has the old one's.
  Result<void> BeginReplacement(PrivateKey key, std::vector<Certificate> chain, bool compromised, bool rekey,
                                Actor actor);
  // Re-issues, or takes back, at most `count` entries. With the last one the replacement ends: the new root
  // issues, the old one retires (or is distrusted at once when it was compromised, and everything it issued
  // with it: kRejected, or whatever the last refusal was, where nothing at all could be re-issued). What
  // cannot be re-issued keeps what it has. kCorrupt while a CRL or a root is damaged, which is no entry's
  // fault.
  Result<ReplacementProgress> StepReplacement(std::size_t count, Actor actor);
  // From now on steps take back: each entry gets the certificate that it had, and in the end the new root
  // goes; it retires where something else that it issued is still good. Also after the end, as long as the
  // old one is retiring. kNotFound ("no-replacement").
  Result<void> RollBackReplacement(Actor actor);
  Result<ReplacementProgress> Progress(TableSnapshot& snapshot);
  // The entries that the next step of so many may change.
  static Result<std::vector<Number>> NextEntries(TableSnapshot& snapshot, std::size_t count);
  // Ends retiring authorities whose last certificate has expired (all of them with `now`): root and CRL leave
  // the trust stores, the key is wiped. Returns the ids. kCorrupt ("damaged-root"), as of the last step: its
  // root is not found in TRUSTED_ROOTS, where something cannot be read.
  Result<std::vector<std::uint32_t>> Retire(bool now, Actor actor);

  // --- Backup (authority_backup.cc)

  // Key, certificate and chain as PKCS#12 under the export password, friendly name "certfs CA".
  // kPasswordRequired while no export password is set; kUnsupported for a key in a token.
  Result<Bytes> MakeBackup(TableSnapshot& snapshot);
  // Its size, known without the password.
  Result<std::uint64_t> MeasureBackup(TableSnapshot& snapshot);
  Result<void> NoteBackup();
  // Makes what MakeBackup made the authority of this keystore, which has none. `crl`, where it is given, is
  // the last CRL of it: what that revokes stays revoked, and numbers go on behind its.
  Result<void> Restore(PrivateKey key, std::vector<Certificate> chain, const RevocationList* crl,
                       Actor actor);

  // --- Health (authority_health.cc)

  Result<std::vector<HealthFinding>> Health(TableSnapshot& snapshot);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace certfs
