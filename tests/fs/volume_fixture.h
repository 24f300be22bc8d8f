// A volume over a keystore in memory, with processes that a test invents and a clock that it moves.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fs/volume.h"
#include "tests/fs/callers.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs::test {

// Threads are what a test says they are; a thread that it never mentioned is a process of its own.
class InventedProcesses final : public ProcessTable {
 public:
  std::int32_t ProcessOf(std::int32_t thread) const override {
    const auto found = process_of.find(thread);
    return found == process_of.end() ? thread : found->second;
  }
  Result<bool> IsDyingOfSignal(std::int32_t thread) const override {
    if (unknown) return Error(ErrorCode::kNoMemory, "nobody can tell");
    return dying.contains(thread);
  }
  std::string ProgramOf(std::int32_t) const override { return "test"; }
  std::optional<std::string> ExecutableOf(std::int32_t) const override { return "/usr/bin/test"; }

  std::map<std::int32_t, std::int32_t> process_of;
  std::set<std::int32_t> dying;
  bool unknown = false;  // Whether anybody is dying cannot be found out.
};

// Remembers what the kernel would have been told.
class Listener final : public VolumeObserver {
 public:
  void NameChanged(NodeId directory, std::string_view name) override {
    changed.emplace_back(directory, name);
  }
  void AttributesChanged(NodeId node) override { attributes_changed.push_back(node); }
  void Replaced(NodeId directory, std::string_view name, NodeId node) override {
    replaced.push_back({directory, std::string(name), node});
  }
  void ListingChanged(NodeId directory) override { listings.push_back(directory); }
  void DropPages(NodeId node) override { dropped.push_back(node); }
  void Settle(KernelHolds) override { ++settled; }
  void Refused(const std::string& line) override { refusals.push_back(line); }

  std::vector<std::pair<NodeId, std::string>> changed;
  std::vector<NodeId> attributes_changed;
  std::vector<NodeId> listings;
  std::vector<NodeId> dropped;
  struct Replacement {
    NodeId directory;
    std::string name;
    NodeId node;
    friend bool operator==(const Replacement&, const Replacement&) = default;
  };
  std::vector<Replacement> replaced;
  std::vector<std::string> refusals;
  int settled = 0;
};

// The code with which `result` failed; nothing when it did not.
template <typename T>
std::optional<ErrorCode> Failure(const Result<T>& result) {
  if (result.has_value()) return std::nullopt;
  return result.error().code();
}

inline constexpr OpenMode kRead{true, false, false, false};
inline constexpr OpenMode kReplace{false, true, false, true};
inline constexpr OpenMode kEdit{true, true, false, false};

class Tree {
 public:
  Tree() : keystore(Must(Keystore::InMemory({0, 0}, [this] { return now; }))) {}
  // Over what `make` opens.
  explicit Tree(const std::function<std::unique_ptr<Keystore>(Keystore::Clock)>& make)
      : keystore(make([this] { return now; })) {}

  // The node at `path` ("stores/machine/web"), or the failure of its lookup.
  Result<Node> Find(const Caller& caller, std::string_view path) {
    Node node = TRY(volume.GetAttributes(caller, NodeId::Of(Fixed::kRoot), 0));
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      node = TRY(volume.Lookup(caller, node.id, path.substr(0, slash)));
      path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return node;
  }
  Node At(std::string_view path) { return Must(Find(kRoot, path)); }

  // Opens `path` for writing as the kernel does: led to a staging inode where it exists, made where it does
  // not.
  struct Writer {
    NodeId node;
    HandleId handle;
  };
  Result<Writer> OpenToWrite(const Caller& caller, const std::string& path, OpenMode mode) {
    const auto live = Find(caller, path);
    // A placeholder is opened itself.
    if (live.has_value() && live.value().id.is_staging())
      return Writer{live.value().id, TRY(volume.Open(caller, live.value().id, mode))};
    if (live.has_value()) {
      const Node staging = TRY(volume.Stage(caller, live.value().id));
      return Writer{staging.id, TRY(volume.Open(caller, staging.id, mode))};
    }
    const std::size_t slash = path.rfind('/');
    const Node parent = TRY(Find(caller, std::string_view(path).substr(0, slash)));
    const auto created = TRY(volume.Create(caller, parent.id, path.substr(slash + 1), mode));
    return Writer{created.node.id, created.handle};
  }

  // What cp does, in one write: the failure is that of the call that failed.
  Result<void> Put(const Caller& caller, const std::string& path, BytesView bytes) {
    const Writer writer = TRY(OpenToWrite(caller, path, kReplace));
    auto outcome = volume.Write(caller, writer.handle, 0, bytes);
    auto closed = volume.Flush(caller, writer.handle);
    volume.Release(writer.node, writer.handle);
    if (!outcome.has_value()) return outcome;
    return closed;
  }

  Result<std::string> ReadNode(const Caller& caller, NodeId node) {
    const HandleId handle = TRY(volume.Open(caller, node, kRead));
    auto bytes = volume.Read(node, handle, 0, std::size_t{2} << 20);
    volume.Release(node, handle);
    if (!bytes.has_value()) return std::move(bytes).error();
    return std::string(AsText(bytes.value().Reveal()));
  }
  Result<std::string> Get(const Caller& caller, std::string_view path) {
    return ReadNode(caller, TRY(Find(caller, path)).id);
  }

  // The names in a directory, without the dots.
  std::vector<std::string> Names(std::string_view path) {
    std::vector<std::string> names;
    Must(volume.List(kRoot, At(path).id, 0, [&](const DirectoryItem& item) {
      if (item.name != "." && item.name != "..") names.emplace_back(item.name);
      return true;
    }));
    return names;
  }

  Node MakeDirectory(std::string_view parent, std::string_view name) {
    return Must(volume.MakeDirectory(kRoot, At(parent).id, name, 0755));
  }

  // The clock of lifetimes goes with the wall clock, save where somebody sets that.
  Instant instant() const { return Instant(now.time_since_epoch() - set_by); }
  void SetWallClock(Time::duration forward) {
    now += forward;
    set_by += forward;
  }

  Time now = kVectorTime;
  Time::duration set_by{};  // How far the wall clock was set forward.
  InventedProcesses processes;
  Listener listener;
  std::unique_ptr<Keystore> keystore;
  Volume volume{
      *keystore, processes, listener, {0, 0, "certfs test\n", std::filesystem::temp_directory_path(), [this] {
                                         return instant();
                                       }}};
};

inline std::string TextOf(const std::string& vector) { return std::string(AsText(Vector(vector))); }

}  // namespace certfs::test
