// What a Volume remembers between operations: open files, staging inodes, caches. Private to fs/.

#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/refusals.h"
#include "fs/volume.h"
#include "fs/volume/audit.h"
#include "fs/volume/authority_files.h"
#include "fs/volume/backup_files.h"
#include "fs/volume/content.h"
#include "fs/volume/control_handle.h"
#include "fs/volume/drop.h"
#include "fs/volume/first_halves.h"
#include "fs/volume/pins.h"
#include "fs/volume/scratch.h"
#include "fs/volume/seen_entries.h"
#include "fs/volume/staging.h"
#include "fs/volume/status_files.h"
#include "fs/volume/superseded.h"
#include "fs/volume/went_live.h"
#include "store/certificate_authority.h"
#include "store/key_release.h"
#include "store/name.h"
#include "store/view.h"

namespace certfs {

// The paths of nodes, from the root of the tree, for refusals and the audit log: of what is in `parent`, and
// of `node` itself. With a "?" for what cannot be told.
std::string ChildPath(Keystore& keystore, NodeId parent, std::string_view name);
std::string NodePath(Keystore& keystore, NodeId node);

// Whether what is done through a handle changes the tree, or scratch. The number of a handle says it, also to
// a successor that knows nothing else of it.
enum class HandleUse : HandleId { kReads = 0, kWrites = 1 };

// What the lists of stores and of entries show of a store.
struct ListedStore {
  std::string name;
  Digest entries{};
};

struct Volume::State {
  State(Keystore& keystore, const ProcessTable& processes_in, VolumeObserver& observer_in,
        VolumeOptions options_in)
      : processes(processes_in),
        observer(observer_in),
        options(std::move(options_in)),
        began(keystore.Now()),
        audit(keystore.audit()),
        authority(keystore),
        authority_files(keystore, authority, {options.uid, options.gid, began}),
        backup_note(options.note_directory),
        reports(keystore, authority, backup_note, options.version),
        key_release(keystore),
        views(keystore, {options.uid, options.gid}),
        backups(keystore, options.spool_directory),
        pins(processes_in, options.pairs),
        first_halves(processes_in),
        stores_changed(began) {}

  const ProcessTable& processes;
  VolumeObserver& observer;
  const VolumeOptions options;
  const Time began;
  AuditLog* const audit;  // Of the keystore; null where that has none.
  CertificateAuthority authority;
  AuthorityFiles authority_files;
  BackupNote backup_note;
  StatusReports reports;
  KeyRelease key_release;
  Views views;
  BackupFiles backups;
  RefusalLog refusals;
  OperationCounts counts;
  SupersededContents superseded;
  StaleAnswers stale_answers;
  Pins pins;
  WentLive went_live;
  SeenEntries seen_entries;
  // CatchUp's alone: up to which commit of others the kernel was told, and what the stores held then.
  std::uint64_t foreign_commits = 0;
  std::map<Number, ListedStore> listed;

  FirstHalves first_halves;

  WriterShares shares{options.uid};
  ScratchTable scratch{shares};
  TakenRequests taken;
  // Who asks for something by a name of ca/issued/ is alone with it, and with some others, until he has it.
  static constexpr std::size_t kPickupMutexes = 64;
  std::array<std::mutex, kPickupMutexes> pickups;
  std::mutex& PickupMutex(std::string_view name) {
    return pickups[std::hash<std::string>{}(FoldName(name)) % kPickupMutexes];
  }
  // When a store last came, went or was renamed through this volume. Nothing of it is kept: it begins anew.
  std::atomic<Time> stores_changed;

  // One commit at a time, so that what it replaces is what was live before it. Held across the keystore's
  // change, hence also while the key of a request is made: an RSA key keeps other commits waiting for its
  // seconds.
  std::mutex commits;

