// The seam between what a keystore means and where its bytes lie: tables of stores and entries, read in
// snapshots and changed in transactions.
//
// Two implementations keep one contract (tests/store/entry_table_contract.h): SealedTable on LMDB,
// MemoryTable for tests and trial mounts. No rule about certificates lives here; that is Keystore's.
//
// Thread-safety: a table may be used from any thread; a snapshot or transaction belongs to the thread that
// uses it. At most one transaction exists at a time: BeginTransaction waits for the one before it. Errors,
// from every function: kCorrupt when stored bytes fail their check (nothing of them is returned), kIo when
// the operating system refuses, kReadOnly when its disk is mounted like that. Absence is an empty optional.

#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/sealing.h"
#include "store/authority_record.h"
#include "store/entry.h"
#include "store/issued_certificate.h"
#include "store/settings.h"

namespace certfs {

// A position in the order of a listing: 62 bits, 0 before everything. Stable while other things come and go.
using Cursor = std::uint64_t;
inline constexpr Cursor kCursorMax = (Cursor{1} << 62) - 1;

template <typename T>
struct Listed {
  Cursor at;  // Pass it to Next... to go on behind this one.
  T item;
};

// What a listing of a store shows of an entry.
struct EntryHead {
  Number number = 0;
  Alias alias;
  Attributes attributes;  // Of the entry's directory.
  Revision revision = 0;
  Members members = 0;  // Which files it has.

  bool is_staged() const { return alias.is_next(); }
};
using EntryHeadSink = std::function<bool(Cursor at, const EntryHead& head)>;

// What no two certificates may share (RFC 5280, 4.1.2.2): the issuer's name and the serial number, each DER.
struct IssuedSerial {
  Bytes issuer;
  Bytes serial;

  friend bool operator==(const IssuedSerial&, const IssuedSerial&) = default;
};

// The certificate that has an issuer and serial number, and in how many files it lies.
struct SerialHolder {
  Digest certificate{};  // SHA-256 over its DER.
  std::uint64_t files = 0;

  friend bool operator==(const SerialHolder&, const SerialHolder&) = default;
};

using IssuedSink = std::function<bool(Cursor at, const IssuedCertificate& issued)>;

// How full the keystore is, in bytes. What changes leave in use is at most the limit; but for removals, which
// may add some pages of bookkeeping to it for as long as there is something left to remove.
struct Usage {
  std::uint64_t used;
  std::uint64_t limit;
};

// How far a change may go. Changes copy what they touch before they free it: one that takes something away
// needs room for a moment, and gets it also in a keystore that is full.
enum class Room : std::uint8_t { kUpToLimit, kReserve };

// One consistent state. Later commits do not show in it.
class TableSnapshot {
 public:
  virtual ~TableSnapshot() = default;

  // By name: exactly (`Find`), or ignoring ASCII case (`FindFolded`).
  virtual Result<std::optional<Store>> FindStoreFolded(const StoreName& name) = 0;
  virtual Result<std::optional<Entry>> FindEntryFolded(Number store, const Alias& alias) = 0;
  Result<std::optional<Store>> FindStore(const StoreName& name);
  Result<std::optional<Entry>> FindEntry(Number store, const Alias& alias);

  // By number.
  virtual Result<std::optional<Store>> FindStoreByNumber(Number number) = 0;
  virtual Result<std::optional<Entry>> FindEntryByNumber(Number number) = 0;

  // A number that is another one once somebody has written the entry again; nothing where none is. Costs far
  // less than reading it, and is not checked like what is read: a hint about where to look.
  virtual Result<std::optional<std::uint64_t>> FindEntryMark(Number number) = 0;

  // The next in the order of a listing, behind `after`. A damaged one is kCorrupt; `skipped`, where the
  // caller gives it, then says where to go on.
  virtual Result<std::optional<Listed<Store>>> NextStore(Cursor after, Cursor* skipped) = 0;
  virtual Result<std::optional<Listed<Entry>>> NextEntry(Number store, Cursor after, Cursor* skipped) = 0;

  // Calls `sink` with each entry of the store behind `after`, in the order of NextEntry, until it returns
  // false. What is damaged is passed over: kCorrupt, once all others were shown.
  virtual Result<void> ListEntries(Number store, Cursor after, const EntryHeadSink& sink);

  // The bytes of a file that `entry` has, as found in this snapshot.
  virtual Result<SecretBytes> ReadFile(const Entry& entry, Member member) = 0;

  // Who has this issuer and serial number, as PutSerial last said.
  virtual Result<std::optional<SerialHolder>> FindSerial(const IssuedSerial& serial) = 0;

  // As PutSettings last said; a new table has the defaults.
  virtual Result<Settings> GetSettings() = 0;

