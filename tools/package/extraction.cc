#include "tools/package/extraction.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "tools/shown.h"

namespace certfs::package {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr mode_t kForOwner = 0700;

Error Failed(const std::string& name, int error) { return SystemError(Shown(name), error); }

mode_t Umask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

Result<void> SetTime(const Descriptor& file, const Item& item) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(item.mtime);
  const timespec when{static_cast<time_t>(seconds.time_since_epoch().count()),
                      static_cast<long>((item.mtime - seconds).count())};
  const std::array<timespec, 2> times{timespec{0, UTIME_NOW}, when};
  if (futimens(file.number(), times.data()) != 0) return Failed(item.name, errno);
  return {};
}

// The directory of the file before is most often that of the next.
class Parents {
 public:
  explicit Parents(const Descriptor& top) : top_(top) {}

  Result<int> Of(const std::string& name) {
    std::string parent = ParentOf(name);
    if (!open_.open() || parent != parent_) {
      open_ = TRY(OpenBeneath(top_, parent, true));
      parent_ = std::move(parent);
    }
    return open_.number();
  }

 private:
  const Descriptor& top_;
  std::string parent_;
  Descriptor open_;
};

Result<void> WriteFile(ItemReader& reader, const Item& item, int parent, mode_t mask,
                       const ExtractionProgress& progress) {
  const Descriptor file(
      openat(parent, LastOf(item.name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.open()) return Failed(item.name, errno);
  Bytes piece(kPieceBytes);
  for (;;) {
    const std::size_t got = TRY(reader.Read(piece));
    if (got == 0) break;
    TRY(WriteAll(file.number(), BytesView(piece).first(got), Shown(item.name)));
    TRY(progress(got));
  }
  if (fchmod(file.number(), item.mode & ~mask) != 0) return Failed(item.name, errno);
  return SetTime(file, item);
}

}  // namespace

std::string ParentOf(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(0, slash);
}

std::string LastOf(const std::string& name) { return name.substr(name.rfind('/') + 1); }

Result<Descriptor> OpenBeneath(const Descriptor& top, const std::string& name, bool make) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Descriptor at(openat(top.number(), ".", kFlags));
  if (!at.open()) return Failed(".", errno);
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    if (make && mkdirat(at.number(), part.c_str(), kForOwner) != 0 && errno != EEXIST)
      return Failed(name, errno);
    at = Descriptor(openat(at.number(), part.c_str(), kFlags));
    if (!at.open()) return Failed(name, errno);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return at;
}

Result<void> Extract(const Spool& spool, const std::vector<Item>& items, const Descriptor& top,
                     const ExtractionProgress& progress) {
  const mode_t mask = Umask();
  ItemReader reader(spool);
  Parents parents(top);
  for (const Item& wanted : items) {
    TRY(progress(0));
    const auto item = TRY(reader.Next());
    if (!item || *item != wanted)
      return Error(ErrorCode::kInternal, "the second reading differs from the first");
    if (item->directory) {
      TRY(OpenBeneath(top, item->name, true));
    } else {
      TRY(WriteFile(reader, *item, TRY(parents.Of(item->name)), mask, progress));
    }
  }
  // Last, because what is made in a directory moves its time; the deepest first.
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    if (!item->directory) continue;
    const Descriptor directory = TRY(OpenBeneath(top, item->name, false));
    if (fchmod(directory.number(), (item->mode & ~mask) | kForOwner) != 0) return Failed(item->name, errno);
    TRY(SetTime(directory, *item));
  }
  return {};
}

Result<void> CloseDirectories(const std::vector<Item>& items, const Descriptor& top,
                              const std::function<bool(const std::string&)>& mine) {
  const mode_t mask = Umask();
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    if (!item->directory || (item->mode & kForOwner) == kForOwner || !mine(item->name)) continue;
    const Descriptor parent = TRY(OpenBeneath(top, ParentOf(item->name), false));
    const Descriptor directory(
        openat(parent.number(), LastOf(item->name).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.open() || fchmod(directory.number(), item->mode & ~mask) != 0)
      return Failed(item->name, errno);
  }
  return {};
}

}  // namespace certfs::package