  // Lock order: a ScratchFile's mutex, a Staging's, then `commits`, then `mutex`. `mutex` is never held
  // across a call of the keystore or the observer.
  std::mutex mutex;
  std::uint64_t last_handle = 0;  // Guarded by mutex, as all below.
  std::uint64_t next_staging = 1;
  HandleId NewHandle(HandleUse use) { return (last_handle += 2) | static_cast<HandleId>(use); }
  // Whether an earlier daemon gave out `handle` to somebody who writes: what he wrote is lost. Takes the
  // mutex.
  bool IsLostWriter(HandleId handle);
  std::unordered_map<HandleId, ContentPointer> readers;
  // What is open for reading, by node: fstat(2) asks for a node without saying through which handle.
  struct OpenContent {
    ContentPointer content;
    std::size_t handles = 0;
  };
  std::map<NodeId, OpenContent> open_contents;
  // The handles on files of status/, by thread and node. Each shows what was true when it was opened: to the
  // thread that opened it fstat(2) says that one's size.
  std::set<std::tuple<std::int32_t, NodeId, HandleId>> status_handles;
  struct StatusOpener {
    std::int32_t thread = 0;
    std::uint32_t uid = 0;
    std::size_t bytes = 0;
  };
  std::unordered_map<HandleId, StatusOpener> status_openers;
  // What the handles of each user hold of such files that nobody else holds.
  std::map<std::uint32_t, std::size_t> status_bytes;
  static constexpr std::size_t kStatusBytesOfUserMax = std::size_t{32} << 20;
  // Notes that `opener` has `handle` on `node`; false, and nothing is noted, where he has too much already.
  bool AddStatusHandle(const StatusOpener& opener, NodeId node, HandleId handle);
  void RemoveStatusHandle(NodeId node, HandleId handle);
  ContentPointer FindOpenStatus(std::int32_t thread, NodeId node, HandleId handle) const {
    const auto shown = readers.find(handle);
    if (shown != readers.end()) return shown->second;
    const auto behind = status_handles.upper_bound({thread, node, ~HandleId{0}});
    if (thread == 0 || behind == status_handles.begin()) return nullptr;
    const auto& [by, of, newest] = *std::prev(behind);
    return by == thread && of == node ? readers.at(newest) : nullptr;
  }
  std::unordered_map<HandleId, StagingPointer> writers;
  std::map<NodeId, StagingPointer> stagings;
  struct ScratchHandle {
    ScratchPointer file;
    bool append = false;
    std::shared_ptr<DropWriter> drop;  // Null where what is written is not taken at close.
  };
  std::unordered_map<HandleId, ScratchHandle> scratch_handles;
  std::unordered_map<HandleId, std::shared_ptr<ControlHandle>> controls;
  // How far each handle on a backup has read it from its start on.
  std::unordered_map<HandleId, std::uint64_t> backups_read;
  // `size` bytes at `offset` were read of `whole`: says whether the handle has read all of it now; once.
  bool HasReadAll(HandleId handle, std::uint64_t offset, std::uint64_t size, std::uint64_t whole);
  // Why the CRL could not be signed when it was time, and when to try again for a reader.
  std::optional<Error> list_failure;
  Instant lists_again{};
  ContentCache cache;
  // What lifetimes are measured by.
  Instant Now() const { return options.instants(); }

  // Records why `path` was refused to `caller`, and tells the observer. Returns `error`, for the answer.
  Error Refuse(const Caller& caller, Time now, std::string path, Error error);

  // Has it noted that something was refused: what the request of this thread is, or a write.
  void NoteRefusal(const Caller& caller, const std::string& path, const Error& error);
  void NoteRefusal(AuditEvent event, const Error& error);

  // What a file of status/ shows to `caller`, and since when.
  Result<StatusText> Show(Keystore& keystore, const StatusFile& file, const Caller& caller, Wanted wanted);

  // Returns the entry whose `member` a name of the staged entry `next` still leads to, though it went live.
  Result<std::optional<Entry>> FindWentLive(TableSnapshot& snapshot, const Entry& next, Member member,
                                            Instant now);

  // Returns a revision that is live no more as those see it who hold it open or came to it in time.
  std::optional<Node> FindSuperseded(NodeId node, Instant now);
};

// One change of files at a time. What it may replace is at hand from before the change shows, because an open
// may come between the two; it is dropped again unless Done() says that it was replaced.
class Volume::Replacement {
 public:
  explicit Replacement(State& state) : state_(state), alone_(state.commits) {}
  Replacement(Replacement&&) = default;
  Replacement& operator=(Replacement&&) = delete;
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement() {
    for (const ContentPointer& content : kept_) state_.superseded.Remove(content->node);
  }

  void Keep(ContentPointer content, Instant now) {
    kept_.push_back(content);
    state_.superseded.Add(now, std::move(content));
  }
  const std::vector<ContentPointer>& kept() const { return kept_; }
  // The nodes of what may be replaced, also where the bytes could not be kept.
  void Touches(NodeId node) { nodes_.push_back(node); }
  NodeId NodeBefore(Number entry, Member member) const {
    for (const NodeId node : nodes_) {
      if (node.number() == entry && node.member() == member) return node;
    }
    return NodeId();
  }
  void Done() { kept_.clear(); }

