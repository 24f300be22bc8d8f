// What the live stores hold, judged as of now: what status/ tells of, and whatever else watches over a whole
// keystore. BACKUP_STORE is not live: what was replaced raises no alarm.
//
// An entry is judged once and again only when it changes, when the trusted roots change, or when a date
// passes that its verdict depends on: looking again after one commit costs a look at a number for each entry
// of the stores that it changed, and one verdict. Verdicts are those of the rules table (crypto/judgement.h);
// only revocation is found here, from the CRLs as they are, so that a new CRL has nothing judged anew.
// Private keys and secrets are not read.
//
// Thread-safety: any thread; concurrent calls wait for each other; what is returned is constant. Memory: what
// is told of every live entry, and the verdict on it, some 2 KiB each, for as long as the Inspector lives;
// whoever keeps an Inspection keeps its entries. Errors: those of TableSnapshot, save that damage is told as
// what was found.

#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "crypto/rules.h"
#include "crypto/serial_number.h"
#include "store/keystore.h"

namespace certfs {

// One certificate, as people look at it.
struct InspectedCertificate {
  Digest fingerprint{};
  Digest holder{};  // HolderOf (crypto/issuer_link.h).
  std::string subject;
  std::string common_name;  // May be empty.
  std::vector<std::string> names;
  std::string issuer;
  std::optional<SerialNumber> serial_number;
  std::chrono::sys_seconds not_before;
  std::chrono::sys_seconds not_after;
  bool authority = false;
  bool self_signed = false;
};
using InspectedCertificatePointer = std::shared_ptr<const InspectedCertificate>;

struct InspectedList {
  std::string issuer;
  std::optional<std::chrono::sys_seconds> next_update;
  std::size_t revoked = 0;
};

struct InspectedEntry {
  Number number = 0;
  std::string alias;
  Members members = 0;
  // Whether everybody may read what is told here, as far as the entry goes: its directory, and the file.
  bool open = false;
  // Leaf first, then what issued it, as far as its cert.pem holds that; and whose key each is signed by
  // (HolderOf), zeros where neither the file nor TRUSTED_ROOTS has it.
  std::vector<InspectedCertificatePointer> chain;
  std::vector<Digest> issuers;
  std::optional<InspectedList> list;
  std::vector<Finding> findings;  // Without those of revocation.
  std::string damage;             // Why it cannot be read; empty where it can.

  bool dated() const { return !chain.empty() || list; }
  // When its leaf ends, or its CRL; nothing for what has no end.
  std::optional<std::chrono::sys_seconds> end() const;
  // What ends first of its chain. Precondition: it has one.
  const InspectedCertificate& first_end() const;
};
using InspectedEntryPointer = std::shared_ptr<const InspectedEntry>;

struct InspectedStore {
  std::string name;
  bool trust = false;                          // It says what is trusted, or revoked.
  bool open = false;                           // Whether everybody may enter it.
  bool damaged = false;                        // It holds entries that cannot be named.
  std::vector<InspectedEntryPointer> entries;  // By alias.
};

// What the CRLs in TRUSTED_ROOTS_CRLS revoke, by who issued it.
struct Revocations {
  struct Of {
    std::string list;                   // The CRL's issuer, for people.
    std::vector<SerialNumber> serials;  // Sorted.
  };
  std::map<Digest, Of> by_issuer;  // By HolderOf the issuer.
  bool damaged = false;            // A CRL is damaged: what it revokes cannot be told.

  // The CRL that revokes a certificate of that issuer; null where none does.
  const Of* Find(const InspectedCertificate& certificate, const Digest& issuer) const;
};

struct Inspection {
  std::vector<std::shared_ptr<const InspectedStore>> stores;  // By name; BACKUP_STORE left out.
  std::shared_ptr<const Revocations> revocations;
  bool damaged = false;  // There are stores that cannot be named, or no telling what is trusted.

  friend bool operator==(const Inspection&, const Inspection&) = default;  // By pointers.
};

// "STORE/ALIAS".
std::string PathOf(const InspectedStore& store, const InspectedEntry& entry);

// From when, and until when, a verdict stays what it is by itself; open where time changes it no more.
struct Lasting {
  std::optional<std::chrono::sys_seconds> from;
  std::optional<std::chrono::sys_seconds> until;  // Not included.

