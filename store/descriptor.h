// A file descriptor that closes itself, and what makes a name durable. Private to store/.
//
// Thread-safety: a value. Ownership: owns the descriptor.

#pragma once

#include <filesystem>
#include <string_view>

#include "crypto/base/result.h"

namespace certfs {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const noexcept { return number_; }
  bool open() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

// The failure of `what`, as errno's value `error` has it: kNoSpace for a full disk, kReadOnly
// for one that is mounted like that, else kIo.
Error SystemFailure(std::string_view what, int error);

// Gives `file`, which is about to replace `replaced`, to that one's owner and group: whoever runs a tool on a
// keystore of somebody else leaves it to him. Where nothing is replaced, root gives it to the owner of the
// directory. kNotPermitted where it cannot be given to that owner; the group, to whom no file is open, is
// left where it cannot.
Result<void> KeepOwner(int file, const std::filesystem::path& replaced);

// Makes what was created, renamed or removed in `directory` survive a power cut.
Result<void> SyncDirectory(const std::filesystem::path& directory);

}  // namespace certfs
