// What a Volume remembers between operations: open files, staging inodes, caches. Private to fs/.

#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/refusals.h"
#include "fs/volume.h"
#include "fs/volume/content.h"
#include "fs/volume/pins.h"
#include "fs/volume/superseded.h"

namespace certfs {

// One staging inode and the one handle that writes to it.
struct Staging {
  // What all writers together may have staged. The locked memory is also the readers', who must not starve
  // because somebody opens many files and finishes none.
  static constexpr std::size_t kBytesOfAllMax = std::size_t{16} << 20;

  explicit Staging(std::atomic<std::size_t>& bytes_of_all_in) : bytes_of_all(bytes_of_all_in) {}
  ~Staging() { Reserve(0); }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Makes the buffer `size` bytes long; returns false, and changes nothing, if there is no memory for it.
  bool Resize(std::size_t size);
  // Drops what was written.
  void Discard();

  std::mutex mutex;  // Guards everything below that is not constant.

  NodeId node;                           // Constant.
  Number entry = 0;                      // Constant.
  Member member = Member::kCertificate;  // Constant.
  std::string path;                      // Constant; for refusals.
  bool created = false;                  // Constant: there was no live file to replace.

  bool opened = false;
  Caller opener;
  std::int32_t opener_process = 0;
  bool append = false;

  Attributes attributes;        // What stat shows.
  std::uint64_t live_size = 0;  // What stat shows until it is opened.
  AttributeChange wanted;       // What was set by handle and goes live with the next commit.

  SecretBytes buffer;
  bool dirty = false;               // Written since it was opened, committed or emptied.
  std::optional<Error> refused;     // Set: nothing goes until it is truncated to 0 or closed.
  std::int32_t writer_thread = 0;   // Who wrote last, and
  std::int32_t writer_process = 0;  // the process of that thread.

  // The process of `thread`. Asking costs a file of /proc, and most writers are one thread.
  std::int32_t ProcessOf(std::int32_t thread, const ProcessTable& processes) const {
    if (opener_process != 0 && thread == opener.thread) return opener_process;
    if (writer_process != 0 && thread == writer_thread) return writer_process;
    return processes.ProcessOf(thread);
  }

 private:
  // Takes this writer's share of kBytesOfAllMax, or gives it back; returns whether there was enough.
  bool Reserve(std::size_t bytes);

  std::atomic<std::size_t>& bytes_of_all;
  std::size_t reserved = 0;
};
using StagingPointer = std::shared_ptr<Staging>;

struct Volume::State {
  State(const ProcessTable& processes_in, VolumeObserver& observer_in, VolumeOptions options_in)
      : processes(processes_in), observer(observer_in), options(std::move(options_in)), pins(processes_in) {}

  const ProcessTable& processes;
  VolumeObserver& observer;
  const VolumeOptions options;
  RefusalLog refusals;
  SupersededContents superseded;
  StaleAnswers stale_answers;
  Pins pins;

  std::atomic<std::size_t> staged_bytes = 0;  // Of all writers.

  // One commit at a time, so that what it replaces is what was live before it.
  std::mutex commits;

  // Lock order: a Staging's mutex, then `commits`, then this one. Never held across a call of the keystore or
  // the observer.
  std::mutex mutex;
  std::uint64_t next_handle = 1;  // Guarded by mutex, as all below.
  std::uint64_t next_staging = 1;
  std::unordered_map<HandleId, ContentPointer> readers;
  // What is open for reading, by node: fstat(2) asks for a node without saying through which handle.
  struct OpenContent {
    ContentPointer content;
    std::size_t handles = 0;
  };
  std::map<NodeId, OpenContent> open_contents;
  std::unordered_map<HandleId, StagingPointer> writers;
  std::map<NodeId, StagingPointer> stagings;
  ContentCache cache;
  // Records why `path` was refused to `caller`, and tells the observer. Returns `error`, for the answer.
  Error Refuse(const Caller& caller, Time now, std::string path, Error error);

  // Returns a revision that is live no more as those see it who hold it open or came to it in time.
  std::optional<Node> FindSuperseded(NodeId node, Time now);
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

  void Keep(ContentPointer content, Time now) {
    kept_.push_back(content);
    state_.superseded.Add(now, std::move(content));
  }
  const std::vector<ContentPointer>& kept() const { return kept_; }
  void Done() { kept_.clear(); }

 private:
  State& state_;
  std::unique_lock<std::mutex> alone_;
  std::vector<ContentPointer> kept_;
};

template <typename Change>
auto Volume::Recorded(const Caller& caller, NodeId parent, std::string_view name, Change&& change)
    -> decltype(change()) {
  auto outcome = change();
  if (!outcome.has_value()) Record(caller, parent, name, outcome.error());
  return outcome;
}

// What a node stands for in one snapshot; empty when it is not there (any more).
struct Place {
  std::optional<Store> store;  // Set for a store's directory.
  std::optional<Entry> entry;  // Set for an entry's directory, and for the files in it.
};
Result<Place> Resolve(TableSnapshot& snapshot, NodeId node);
// The same in the newest state. For whoever changes the keystore next: the map grows only while nobody reads.
Result<Place> Resolve(Keystore& keystore, NodeId node);

// Nodes as stat shows them.
Node NodeOf(const Store& store);
Node NodeOf(const Entry& entry);
Node NodeOf(const Entry& entry, Member member);  // Precondition: the entry has that file.
Node NodeOf(const Content& superseded);
Node NodeOf(const Staging& staging);  // Precondition: its mutex is held.

// The paths that refusals name, from the root of the tree.
std::string PathOf(const Store& store);
std::string PathOf(TableSnapshot& snapshot, const Entry& entry);

// Whose the live file must be still, for a `change` that the kernel permitted by an inode that may show an
// owner of the past; empty where that does not matter.
std::optional<std::uint32_t> OwnerToBe(const Caller& caller, const AttributeChange& change);

inline Error NoSuchName() { return {ErrorCode::kNotFound, "there is no such name"}; }
inline Error NotPermitted(std::string reason) { return {ErrorCode::kNotPermitted, std::move(reason)}; }

}  // namespace certfs
