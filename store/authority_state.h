// What the changes of a CertificateAuthority have in common: issuers that are ready to sign, drafts of
// certificates, the anchors and CRLs of the authority in the stores of trust. Private to store/.
//
// Thread-safety: any thread; functions over a transaction belong to its thread. Ownership: borrows the
// keystore. Errors: as CertificateAuthority; kStale ("issuer-changed") from a change that somebody else's
// overtook: it is to be made anew (WhileOvertaken).

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/pem.h"
#include "store/certificate_authority.h"
#include "store/keystore_change.h"
#include "store/view/context.h"

namespace certfs {

inline constexpr std::string_view kOvertaken = "issuer-changed";

// How long a CRL is good for. It is signed anew before half of that is over.
inline constexpr std::chrono::hours kListLifetime{7 * 24};
// How far back it begins, for clocks that are behind.
inline constexpr std::chrono::minutes kListBackdate{10};

Error NoAuthority();
Error NotIssuedHere();
Error Overtaken();
Error NoKeyHere();
// The same error, saying whom it concerns.
Error About(const std::string& subject, const Error& error);

// The authority's record; kNotFound ("no-authority") while none of its certificates issues.
Result<AuthorityRecord> GetIssuingRecord(TableSnapshot& snapshot);
// Who issues. While a replacement re-issues, that is the new one.
const AuthorityCertificate* IssuerNow(const AuthorityRecord& record);

Result<Certificate> CertificateOf(const AuthorityCertificate& authority);
Result<std::vector<Certificate>> ChainOf(const AuthorityCertificate& authority);
// Its root: the last of the chain, or it itself.
BytesView RootOf(const AuthorityCertificate& authority);

// Of what does as much as damage lets it, and says kCorrupt if that is not all: success, where that is
// enough.
Result<void> PastDamage(Result<void> listed);

// How many certificates of `authority` are live in entries, as far as their lines are whole. O(their number).
Result<std::uint64_t> CountPlaced(TableSnapshot& snapshot, std::uint32_t authority);

// Whether they have one CRL in common, because name and key are the same (RFC 5280, 5): a CA whose
// certificate was renewed, or came back.
Result<bool> ShareList(const AuthorityCertificate& one, const AuthorityCertificate& other);
// Whether both certify with one key.
Result<bool> HaveOneKey(const AuthorityCertificate& one, const AuthorityCertificate& other);
// Notes in the ledger what `list`, of the same name and key as `authority`, revokes and the ledger does not.
// A certificate that it does not know is one of `authority`, and from now on known by its serial number.
Result<void> TakeOverList(TableTransaction& transaction, const AuthorityCertificate& authority,
                          const RevocationList& list, Actor actor);

// The leaf of an entry's live cert.pem; none where there is none, or where damage took it.
Result<std::optional<Certificate>> LeafOf(TableSnapshot& snapshot, const Entry& entry);

// Whether its key is known to others: it is never certified again.
bool KeyIsLost(const IssuedCertificate& line);

// A PEM file of one object.
Bytes PemOf(std::string_view label, BytesView der);

// Repeats `work` as long as it was overtaken by another change, a few times at most.
template <typename Work>
auto WhileOvertaken(Work&& work) -> decltype(work()) {
  constexpr int kAttempts = 8;
  for (int attempt = 1;; ++attempt) {
    auto outcome = work();
    if (outcome.has_value() || attempt == kAttempts || outcome.error().rule() != kOvertaken) return outcome;
  }
}

// Calls `make` with each number below `count`, on as many threads as there are cores. Each result is at its
// place.
template <typename T>
using Made = std::vector<std::optional<Result<T>>>;
void InParallel(std::size_t count, const std::function<void(std::size_t)>& make);
template <typename T, typename Make>
Made<T> MakeAll(std::size_t count, Make&& make) {
  Made<T> made(count);
  InParallel(count, [&](std::size_t at) {
    made[at].emplace(WithinMemory([&]() -> Result<T> { return make(at); }));
  });
  return made;
}

// Who issues, and by which profiles, at one moment.
struct Issuance {
  AuthorityRecord record;
  std::uint32_t authority = 0;
  std::shared_ptr<const Issuer> issuer;
  Time now;
  Actor actor;
};

// A certificate that is signed, and not yet in the ledger.
struct Draft {
  Issued issued;
  Certificate certificate;
};

// A CA that is to be one of the authority's.
struct Newcomer {
  SecretBytes key;  // PKCS#8.
  std::shared_ptr<const Issuer> issuer;
};

struct CertificateAuthority::State {
  explicit State(Keystore& given) : keystore(given), context(given) {}

  template <typename Change>
  auto Apply(Change&& change, const bool* unchanged = nullptr) {
    return keystore.Apply(std::forward<Change>(change), unchanged);
  }

  // --- Issuers and profiles (authority_state.cc)

  // Ready to sign; kept, because its throw-away key takes a while to make. kUnsupported where its key is not
  // here.
  Result<std::shared_ptr<const Issuer>> IssuerOf(const AuthorityCertificate& authority);
  // Makes all of them ready: nothing that takes long is to happen within a transaction.
  Result<void> ReadyAll(const AuthorityRecord& record);
  Result<std::shared_ptr<const Profile>> ProfileOf(const AuthorityRecord& record, const std::string& name);

  // --- Drafts (authority_drafts.cc)