  // As PutAuthority last said; a new table has none.
  virtual Result<AuthorityRecord> GetAuthority() = 0;
  // Whether there is one at all; costs nothing.
  virtual bool has_authority() = 0;

  // A line of the ledger by its serial number, or by its record's number.
  virtual Result<std::optional<IssuedCertificate>> FindIssued(const SerialNumber& serial) = 0;
  virtual Result<std::optional<IssuedCertificate>> FindIssuedByNumber(Number number) = 0;

  // Calls `sink` with each line behind `after`, in an order that stays while others come and go, until it
  // returns false; it puts none meanwhile. What is damaged is passed over: kCorrupt, once all others were
  // shown.
  virtual Result<void> ListIssued(Cursor after, const IssuedSink& sink) = 0;
  // The same for the lines of one group; O(log n) and their number.
  virtual Result<void> ListIssued(const IssuedGroupKey& group, const IssuedSink& sink) = 0;
  virtual std::uint64_t issued_count() = 0;

  // The number of the commit that it shows: each is greater than the one before. In a transaction, the number
  // that its own commit is going to have.
  virtual std::uint64_t commit() = 0;

  // The name of the keystore, for ever.
  virtual StoreId store_id() = 0;

  // 32 bytes that are the same for ever in one keystore, and tell nothing about its other keys: what
  // generated files derive their salts from.
  virtual Result<SecretBytes> DeriveViewKey() = 0;
};

// One change. Reads show its own writes. Destroying it without Commit() changes nothing.
class TableTransaction : public TableSnapshot {
 public:
  // Writes a store or an entry whole; a number of 0 is filled in with a new one. Returns the number. Entries'
  // files must have been put by PutFile or taken over from what was read. Renaming is putting under another
  // name; the caller has made sure that the name is free.
  virtual Result<Number> PutStore(Store store) = 0;
  virtual Result<Number> PutEntry(Entry entry) = 0;

  // Stores the bytes of one file and fills in its size and digest; PutEntry makes it so. Precondition: the
  // entry has its number already, and `bytes` is not empty.
  virtual Result<void> PutFile(Entry& entry, Member member, BytesView bytes) = 0;

  // Removes the bytes of one file from `entry`; PutEntry makes it so.
  virtual Result<void> RemoveFile(Entry& entry, Member member) = 0;

  // Removes an empty store, an entry with its files.
  virtual Result<void> RemoveStore(const Store& store) = 0;
  virtual Result<void> RemoveEntry(const Entry& entry) = 0;

  // Notes who has an issuer and serial number; no files, nobody. That it agrees with the files is Keystore's
  // to see to.
  virtual Result<void> PutSerial(const IssuedSerial& serial, const SerialHolder& holder) = 0;

  // kInvalidArgument for a password of more than kExportPasswordBytesMax.
  virtual Result<void> PutSettings(const Settings& settings) = 0;

  // kInvalidArgument as CheckAuthority.
  virtual Result<void> PutAuthority(const AuthorityRecord& record) = 0;

  // Writes a line of the ledger whole; a number of 0 is filled in with a new one. Returns the number.
  // kAlreadyExists when another line has the serial number, kNotFound when none has this number and serial
  // number, kInvalidArgument as CheckIssued. A line keeps its serial number. Lines are never removed.
  virtual Result<Number> PutIssued(IssuedCertificate issued) = 0;

  // Makes every change durable and visible. The transaction is spent on return, whatever the outcome. Returns
  // kNoSpace when it would leave more in use than the limit, unless the transaction has Room::kReserve, or
  // when the disk is full.
  virtual Result<void> Commit() = 0;

  // Says whether what failed with kNoSpace may succeed in a new transaction after EntryTable::Grow. On a full
  // disk it may not.
  virtual bool WantsRoom() const = 0;
};

class EntryTable {
 public:
  virtual ~EntryTable() = default;
  virtual Result<std::unique_ptr<TableSnapshot>> Snapshot() = 0;
  virtual Result<std::unique_ptr<TableTransaction>> BeginTransaction(Room room = Room::kUpToLimit) = 0;
  virtual Usage GetUsage() = 0;

  // A number that is another one whenever another process has committed since, however often this one did.
  // What was committed then shows in the next snapshot. kBusy while it is in the middle
  // of one; others as of Snapshot().
  virtual Result<std::uint64_t> ForeignCommits() = 0;

  // Makes room after a transaction that WantsRoom, as far as `room` goes. Returns false when that is reached,
  // kBusy when a snapshot or a transaction stays open, in whatever thread, that the change would pull the
  // ground from under. Waits 5 s for that: the caller holds none itself.
  virtual Result<bool> Grow(Room room = Room::kUpToLimit) = 0;
};

}  // namespace certfs
