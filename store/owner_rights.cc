#include "store/owner_rights.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "store/files.h"

namespace certfs {

namespace {

// setfsuid(2) says only who it was before; asked for nobody that there is it changes nothing.
uid_t UserNow() noexcept { return static_cast<uid_t>(setfsuid(static_cast<uid_t>(-1))); }

}  // namespace

Result<std::unique_ptr<OwnerRights>> OwnerRights::Take(const std::filesystem::path& directory) {
  std::unique_ptr<OwnerRights> rights(new OwnerRights(directory));
  if (geteuid() != 0) return rights;
  Descriptor opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!opened.open() || fstat(opened.number(), &status) != 0)
    return SystemFailure("open " + directory.string(), errno);
  if (status.st_uid == 0) return rights;
  rights->Become(status.st_uid, status.st_gid);
  if (!rights->taken_) return rights;
  const std::filesystem::path reached = "/proc/self/fd/" + std::to_string(opened.number());
  // Without /proc there is the way that everybody goes.
  if (stat(reached.c_str(), &status) == 0) rights->directory_ = reached;
  rights->opened_ = std::move(opened);
  return rights;
}

OwnerRights::~OwnerRights() {
  if (taken_) GiveBack();
}

// The user of the thread's file accesses alone: other threads, and signals, know nothing of it. With it go
// the capabilities that are about files. The C library's setgroups(2) would be that of all threads.
void OwnerRights::Become(uid_t user, gid_t group) {
  groups_before_.resize(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
  const int count = getgroups(static_cast<int>(groups_before_.size()), groups_before_.data());
  groups_before_.resize(static_cast<std::size_t>(std::max(count, 0)));
  left_groups_ = count >= 0 && syscall(SYS_setgroups, 0, nullptr) == 0;
  group_before_ = static_cast<gid_t>(setfsgid(group));
  user_before_ = static_cast<uid_t>(setfsuid(user));
  taken_ = UserNow() == user;
  if (!taken_) GiveBack();
}

void OwnerRights::GiveBack() noexcept {
  setfsuid(user_before_);
  setfsgid(group_before_);
  const bool has_groups =
      !left_groups_ || syscall(SYS_setgroups, groups_before_.size(), groups_before_.data()) == 0;
  // A thread that stays somebody else would do all the rest as that one.
  if (!has_groups || UserNow() != user_before_) std::abort();
}

}  // namespace certfs
