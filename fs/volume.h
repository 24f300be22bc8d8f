// The filesystem itself, without a kernel: what every operation on the tree means (fs/README.md).
//
// Thread-safety: every operation may run on any thread.
// Ownership: borrows the keystore, the process table and the observer, which outlive it.
// Errors: the errno of each is in fs/README.md's tables; the codes here map to them one to one
// (fs/errno.h).

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/volume_types.h"
#include "store/keystore.h"

namespace certfs {

class AuditedRequest;   // store/audit_event.h.
class OperationCounts;  // fs/operation_counts.h.
struct Content;         // Private to fs/.
struct SeenEntry;
struct Staging;
struct ScratchFile;
struct ControlHandle;
struct DropName;
struct DropWriter;
enum class DropKind;
struct IssueOrder;

class Volume {
 public:
  Volume(Keystore& keystore, const ProcessTable& processes, VolumeObserver& observer, VolumeOptions options);
  ~Volume();
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  // The kernel keeps what it was given: says that it was given `node`, and that it forgot it `count` times.
  // What a commit replaces is kept for as long as the kernel holds it.
  void Named(const Node& node);
  void Forget(NodeId node, std::uint64_t count);
  // Says whether the kernel holds `node`, a file. Nobody can watch what it does not hold.
  bool IsHeld(NodeId node);
  // Returns the path of `directory`, an entry, a store or the list of stores, from the root of the tree;
  // nothing if it is gone or is none of these. kNoMemory: ask again later.
  Result<std::optional<std::string>> PathOfDirectory(NodeId directory);

  // Looks whether another process has committed, and tells the observer of what the kernel may know
  // otherwise. What was replaced is kept, as after a commit of our own, where BACKUP_STORE has it. To be
  // called by one thread, after the keystore's file was written, and again after a failure (kNoMemory is
  // one): what could not be looked at is told then, and nothing twice. Costs one look at a number for each
  // entry that the kernel holds, besides what changed.
  Result<void> CatchUp();

  // kNotFound; kNameTooLong for what no directory, or not this one, can hold; kCorrupt.
  Result<Node> Lookup(const Caller& caller, NodeId parent, std::string_view name);
  // `handle` is 0 or an open handle of this node. kStale for a superseded revision that nobody has open.
  Result<Node> GetAttributes(const Caller& caller, NodeId node, HandleId handle);
  // `size` only together with a handle that writes: kNotPermitted otherwise. On a superseded revision that is
  // open or was just replaced the change is that of the live file; the node that is returned shows the
  // revision. On a staging inode that is to replace a file only times hold.
  Result<Node> SetAttributes(const Caller& caller, NodeId node, HandleId handle,
                             const AttributeChange& change, std::optional<std::uint64_t> size);
  Result<std::string> ReadLink(NodeId node);

  // Returns the name of the store whose entry's state `node`, a directory of BACKUP_STORE, keeps; empty when
  // that store is gone. Nothing for any other node.
  Result<std::optional<std::string>> KeptFrom(NodeId node);

  // Whether the store `node` withholds the keys of revoked certificates; nothing for any other node.
  Result<std::optional<bool>> EnforcesRevocation(NodeId node);
  // Sets it, for the store's owner or root. kNotPermitted for others and BACKUP_STORE; kUnsupported for any
  // other node.
  Result<void> SetEnforcesRevocation(const Caller& caller, NodeId node, bool on);

  // Calls `sink` for each child behind `offset` (0: the start; "." and ".." included) until it returns false
  // or all are listed. kCorrupt, after all others were listed, if a child is damaged; kNotADirectory.
  Result<void> List(const Caller& caller, NodeId directory, std::uint64_t offset,
                    const std::function<bool(const DirectoryItem&)>& sink);

  // Returns what fixes the names in `directory`, the same for every caller: as long as it stays, so does the
  // listing. Nothing where the kernel shall not keep one.
  Result<std::optional<Digest>> ListingDigest(NodeId directory);

  Result<Node> MakeDirectory(const Caller& caller, NodeId parent, std::string_view name, std::uint32_t mode);
  Result<void> RemoveDirectory(const Caller& caller, NodeId parent, std::string_view name);
  Result<void> Unlink(const Caller& caller, NodeId parent, std::string_view name);
  Result<void> Rename(const Caller& caller, NodeId parent, std::string_view name, NodeId new_parent,
                      std::string_view new_name, unsigned flags);