  // `authority` issues; 0 for the one whose turn it is.
  Result<Issuance> BeginIssuance(AuthorityRecord record, Actor actor, std::uint32_t authority = 0);
  Result<Issuance> BeginIssuance(Actor actor);
  Result<Draft> DraftOf(const Issuance& at, const IssueOrder& order);
  // The same subject, names and profile again, for the same key or a new one of its kind.
  Result<Draft> DraftAgain(const Issuance& at, const IssuedCertificate& line, bool rekey);
  // Says whether drafts of `at` may still be entered in `record`.
  static Result<void> CheckIssuance(const AuthorityRecord& record, const Issuance& at);
  // Puts a draft into the ledger and counts it in `record`. kStale ("issuer-changed") when its serial number
  // is taken.
  static Result<void> Enter(TableTransaction& transaction, AuthorityRecord& record, Draft& draft);

  // --- Trust (authority_trust.cc)

  // Puts a CA and what certifies it into TRUSTED_ROOTS, where they are not there already.
  Result<void> PutAnchors(TableTransaction& transaction, AuthorityCertificate& authority);
  // Signs a new CRL of it into TRUSTED_ROOTS_CRLS; where its own cannot be read, over that one if
  // `over_damaged`: what another keeper of its key revoked there is lost, so that somebody has to ask for it.
  Result<void> SignList(TableTransaction& transaction, AuthorityCertificate& authority,
                        bool over_damaged = false);
  // Both, where the list is wanted, in a transaction of its own.
  Result<bool> RefreshList(std::uint32_t id, bool force);
  // What holds exactly that certificate leaves TRUSTED_ROOTS. kCorrupt ("damaged-root") if nothing does and
  // something there cannot be read.
  Result<void> TakeAwayAnchors(TableTransaction& transaction, BytesView der);
  // Its anchors and its CRL leave the stores of trust, its key is wiped.
  Result<void> Distrust(TableTransaction& transaction, AuthorityRecord& record,
                        AuthorityCertificate& authority);
  // Whether anchors or CRL of it are missing, or the CRL is half way through its life or not of this
  // keystore.
  Result<bool> WantsList(TableSnapshot& snapshot, const AuthorityCertificate& authority);

  // --- Coming to be (authority_creation.cc)

  Result<Newcomer> MakeNewcomer(const NewAuthority& authority);
  Result<Newcomer> CheckNewcomer(PrivateKey key, std::vector<Certificate> chain);
  // Adds it to `record`, with its anchors and first CRL. Returns its id.
  Result<std::uint32_t> Install(TableTransaction& transaction, AuthorityRecord& record,
                                const Newcomer& newcomer, AuthorityRole role);

  // --- Entries (authority_entries.cc)

  // Writes certificate and, unless that is empty, key (PEM both) into a live entry.
  Result<WriteOutcome> WriteInto(TableTransaction& transaction, Number entry, BytesView certificate,
                                 BytesView key, Actor actor);
  Result<Entry> EntryFor(TableTransaction& transaction, const EntryOrder& order, Actor actor);
  Result<void> RevertEntry(TableTransaction& transaction, const LastOperation& operation,
                           const LastOperation::Changed& changed, Actor actor, std::string& name);

  // --- Renewing (authority_renewal.cc)

  // Fills in where it is, and what stands in its way.
  Result<void> CompletePlan(TableSnapshot& snapshot, const AuthorityRecord& record, RenewalPlan& plan);

  // --- Replacing the root (authority_replacement.cc)

  struct StepMove;
  struct Step;
  Result<void> Begin(const Newcomer& newcomer, bool compromised, bool rekey, Actor actor);
  Result<void> Reopen(TableTransaction& transaction, AuthorityRecord& record);
  Result<ReplacementProgress> TakeStep(std::size_t count, Actor actor);
  Result<void> FindMoves(Step& step, std::size_t count);
  Result<void> FindFormer(TableSnapshot& snapshot, const Entry& entry, const IssuedCertificate& former,
                          const Certificate& certificate, const Step& step, StepMove& move);
  Result<ReplacementProgress> CommitStep(Step& step);
  Result<void> Finish(TableTransaction& transaction, AuthorityRecord& record);
  std::set<Number> Failed();
  // Notes that a line could not be moved, or only that it did not get back what it had.
  void Fail(Number line, bool restored);
  // How many lines are left once `step` is done. They are counted once, and from then on reckoned.
  Result<std::uint64_t> CountLeft(TableSnapshot& after, const Step& step);

  Keystore& keystore;
  view::Context context;

  std::mutex mutex;
  struct ReadyIssuer {
    Digest certificate{};
    std::shared_ptr<const Issuer> issuer;
  };
  struct ReadyProfile {
    std::string text;
    std::shared_ptr<const Profile> profile;
  };
  std::map<std::uint32_t, ReadyIssuer> issuers;  // Guarded by mutex, as all below.
  std::map<std::string, ReadyProfile> profiles;  // By name.
  // Of the replacement that is under way: the lines of the ledger that could not be moved. Not on disk: a new
  // process tries them once more.
  struct Stuck {
    std::optional<std::pair<std::uint32_t, ReplacementPhase>> of;
    std::set<Number> failed;
    std::set<Number> not_restorable;    // Rolling back: to be re-issued instead.
    std::optional<std::uint64_t> left;  // Counted once, and then kept.
  } stuck;
};

}  // namespace certfs
