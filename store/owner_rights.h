// The rights of whoever owns a keystore's directory, for root: what that one could not open he does not get
// opened by putting a symbolic link, or anything else, where root expects a file. Private to store/.
//
// Thread-safety: none; the rights are those of the thread that took them, in which the object has to end.
// Other threads keep theirs. Errors: kIo where the directory cannot be opened.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "crypto/base/descriptor.h"
#include "crypto/base/result.h"

namespace certfs {

class OwnerRights {
 public:
  // Until it ends, this thread opens files with no other rights than the owner of `directory` has. That is so
  // only for root in a directory of somebody else; whoever else he is goes on as he is, and so does a process
  // that has given up to become another user (store/confinement.h).
  static Result<std::unique_ptr<OwnerRights>> Take(const std::filesystem::path& directory);
  ~OwnerRights();
  OwnerRights(const OwnerRights&) = delete;
  OwnerRights& operator=(const OwnerRights&) = delete;

  // By what name to open what is in the directory: its owner need not have a way through those above it.
  const std::filesystem::path& directory() const noexcept { return directory_; }
  // Whether they are another's than before.
  bool taken() const noexcept { return taken_; }

 private:
  explicit OwnerRights(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void Become(uid_t user, gid_t group);
  void GiveBack() noexcept;

  std::filesystem::path directory_;
  Descriptor opened_;
  bool taken_ = false;
  uid_t user_before_ = 0;
  gid_t group_before_ = 0;
  std::vector<gid_t> groups_before_;
  bool left_groups_ = false;
};

}  // namespace certfs