  // Symbolic links, devices, FIFOs and sockets are never made: kNotPermitted.
  Result<void> MakeSpecial(const Caller& caller, NodeId parent, std::string_view name);

  // Gives the scratch file `node` another name, or a live name that is free: it is judged, and becomes live.
  // Of a live file, a scratch name is a copy. Returns what the new name leads to. kAlreadyExists; what a
  // write is refused for; kNotPermitted for all others.
  Result<Node> Link(const Caller& caller, NodeId node, NodeId parent, std::string_view name);

  // Makes a staging inode for the live file `live`, to which the write-open of `caller` is then led. Until it
  // is opened it shows the live attributes. It has a number of its own, or is `as`, of an earlier daemon,
  // which the kernel knows already. kReadOnly for generated files, kIsADirectory, kStale if the file is gone.
  Result<Node> Stage(const Caller& caller, NodeId live, NodeId as = NodeId());
  // Forgets a staging inode that nobody opened. Does nothing for others.
  void Unstage(NodeId staging);

  // Records that opening `node` was refused to `caller`, in the words of `error`; returns it. What has no
  // words for people is not recorded, kStale above all.
  Error RefuseOpen(const Caller& caller, NodeId node, Error error);

  // Creates and opens `name`, which becomes live at close; or a scratch file, which has `permissions`.
  // kNotPermitted for a name the entry may not hold, kReadOnly, kAlreadyExists.
  struct Created {
    Node node;
    HandleId handle;
  };
  Result<Created> Create(const Caller& caller, NodeId parent, std::string_view name, OpenMode mode,
                         std::uint32_t permissions = 0600);

  // Opens a file for reading, or a staging inode for writing, once. kStale: look the name up again (a
  // superseded revision; an unused staging inode opened for reading). kNotPermitted: a live file, or a
  // staging inode in use, opened for writing. kNoSpace, kReadOnly, kIo: a key, and the audit log cannot be
  // written.
  Result<HandleId> Open(const Caller& caller, NodeId node, OpenMode mode);

  // Returns at most `size` bytes at `offset`. Handles of an earlier daemon (unknown ones) that read are
  // resolved by node, as far as that shows what it did: the current revision, and the one that BACKUP_STORE
  // keeps; else kStale. Of handles of an earlier daemon that wrote, everything is kIo, in all calls below:
  // what was written and not committed is lost.
  Result<SecretBytes> Read(NodeId node, HandleId handle, std::uint64_t offset, std::size_t size);
  Result<void> Write(const Caller& caller, HandleId handle, std::uint64_t offset, BytesView bytes);
  Result<void> Flush(const Caller& caller, HandleId handle);
  Result<void> Sync(const Caller& caller, HandleId handle);
  void Release(NodeId node, HandleId handle);

  // Wipes what was kept for long enough: scratch, first halves, and what a commit replaced, a key perhaps. To
  // be called now and then, and once what a commit replaced has had its two seconds; until it is, nobody gets
  // at it all the same.
  void DropExpired();

  // Signs the CRLs of the authority anew that are past half of their lives. To be called at the start and
  // about hourly, so that they are current even where nobody reads them; a failure is told once, and stays in
  // status/health.json until it is over.
  Result<void> RefreshLists();

  Usage GetUsage() { return keystore_.GetUsage(); }

  // What status/metrics.prom counts. Whoever brings an operation from the kernel counts it there; refusals
  // are counted here.
  OperationCounts& counts();

  // What is remembered for those who have something open or temporary: as before, once they have closed it
  // and it is gone.
  struct Held {
    std::size_t handles = 0;       // Open ones, with what is noted of each.
    std::size_t stagings = 0;      // Inodes that are written, or about to be.
    std::size_t scratch = 0;       // Files, directories and placeholders.
    std::size_t staged_bytes = 0;  // In all of these.
    friend bool operator==(const Held&, const Held&) = default;
  };
  Held GetHeld();

 private:
  struct State;
  // Runs `change` and records its refusal under the path of (parent, name).
  template <typename Change>
  auto Recorded(const Caller& caller, const char* operation, NodeId parent, std::string_view name,
                Change&& change) -> decltype(change());
  void Record(const Caller& caller, NodeId parent, std::string_view name, const Error& error);