 private:
  State& state_;
  std::unique_lock<std::mutex> alone_;
  std::vector<ContentPointer> kept_;
  std::vector<NodeId> nodes_;
};

template <typename Change>
auto Volume::Recorded(const Caller& caller, const char* operation, NodeId parent, std::string_view name,
                      Change&& change) -> decltype(change()) {
  const CallerRequest request(caller, state_->processes, operation, ChildPath(keystore_, parent, name));
  auto outcome = change();
  if (!outcome.has_value()) Record(caller, parent, name, outcome.error());
  return outcome;
}

// A generated file as one caller sees it, who may be pinned to the certificate that it showed before.
struct Volume::SeenView {
  ShownView shown;
  ContentPointer pinned;
};

// An entry of which the kernel is to hear.
struct Volume::ForeignChange {
  SeenEntry known;
  std::uint64_t mark = 0;    // As it is now; that of none where it is gone.
  std::optional<Entry> now;  // Nothing if it is gone.
};

// What a node stands for in one snapshot; empty when it is not there (any more).
struct Place {
  std::optional<Store> store;  // Set for a store's directory.
  std::optional<Entry> entry;  // Set for an entry's directory, and for the files in it.
};
Result<Place> Resolve(TableSnapshot& snapshot, NodeId node);
// The same in the newest state. For whoever changes the keystore next: the map grows only while nobody reads.
Result<Place> Resolve(Keystore& keystore, NodeId node);

// All stores.
Result<std::map<Number, ListedStore>> StoresOf(Keystore& keystore);
Result<std::map<Number, ListedStore>> StoresOf(TableSnapshot& snapshot);

// Nodes as stat shows them.
Node FixedNode(Fixed fixed, const VolumeOptions& options);  // Without times, and the sizes of status/.
Node NodeOf(const Store& store);
Node NodeOf(const Entry& entry);
Node NodeOf(const EntryHead& head);
Node NodeOf(const Entry& entry, Member member);  // Precondition: the entry has that file.
// A name of `next` that still leads to the file of `live`, as a node of its own: what is set on it is not set
// on the live file.
Node NodeOf(const Entry& next, const Entry& live, Member member);
Node NodeOf(const Content& superseded);
Node NodeOf(const Staging& staging);  // Precondition, of both: its mutex is held.
Node NodeOf(const ScratchFile& scratch, std::uint32_t links);

// The paths that refusals name, from the root of the tree.
std::string PathOf(const Store& store);
std::string PathOf(TableSnapshot& snapshot, const Entry& entry);

// Whose the live file must be still, for a `change` that the kernel permitted by an inode that may show an
// owner of the past; empty where that does not matter.
std::optional<std::uint32_t> OwnerToBe(const Caller& caller, const AttributeChange& change);

inline constexpr unsigned kRenameNoReplace = 1;  // RENAME_NOREPLACE of renameat2(2).

inline Error NoMemory() {
  return {ErrorCode::kNoMemory, "too-much-unfinished",
          "no locked memory is left for what is being written: a user may have 4 MiB of it, all together 16"};
}
inline Error LostWithItsDaemon() {
  return {ErrorCode::kIo, "what was written is lost: the daemon that had it ended before it was committed"};
}
inline Error TooLarge() { return {ErrorCode::kTooLarge, "too-large", "a file is at most 1 MiB"}; }
// The group of what `caller` makes in `directory`: that of the directory, if it has the set-group-id bit. No
// kernel does this for us.
inline constexpr std::uint32_t kSetGroupId = 02000;
inline std::uint32_t GroupToBe(const Caller& caller, const Attributes& directory) {
  return (directory.mode & kSetGroupId) != 0 ? directory.gid : caller.gid;
}

// How soon after a failure a reader has a CRL signed again.
inline constexpr auto kListsAgain = std::chrono::minutes(1);

// ca/ and the directories in it, and what stands there by a fixed name.
bool IsAuthorityDirectory(NodeId node);
std::optional<Fixed> FixedChildOfAuthority(std::string_view name);
// Offsets of scratch in a listing begin behind those of what is fixed.
inline constexpr std::uint64_t kFixedChildrenMax = std::uint64_t{1} << 20;

// The inode number that stat shows of a generated file is that of the file, whatever state it is in: cp gives
// up on a file that has another one when it is opened than it had before.
inline NodeId ShownAs(NodeId node) { return NodeId::OfView(*node.view_kind(), node.number(), Digest{}); }

// Whether a node is keystore.cms or manifest.json in backup/.
bool IsBackup(NodeId node);

// What export/, backup/ and ca/ show, and the refusal of every change there.
bool IsGenerated(NodeId node);
Error Generated();

inline Error NameTaken() { return {ErrorCode::kAlreadyExists, "there is such a name"}; }
inline Error NoSuchName() { return {ErrorCode::kNotFound, "there is no such name"}; }
inline Error WrittenByCertfs(const Store& store) {
  return {ErrorCode::kReadOnly, store.name.text() + " is written by certfs alone"};
}
inline Error KeyForOthers() {
  return {ErrorCode::kNotPermitted, "key-for-others", "key material never has permission bits for others"};
}
inline Error NotPermitted(std::string reason) { return {ErrorCode::kNotPermitted, std::move(reason)}; }

}  // namespace certfs
