// The keystore: the one door for changes, and consistent reading.
//
// Every change is one call, one transaction: it checks the store's policy, judges the content against the
// rules table, keeps what replacements must keep (owner, mode, ACL), puts the state before it into
// BACKUP_STORE, writes and commits, or changes nothing.
//
// Thread-safety: may be used from any thread; changes are serialised, readers never wait for them. A thread
// holds no snapshot of its own while it calls a change, and nobody keeps one for long: now and then a change
// makes the keystore's map larger, which waits until no snapshot is open and gives up after 5 s with kBusy.
// One directory is open in one Keystore of a process at a time (LMDB's locks are a process's, and closing one
// of two would drop those of both); other processes may have it open as well, and what they commit shows in
// the next snapshot. Ownership: owns its table. Errors: besides those of EntryTable, each change says what it
// refuses. A change that fails has changed nothing, and the keystore goes on as before: kNoSpace at the size
// limit or when the disk is full, kBusy as above.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/rules.h"
#include "store/entry_table.h"
#include "store/header.h"
#include "store/parsed_files.h"
#include "store/policy.h"
#include "store/trust_cache.h"
#include "store/unlocked_header.h"

namespace certfs {

class AuditLog;  // store/audit_log.h.

// Who asks for a change.
struct Actor {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  // The permission bits that a directory which it makes is to be without, unless the directory above has a
  // default ACL.
  std::uint32_t umask = 0;
};

// What to set; an empty field stays as it is.
struct AttributeChange {
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<Time> atime;
  std::optional<Time> mtime;
  // An empty list removes what is there. Of an access ACL the permission bits follow; where `mode` is set as
  // well, it holds as a chmod after it would.
  std::optional<AccessControlList> access_acl = std::nullopt;
  std::optional<AccessControlList> default_acl = std::nullopt;

  // Whether it changes who may do what, in which only the owner and root have a say.
  bool SetsPermissions() const { return mode || uid || gid || access_acl || default_acl; }
  bool empty() const { return !SetsPermissions() && !atime && !mtime; }
};

// Makes what `change` says of permissions so in `attributes`.
void SetPermissions(Attributes& attributes, const AttributeChange& change);

// Says whether a file may be given these permissions: kNotPermitted for key material that others would get a
// bit of; kAccessDenied for a default ACL, which directories have.
Result<void> CheckFilePermissions(Member member, const AttributeChange& change);

// What a new file of `directory` has. Without a default ACL there 0600 for key material and 0644 for the
// rest, whatever the umask; with one what that grants to names, and never a bit for others on key material.
Attributes NewFileAttributes(Member member, Actor actor, const Attributes& directory, Time now);

// What a write or removal of a file came to.
struct WriteOutcome {
  Entry entry;                    // As it is now.
  bool changed = false;           // False: the bytes were there already, and nothing moved.
  std::vector<Finding> findings;  // Warnings and fixes.
  Number kept = 0;                // The entry of BACKUP_STORE whose files changed with it; 0 for none.
  std::optional<Entry> live;      // Set when a staged entry became complete: the live one, which it replaced.
};

// What an entry of BACKUP_STORE held before a change displaced it.
struct KeptBefore {
  Entry entry;  // As it was; without files if it was made for the change.
  std::vector<std::pair<Member, SecretBytes>> bytes;  // Of its files, save what damage took.
  Revision revision = 0;  // The entry's since the change; 0 when nothing was displaced.
};

// What RemoveFile took away, for whoever may have to put it back.
struct RemovedFile {
  Number entry = 0;
  Revision revision = 0;  // Of that entry since.
  Member member = Member::kCertificate;
  File file;  // As it was, and
  SecretBytes bytes;
  KeptBefore kept;
  std::optional<LastChange> changed;  // Of the entry, as it was.

  std::size_t size() const {
    std::size_t total = bytes.size();
    for (const auto& [member_kept, each] : kept.bytes) total += each.size();
    return total;
  }
};

class Keystore {
 public:
  using Clock = std::function<Time()>;

  // Makes a keystore in `directory` (made 0700 if it is not there), which `secret` opens, with the default
  // stores owned by `owner`. Returns kAlreadyExists if one, or anything else, is there, kBusy if another
  // process is making one there; then, as on every failure, the directory is left as it was.
  static Result<void> Create(const std::filesystem::path& directory, const UnlockSecret& secret, Actor owner,
                             Clock clock);

  // The same for one that `fill` fills instead, which gets the keys of the empty table in `directory`, and a
  // header that is saved afterwards: until then nobody takes it for a keystore.
  using Filler = std::function<Result<void>(UnlockedHeader& header, RootKeys keys)>;
  static Result<void> CreateFilled(const std::filesystem::path& directory, const UnlockSecret& secret,
                                   Clock clock, const Filler& fill);