  bool Holds(std::chrono::sys_seconds now) const {
    return (!from || *from <= now) && (!until || now < *until);
  }
  // Both at once.
  void Narrow(const Lasting& other);
};

// The moments at which a verdict may become another one by itself: at which a certificate begins or has
// ended, or a CRL.
class Boundaries {
 public:
  void Add(std::chrono::sys_seconds from, std::optional<std::chrono::sys_seconds> until);
  // What lies between the two nearest to `now`.
  Lasting Around(std::chrono::sys_seconds now) const;

 private:
  std::set<std::chrono::sys_seconds> moments_;
};

class Inspector {
 public:
  // How many verdicts are reached before whoever asks has to come back with a newer snapshot: one must not
  // be held for long (store/keystore.h).
  static constexpr std::size_t kVerdictsMax = 512;

  explicit Inspector(Keystore& keystore) : keystore_(keystore) {}

  // Null when there is more to judge: the caller asks again, with a new snapshot, until he is told. What was
  // judged is not judged again. The same pointer as last time while nothing changed.
  Result<std::shared_ptr<const Inspection>> Inspect(TableSnapshot& snapshot, std::chrono::sys_seconds now);

  // How many verdicts were reached so far.
  std::uint64_t verdicts() const;

 private:
  struct KnownEntry {
    std::uint64_t mark = 0;
    Digest anchors{};
    Lasting lasting;
    InspectedEntryPointer entry;
  };
  struct KnownStore {
    Digest entries{};
    Digest anchors{};
    Lasting lasting;
    std::shared_ptr<const InspectedStore> store;
  };
  // A store that is being looked at.
  struct Walk {
    Number store = 0;
    Digest entries{};
    Digest anchors{};
    Lasting lasting;  // Of what was found.
    std::shared_ptr<InspectedStore> found;
    std::map<std::string, Number> left;
  };
  // What the trusted roots are to verdicts, and by whose names they go.
  struct Anchors {
    Digest identity{};
    std::shared_ptr<const Trust> from;
    TrustSet set{{}, {}};                                  // Without CRLs.
    std::multimap<unsigned long, Certificate> by_subject;  // SubjectNumber (crypto/issuer_link.h).
    Boundaries boundaries;
  };

  // Returns false where it cannot be told what is trusted.
  Result<bool> UpdateTrust(TableSnapshot& snapshot);
  // The entries of `store` as they are to be looked at, from where the last round stopped if they are the
  // same still.
  Result<Walk> BeginWalk(TableSnapshot& snapshot, const Store& store, std::shared_ptr<InspectedStore> found,
                         std::chrono::sys_seconds now);
  // Null when there is more to judge.
  Result<std::shared_ptr<const InspectedStore>> InspectStore(TableSnapshot& snapshot, const Store& store,
                                                             std::chrono::sys_seconds now);
  Result<KnownEntry> InspectEntry(TableSnapshot& snapshot, const Store& store, const std::string& alias,
                                  Number number, std::chrono::sys_seconds now);
  // What is not there any more is to be had anew, should it come back.
  void ForgetOthers(const Inspection& inspection, const std::set<Number>& stores);
  void Describe(InspectedEntry& found, const std::vector<Certificate>& chain);
  Digest IssuerOf(const Certificate& certificate) const;
  InspectedCertificatePointer Interned(const Certificate& certificate);

  Keystore& keystore_;
  mutable std::mutex mutex_;
  Anchors anchors_;  // Guarded by mutex_, as all below.
  std::shared_ptr<const Revocations> revocations_;
  std::unordered_map<Number, KnownEntry> entries_;
  std::map<Number, KnownStore> stores_;
  std::map<Digest, InspectedCertificatePointer> authorities_;  // CA certificates, which many entries share.
  std::optional<Walk> stopped_;                                // Where the last round did.
  std::shared_ptr<const Inspection> last_;
  std::uint64_t verdicts_ = 0;
  std::size_t left_ = 0;  // Of the verdicts of this call.
};

}  // namespace certfs