  // Open, for what is noted or not.
  Result<HandleId> OpenFile(const Caller& caller, NodeId node, OpenMode mode);
  // Returns why what is not live any more is withheld, if it is a key.
  Result<void> CheckEarlier(TableSnapshot& snapshot, const struct Content& content);
  // Has it noted that what `node` shows was read; it must not be where that fails (volume_audit.cc).
  Result<void> NoteReading(const AuditedRequest& request, NodeId node);

  // What an earlier daemon of this mount showed through `handle` (volume_successor.cc).
  Result<std::shared_ptr<const Content>> Adopt(NodeId node, HandleId handle);
  // The entry of BACKUP_STORE that holds the revision which `node` shows, a file of `entry`; nothing if none
  // does.
  Result<std::optional<Entry>> FindKept(TableSnapshot& snapshot, const Entry& entry, NodeId node);
  // What stat shows of that revision to whoever had it open when the daemon before ended.
  Result<std::optional<Node>> KeptAttributes(TableSnapshot& snapshot, const struct Place& place, NodeId node);

  // Null for a handle that does not write.
  std::shared_ptr<Staging> FindWriter(HandleId handle);
  Result<HandleId> OpenStaging(const Caller& caller, NodeId node, OpenMode mode);
  Result<std::shared_ptr<const Content>> OpenContent(TableSnapshot& snapshot, const Entry& entry,
                                                     Member member);
  // Makes a writer of the file `name` of the entry directory `parent`; refuses what the entry may not hold.
  // The file that its process removed before, if it did, is the writer's to bring back.
  Result<std::shared_ptr<Staging>> NewStaging(const Caller& caller, NodeId parent, std::string_view name);
  // Gives it a node by which it can be opened: a new one, or `as`.
  NodeId Register(const std::shared_ptr<Staging>& staging, NodeId as = NodeId());

  class Replacement;
  Replacement BeginReplacing(std::span<const Number> entries);
  // Makes what was written live, or refuses it. Returns whether anything changed.
  Result<bool> Commit(const Caller& caller, Staging& staging);
  // Makes `bytes` live as the file that `staging` is to write: the one way in.
  Result<bool> PutLive(const Caller& caller, Staging& staging, BytesView bytes);
  // What a refusal leaves behind: nothing that was written, and what was there before.
  void Undo(const Caller& caller, Staging& staging);
  // Puts back what the process of `staging` had removed to write it.
  // Returns whether it did.
  bool BringBack(const Caller& caller, Staging& staging);
  // Tells the kernel of a name that changed by what `staging` wrote, at once or when that may be.
  void Tell(Staging& staging, NodeId directory, std::string_view name);
  // Shows an empty file to whoever created one.
  void AddPlaceholder(Staging& staging);
  // Tells the kernel that the state which BACKUP_STORE keeps in `entry` is another; nothing for 0.
  void TellKept(Number entry, Staging* staging = nullptr);
  // The parts of CatchUp.
  struct ForeignChange;
  enum class Replacer { kSelf, kAnother };  // Who has replaced what the entry had.
  Result<std::optional<ForeignChange>> LookAt(TableSnapshot& snapshot, const SeenEntry& known,
                                              Replacer replacer);
  void TellForeign(const ForeignChange& change, const std::vector<NodeId>& held);
  Result<void> CatchUpListings(TableSnapshot& snapshot);
  Result<void> KeepReplaced(TableSnapshot& snapshot, const Entry& entry, Revision before);
  void InheritPairs();
  Result<void> Resize(const Caller& caller, Staging& staging, std::uint64_t size);
  // What was set on a name of `next` whose file went live in the entry `live`: its times are the live file's.
  Result<Node> SetWentLive(const Entry& next, Number live, Member member, const AttributeChange& change);
  Result<Node> SetStagingAttributes(const Caller& caller, Staging& staging, const AttributeChange& change,
                                    std::optional<std::uint64_t> size);

  // --- Generated files (volume_views.cc)