  // Opens the keystore in `directory`. Returns kNotFound if there is none, kAccessDenied for a wrong key,
  // kCorrupt for a damaged one, kUnsupported for one of a newer format: each with the file and the reason. Do
  // not fork while one is open.
  static Result<std::unique_ptr<Keystore>> Open(const std::filesystem::path& directory,
                                                const UnlockSecret& secret, Clock clock);

  // A keystore over `table`, which it takes; the default stores are made, owned by `owner`, where there is no
  // store yet. For tables that are opened in another way than Open does.
  static Result<std::unique_ptr<Keystore>> Over(std::unique_ptr<EntryTable> table, Actor owner, Clock clock);

  // A keystore in memory with the default stores, for tests and trial mounts.
  static Result<std::unique_ptr<Keystore>> InMemory(Actor owner, Clock clock);

  // One consistent state to read from.
  Result<std::unique_ptr<TableSnapshot>> Snapshot() { return table_->Snapshot(); }
  Usage GetUsage() { return table_->GetUsage(); }
  // As EntryTable::ForeignCommits.
  Result<std::uint64_t> ForeignCommits() { return table_->ForeignCommits(); }
  Time Now() const { return clock_(); }
  // What verdicts are reached against in `snapshot`. As TrustCache::Get.
  Result<std::shared_ptr<const Trust>> GetTrust(TableSnapshot& snapshot) { return trust_.Get(snapshot); }

  // The certificates of the recovery slots that keystore.hdr has at this moment: whoever holds their keys may
  // have everything. None for a keystore without a directory. kCorrupt if the header is not what its last
  // writer left, and as Header::Load.
  Result<std::vector<Certificate>> RecoveryCertificates();

  // Who read a key, and who changed what. Every change through this object has its line there before it is
  // committed, and is refused where that cannot be written. Null for a keystore without a directory.
  AuditLog* audit() noexcept { return audit_.get(); }

  // --- The door. Names are free if no other differs from them only in ASCII case.

  // Returns the new store. kAlreadyExists; kNotPermitted for the link's name.
  Result<Store> CreateStore(const StoreName& name, Actor actor, std::uint32_t mode);
  // kNotFound; kNotPermitted for a protected store, whoever asks; kNotEmpty.
  Result<void> RemoveStore(const StoreName& name);
  // kNotFound, kNotPermitted (either name), kAlreadyExists.
  Result<void> RenameStore(const StoreName& from, const StoreName& to);

  // Returns the new, empty entry. kNotFound (the store), kAlreadyExists, kReadOnly in BACKUP_STORE.
  Result<Entry> CreateEntry(Number store, const Alias& alias, Actor actor, std::uint32_t mode);
  // kNotFound; kNotEmpty while it holds files or has a staged entry; kNotPermitted by the store's policy. A
  // state in BACKUP_STORE goes whole, with its files, and for root alone.
  Result<void> RemoveEntry(Number store, const Alias& alias, Actor actor);
  // Makes the staged entry of `live`, its `next/`. kNotFound; kAlreadyExists; kNotPermitted where the store,
  // or what the entry holds, is no pair.
  Result<Entry> CreateNext(Number live, Actor actor, std::uint32_t mode);
  // kNotFound (either); kNotEmpty while anything is staged.
  Result<void> RemoveNext(Number live);
  // Within one store, with what is staged. kNotFound, kAlreadyExists, kNotPermitted by the store's policy.
  Result<void> RenameEntry(Number store, const Alias& from, const Alias& to, Actor actor);

  // Judges `bytes` and makes them the entry's `member`. `attributes` holds for a new file (mode and owner
  // within what the kind of file allows), and its times also for a replacement. Bits for others on key
  // material are dropped. A damaged file is replaced like one that is not there. Returns the refusal of the
  // first rule that refuses, kInvalidArgument for no bytes, kTooLarge, kNotFound if the entry is gone,
  // kNotPermitted if its store does not hold such files, kReadOnly in BACKUP_STORE, kCorrupt while a CRL is
  // damaged that might speak against a certificate.
  //
  // In a staged entry a certificate or key waits for the other; when both are there and accepted, they
  // replace the live files in the same commit, and the staged entry is empty again. kRequest makes a key, if
  // none is staged, and the kSigningRequest by it: kMalformed ("request-config"); kRejected ("request-key")
  // when the staged key is of another type; kAlreadyExists when a certificate waits. kSigningRequest itself
  // is kReadOnly.
  //
  // `returning`, where it is given, are the owner, mode and ACL of a file that was there until a moment ago:
  // they hold instead, if there is none now.
  Result<WriteOutcome> WriteFile(Number entry, Member member, BytesView bytes, Actor actor,
                                 const AttributeChange& attributes, const Attributes* returning = nullptr);

  // kNotFound; kNotPermitted by the store's policy. Where there is no room
  // left to keep the state before it, it goes all the same. `removed`, where it is given, is what RestoreFile
  // needs; its file's bytes are empty, and it cannot be restored, where damage took them.
  Result<WriteOutcome> RemoveFile(Number entry, Member member, Actor actor, RemovedFile* removed = nullptr);

