#include "tools/package/placement.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "tools/package/extraction.h"
#include "tools/progress.h"
#include "tools/shown.h"
#include "tools/system.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamedMax = 20;  // In one message.
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// Every name of the package, that of directories which it only implies included, and whether it is a
// directory. What is in a directory comes behind it.
std::map<std::string, bool> NamesOf(const std::vector<Item>& items) {
  std::map<std::string, bool> names;
  for (const Item& item : items) {
    for (std::string above = ParentOf(item.name); !above.empty(); above = ParentOf(above)) {
      if (!names.emplace(above, true).second) break;
    }
    names[item.name] = item.directory;
  }
  return names;
}

// One rename: of a name that is free, or of a file over another.
struct Move {
  std::string name;
  bool replaces;
};

struct Plan {
  std::vector<Move> moves;
  std::set<std::string> fresh;         // Names that are not there yet, of which only the uppermost are moved.
  std::vector<std::string> conflicts;  // "name: why".
};

// What stands at a name beneath `top`, in the way of a file or a directory; a mode of 0 for nothing.
Result<mode_t> ModeAt(const Descriptor& top, const std::string& name) {
  const auto parent = OpenBeneath(top, ParentOf(name), false);
  if (!parent.has_value()) return parent.error();
  struct stat status {};
  if (fstatat(parent.value().number(), LastOf(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    return status.st_mode;
  if (errno != ENOENT) return SystemError(Shown(name), errno);
  return mode_t{0};
}

Result<Plan> MakePlan(const std::vector<Item>& items, const Descriptor& top, bool replace) {
  Plan plan;
  std::set<std::string> blocked;
  for (const auto& [name, directory] : NamesOf(items)) {
    const std::string above = ParentOf(name);
    if (blocked.contains(above)) {
      blocked.insert(name);
      continue;
    }
    if (plan.fresh.contains(above)) {
      plan.fresh.insert(name);
      continue;
    }
    const mode_t mode = TRY(ModeAt(top, name));
    if (mode == 0) {
      plan.fresh.insert(name);
      plan.moves.push_back({name, false});
    } else if (S_ISDIR(mode) && directory) {
      // What is in it is added to what is there.
    } else if (S_ISREG(mode) && !directory && replace) {
      plan.moves.push_back({name, true});
    } else {
      const char* const there = S_ISDIR(mode) ? "a directory" : S_ISREG(mode) ? "a file" : "no plain file";
      plan.conflicts.push_back(Shown(name) + ": " + there + " is there");
      blocked.insert(name);
    }
  }
  return plan;
}

Result<void> CheckConflicts(const Plan& plan, const Placement& placement) {
  const std::vector<std::string>& conflicts = plan.conflicts;
  if (conflicts.empty()) return {};
  std::string words = Shown(placement.directory.string()) + ": " + std::to_string(conflicts.size()) +
                      (conflicts.size() == 1 ? " thing is" : " things are") + " in the way";
  if (!placement.replace) words += "; --replace lets files take the place of files";
  for (std::size_t i = 0; i < std::min(conflicts.size(), kNamedMax); ++i) words += "\n  " + conflicts[i];
  if (conflicts.size() > kNamedMax)
    words += "\n  and " + std::to_string(conflicts.size() - kNamedMax) + " more";
  return Error(ErrorCode::kAlreadyExists, words);
}

// The new directory into which all is unpacked; gone with whatever is still in it.
class Staging {
 public:
  static Result<Staging> Make(const fs::path& parent) {
    std::string path = (parent / ".certfs-import.XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) return SystemError(parent, errno);
    Staging staging{fs::path(path)};
    staging.directory_ = Descriptor(open(path.c_str(), kDirectoryFlags | O_NOFOLLOW));
    if (!staging.directory_.open()) return SystemError(path, errno);
    return staging;
  }

  explicit Staging(fs::path path) : path_(std::move(path)) {}
  Staging(Staging&& other) noexcept
      : path_(std::exchange(other.path_, {})), directory_(std::move(other.directory_)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  Staging& operator=(Staging&&) = delete;
  ~Staging() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }
  const Descriptor& directory() const { return directory_; }
  // It has become something else.
  void Keep() { path_.clear(); }

 private:
  fs::path path_;
  Descriptor directory_;
};

// Renames one by one, and back again unless it is told that all is well.
class Moving {
 public:
  Moving(const Descriptor& from, const Descriptor& to) : from_(from), to_(to) {}
  Moving(const Moving&) = delete;
  Moving& operator=(const Moving&) = delete;
  ~Moving() {
    for (auto move = done_.rbegin(); move != done_.rend(); ++move)
      static_cast<void>(move->replaces ? Rename(from_, to_, *move) : Rename(to_, from_, *move));
  }

  Result<void> Do(const Move& move) {
    TRY(Rename(from_, to_, move));
    done_.push_back(move);
    return {};
  }
  void Keep() { done_.clear(); }

 private:
  static Result<void> Rename(const Descriptor& from, const Descriptor& to, const Move& move) {
    const Descriptor source = TRY(OpenBeneath(from, ParentOf(move.name), false));
    const Descriptor target = TRY(OpenBeneath(to, ParentOf(move.name), false));
    const std::string last = LastOf(move.name);
    // What is replaced changes places with its successor, so that it can come back.
    const unsigned flags = move.replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (renameat2(source.number(), last.c_str(), target.number(), last.c_str(), flags) != 0)
      return SystemError(Shown(move.name), errno);
    return {};
  }

  const Descriptor& from_;
  const Descriptor& to_;
  std::vector<Move> done_;
};

std::uint64_t BytesOf(const std::vector<Item>& items) {
  std::uint64_t bytes = 0;
  for (const Item& item : items) bytes += item.size;
  return bytes;
}

Result<void> CheckInterrupted(const Placement& placement) {
  if (!placement.interrupted()) return {};
  return Error(ErrorCode::kCancelled,
               Shown(placement.directory.string()) + ": interrupted; nothing was imported");
}

Result<void> Unpack(const Placement& placement, const Staging& staging) {
  Progress progress("unpacking", BytesOf(placement.items));
  TRY(Extract(placement.spool, placement.items, staging.directory(), [&](std::uint64_t bytes) {
    progress.Advance(bytes);
    return CheckInterrupted(placement);
  }));
  // On the disk before anything of it gets its name.
  if (syncfs(staging.directory().number()) != 0) return SystemError(staging.path(), errno);
  return {};
}

Result<void> Sync(const fs::path& directory) {
  const Descriptor opened(open(directory.c_str(), kDirectoryFlags));
  if (!opened.open() || fsync(opened.number()) != 0) return SystemError(directory, errno);
  return {};
}

fs::path ParentDirectory(const fs::path& directory) { return TidyPath(directory).parent_path(); }

bool IsThere(const fs::path& directory) {
  struct stat status {};
  return lstat(directory.c_str(), &status) == 0;
}

// Makes `directory` of all that is in the package.
Result<void> PlaceAsNew(const Placement& placement) {
  const fs::path parent = ParentDirectory(placement.directory);
  Staging staging = TRY(Staging::Make(parent));
  TRY(Unpack(placement, staging));
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(staging.directory().number(), 0777 & ~mask) != 0) return SystemError(staging.path(), errno);
  TRY(CheckInterrupted(placement));
  const fs::path target = TidyPath(placement.directory);
  if (renameat2(AT_FDCWD, staging.path().c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
    return SystemError(target, errno);
  staging.Keep();
  // Not before: what its owner may not write to could not be removed again.
  TRY(CloseDirectories(placement.items, staging.directory(), [](const std::string&) { return true; }));
  return Sync(parent);
}

Result<std::size_t> PlaceInto(const Placement& placement) {
  const Descriptor top(open(placement.directory.c_str(), kDirectoryFlags));
  if (!top.open()) return SystemError(placement.directory, errno);
  const Plan plan = TRY(MakePlan(placement.items, top, placement.replace));
  TRY(CheckConflicts(plan, placement));
  const Staging staging = TRY(Staging::Make(placement.directory));
  TRY(Unpack(placement, staging));
  Moving moving(staging.directory(), top);
  for (const Move& move : plan.moves) {
    TRY(CheckInterrupted(placement));
    TRY(moving.Do(move));
  }
  TRY(CloseDirectories(placement.items, top,
                       [&](const std::string& name) { return plan.fresh.contains(name); }));
  moving.Keep();
  TRY(Sync(placement.directory));
  return static_cast<std::size_t>(std::ranges::count_if(plan.moves, &Move::replaces));
}

}  // namespace

Result<void> CheckPlacement(const Placement& placement) {
  if (!IsThere(placement.directory)) {
    const fs::path parent = ParentDirectory(placement.directory);
    if (!IsThere(parent)) return SystemError(parent, ENOENT);
    return {};
  }
  const Descriptor top(open(placement.directory.c_str(), kDirectoryFlags));
  if (!top.open()) return SystemError(placement.directory, errno);
  return CheckConflicts(TRY(MakePlan(placement.items, top, placement.replace)), placement);
}

Result<std::size_t> Place(const Placement& placement) {
  if (IsThere(placement.directory)) return PlaceInto(placement);
  TRY(PlaceAsNew(placement));
  return std::size_t{0};
}

fs::path NearestDirectory(const fs::path& directory) {
  return IsThere(directory) ? directory : ParentDirectory(directory);
}

}  // namespace certfs::package