  // Returns whether there is room for more.
  using OfferItem = std::function<bool(std::string_view name, const Node& node, std::uint64_t place)>;
  // What `caller`, who may be pinned to a revision of it, sees of an entry; and what it finds in a directory.
  struct SeenView;
  Result<std::vector<SeenView>> ViewsOf(const Caller& caller, TableSnapshot& snapshot, const Entry& entry);
  Result<std::vector<SeenView>> ViewsIn(const Caller& caller, TableSnapshot& snapshot, NodeId directory);
  Result<std::optional<SeenView>> FindView(const Caller& caller, TableSnapshot& snapshot, NodeId node);
  // The permissions of a store or entry, or of a file of it, changed, and with them those of its views.
  void TellViews(NodeId changed);
  Result<Node> FindChild(const Caller& caller, NodeId parent, std::string_view name);
  Result<Node> LookupView(const Caller& caller, NodeId parent, std::string_view name);
  Result<Node> ViewAttributes(const Caller& caller, NodeId node, HandleId handle);
  // The generated files stand from `first` on, stores and entries, those behind `start`, from `behind` on.
  Result<void> ListViews(const Caller& caller, NodeId directory, std::uint64_t first, Cursor start,
                         std::uint64_t behind, const OfferItem& offer);
  // The stores and entries of a listing.
  Result<void> ListShown(TableSnapshot& snapshot, NodeId directory, Cursor start, std::uint64_t behind,
                         const OfferItem& offer);
  Result<std::shared_ptr<const Content>> LoadView(TableSnapshot& snapshot, const SeenView& seen, NodeId node);
  Result<std::shared_ptr<const Content>> OpenView(const Caller& caller, NodeId node);
  Result<std::shared_ptr<const Content>> OpenBackup(TableSnapshot& snapshot, NodeId node);
  // What there is in backup/ (volume_backup.cc).
  Result<std::vector<std::pair<std::string, Node>>> BackupNodes(TableSnapshot& snapshot);

  // --- Scratch (volume_scratch.cc)

  // The scratch file of `caller` of that name, or of that node; null if there is none.
  std::shared_ptr<ScratchFile> FindScratch(const Caller& caller, NodeId directory, std::string_view name);
  std::shared_ptr<ScratchFile> FindScratch(NodeId node);
  Node NodeOfScratch(ScratchFile& scratch);
  Result<Node> LookupScratch(const Caller& caller, NodeId directory, std::string_view name);
  // Whether `name` is a scratch name in `directory`; kReadOnly, kNotADirectory, kNameTooLong.
  Result<bool> TakesScratch(NodeId directory, std::string_view name);
  // A file for `directory` that has no name yet, and one that has.
  Result<std::shared_ptr<ScratchFile>> PrepareScratch(const Caller& caller, NodeId directory,
                                                      std::uint32_t permissions, bool is_directory);
  Result<std::shared_ptr<ScratchFile>> MakeScratch(const Caller& caller, NodeId directory,
                                                   std::string_view name, std::uint32_t permissions,
                                                   bool is_directory, bool replace = false);
  Result<HandleId> OpenScratch(const Caller& caller, const std::shared_ptr<ScratchFile>& scratch,
                               OpenMode mode);
  // Records that writing it was refused. Precondition: its mutex is not held.
  Error RefuseScratch(const Caller& caller, NodeId scratch, Error error);
  Result<void> WriteScratch(const Caller& caller, HandleId handle, std::uint64_t offset, BytesView bytes);
  Result<Node> SetScratchAttributes(const Caller& caller, ScratchFile& scratch, const AttributeChange& change,
                                    std::optional<std::uint64_t> size);
  Result<void> UnlinkScratch(const Caller& caller, NodeId directory, std::string_view name);
  // Each returns nothing if it is not about scratch.
  std::optional<Result<void>> RemoveScratchDirectory(const Caller& caller, NodeId parent,
                                                     std::string_view name);
  std::optional<Result<void>> RenameScratch(const Caller& caller, NodeId parent, std::string_view name,
                                            NodeId new_parent, std::string_view new_name, bool replace);
  // Makes a scratch copy of a live file, for whoever may read that.
  Result<Node> CopyToScratch(const Caller& caller, NodeId directory, Member member, std::string_view name,
                             bool replace);
  // Tells the kernel what `untold` says, while it holds `busy`, which it hears of last.
  void TellAround(NodeId busy, const std::vector<std::pair<NodeId, std::string_view>>& untold);
  // Makes a scratch file live as the file `name` of the entry directory `parent`; `moves` says that the name
  // by which it was asked for is to go. Returns what the name leads to.
  Result<Node> CommitScratch(const Caller& caller, ScratchFile& scratch, NodeId parent, std::string_view name,
                             bool replace, bool moves,
                             std::vector<std::pair<NodeId, std::string_view>>& untold);