  // Undoes RemoveFile: the file returns with its bytes, attributes and revision, and BACKUP_STORE holds what
  // it held before, unless that changed once more. kStale when the entry has changed since, kNotFound when it
  // is gone, kRejected when the certificate's serial number is another's by now.
  Result<WriteOutcome> RestoreFile(const RemovedFile& removed);

  // kNotFound; kNotPermitted for BACKUP_STORE, and as CheckFilePermissions.
  Result<Store> SetStoreAttributes(Number store, const AttributeChange& change);
  // Whether key material of its entries whose certificates are revoked stays shut. kNotFound; kNotPermitted
  // for BACKUP_STORE.
  Result<Store> SetEnforceRevocation(Number store, bool on);
  Result<Entry> SetEntryAttributes(Number entry, const AttributeChange& change);
  // Where `owner` is given, a file that is another's by then is kNotPermitted.
  Result<Entry> SetFileAttributes(Number entry, Member member, const AttributeChange& change,
                                  std::optional<std::uint32_t> owner = std::nullopt);

  // As TableTransaction::PutSettings.
  Result<void> SetSettings(const Settings& settings);

 private:
  friend class KeystoreMerge;         // A change of its own (store/merge.h).
  friend class CertificateAuthority;  // The same (store/certificate_authority.h).
  friend class KeystoreExamination;   // Opens one for reading alone (store/examination.h).

  Keystore(std::unique_ptr<EntryTable> table, Clock clock)
      : table_(std::move(table)), clock_(std::move(clock)) {}

  Result<void> CreateDefaultStores(Actor owner);

  // Runs `change` in one transaction and commits it, unless it set `unchanged`; makes room and begins again
  // as long as the map was full and may grow, which is further if it only takes something away.
  template <typename Change>
  auto Apply(Change&& change, const bool* unchanged = nullptr, Room room = Room::kUpToLimit)
      -> decltype(change(std::declval<TableTransaction&>()));
  template <typename Change>
  auto ApplyRemoval(Change&& change) {
    return Apply(std::forward<Change>(change), nullptr, Room::kReserve);
  }

  // Reads, judges and normalises `bytes` for `entry`, whose live bytes are `live`, empty where there are
  // none.
  struct Judged;
  struct Write;  // What WriteFile was given.
  // Leaves the bytes as they are; times that were asked for hold all the same.
  static Result<WriteOutcome> KeepBytes(TableTransaction& transaction, Entry entry, Write& write, Time now);
  // Puts `text` where `write` wants it, in `entry`, which PutEntry has yet to store.
  static Result<void> PutWritten(TableTransaction& transaction, Entry& entry, const Write& write,
                                 BytesView text, Time now);
  Result<WriteOutcome> WriteLive(TableTransaction& transaction, const Store& store, Entry entry,
                                 Write& write);
  Result<WriteOutcome> WriteNext(TableTransaction& transaction, const Store& store, Entry next, Write& write);
  // Makes the key that `write` to entry `number` is going to need, if it is a request that has none yet. That
  // may take seconds, during which no transaction is open.
  Result<std::optional<PrivateKey>> MakeKeyFor(Number number, const Write& write);
  Result<WriteOutcome> WriteRequest(TableTransaction& transaction, Entry next, Write& write);
  Result<WriteOutcome> GoLive(TableTransaction& transaction, const Store& store, Entry live, Entry next,
                              Judged judged);
  // Makes `pair` the live certificate and key of `live`.
  struct Pair;
  Result<WriteOutcome> PutPair(TableTransaction& transaction, const Store& store, Entry live, Pair pair);
  // Judges a certificate, and a key unless that is empty, and makes them the live ones of `live`, as
  // WriteFile does it with each. Without a key the certificate has to fit the live one.
  Result<WriteOutcome> WritePair(TableTransaction& transaction, const Store& store, Entry live,
                                 BytesView certificate, BytesView key, Actor actor);
  // Removes the files of a live entry.
  Result<void> Empty(TableTransaction& transaction, const Store& store, Entry entry, Actor actor);
  // Removes an entry with its files, whatever the policy of its store: what certfs put there itself.
  Result<void> TakeAway(TableTransaction& transaction, const Store& store, const Entry& entry);
  Result<Judged> JudgeCertificate(TableTransaction& transaction, const StorePolicy& policy, const Key* key,
                                  BytesView live, BytesView bytes);
  Result<Judged> Judge(TableTransaction& transaction, const StorePolicy& policy, const Entry& entry,
                       Member member, BytesView live, BytesView bytes);

  std::shared_ptr<const void> lock_;  // On the directory; outlives the table.
  std::unique_ptr<EntryTable> table_;
  Clock clock_;
  std::filesystem::path directory_;  // Empty where there is none.
  std::optional<HeaderKeys> header_keys_;
  TrustCache trust_;
  ParsedFiles parsed_;
  std::shared_ptr<AuditLog> audit_;  // Last: it ends before the table that it anchors itself in.
};

}  // namespace certfs