  // --- ca/ (volume_authority.cc)

  Result<Node> LookupAuthority(const Caller& caller, NodeId parent, std::string_view name);
  Result<Node> AuthorityAttributes(NodeId node, HandleId handle);
  Result<void> ListAuthority(const Caller& caller, NodeId directory, std::uint64_t offset,
                             const OfferItem& offer);
  Result<std::shared_ptr<const Content>> OpenAuthority(const Caller& caller, NodeId node);
  // backup/ca.p12, where there is one.
  Result<std::optional<Node>> AuthorityBackup(TableSnapshot& snapshot);
  // Notes that a backup was read, once a handle has read all of it. `size` bytes were read at `offset`.
  void NoteRead(const Content& content, HandleId handle, std::uint64_t offset, std::uint64_t size);
  Result<void> UnlinkAuthority(const Caller& caller, NodeId parent, std::string_view name);
  Result<void> UnlinkProfile(const Caller& caller, NodeId parent, std::string_view name);
  Result<void> UnlinkIssued(const Caller& caller, std::string_view name);
  // Signs the CRL anew that somebody is about to read, if it is time.
  void RefreshDueLists();

  // --- ca/requests/ and ca/profiles/ (volume_drops.cc)

  // As TakesScratch, for these two.
  Result<bool> TakesDrop(NodeId directory, std::string_view name);
  // What a handle that writes the scratch file `file` is to remember; null where that is no matter.
  std::shared_ptr<DropWriter> BeginDrop(const Caller& caller, NodeId file);
  Result<void> WroteDrop(const Caller& caller, ScratchFile& file, DropWriter& writer, std::size_t start);
  Error RefuseDrop(const Caller& caller, ScratchFile& file, DropWriter& writer, std::string path,
                   Error error);
  Result<void> FlushDrop(const Caller& caller, HandleId handle, bool synced);
  void ReleaseDrop(ScratchFile& file, DropWriter& writer);
  std::string PathOfDrop(const ScratchFile& file);
  Result<void> TakeWritten(const Caller& caller, ScratchFile& file, DropWriter& writer);
  // Takes `file` as what `name` in `directory` says. Returns what for; nothing if it is to stay scratch.
  Result<std::optional<DropKind>> Take(const Caller& caller, ScratchFile& file, NodeId directory,
                                       std::string_view name);
  Result<IssueOrder> OrderOf(const Caller& caller, BytesView bytes, const DropName& drop);
  // Refuses a name in ca/issued/ that is another user's.
  Result<void> CheckPickup(const Caller& caller, const std::string& pickup);
  // What is set by a handle that writes such a file; nothing if this is none.
  std::optional<Result<Node>> SetDropAttributes(const Caller& caller, NodeId node, HandleId handle,
                                                const AttributeChange& change,
                                                std::optional<std::uint64_t> size);
  Result<void> TakeRequest(const Caller& caller, ScratchFile& file, const DropName& drop);
  Result<HandleId> OpenProfileToWrite(const Caller& caller, NodeId node, OpenMode mode);
  std::optional<Result<void>> RenameProfileAway(const Caller& caller, NodeId parent, std::string_view name,
                                                NodeId new_parent, std::string_view new_name);

  // --- ca/control (volume_control.cc)

  Result<HandleId> OpenControl();
  std::shared_ptr<ControlHandle> FindControl(HandleId handle);
  Result<void> Command(const Caller& caller, ControlHandle& control, BytesView command);
  // Runs a change of the authority, which may replace the files of `entries` and of its own in the trust
  // stores, as every other change of files is made: one at a time, what is replaced at hand, and told.
  Result<void> ChangeByAuthority(const Caller& caller, KernelHolds holds, const std::vector<Number>& entries,
                                 const std::function<Result<void>()>& change);
  void PinPairs(const Caller& caller, const std::vector<std::shared_ptr<const Content>>& kept);
  Result<void> TellChanged(const std::set<Number>& entries);

  Keystore& keystore_;
  std::unique_ptr<State> state_;
};

}  // namespace certfs
