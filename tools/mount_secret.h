// How the secret of a keystore comes to the daemons of its mount, each of which needs it anew: through a
// pipe, from a process that reads it, so that the mounter never has it in its memory. What cannot be read a
// second time, a passphrase that was typed, waits for the next daemon in a pipe: in the kernel, where it is
// not swapped out.
//
// Thread-safety: main thread only. Ownership: owns the pipe.

#pragma once

#include <filesystem>
#include <string>

#include "crypto/base/descriptor.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

// Reads the secret that `unlock` names, or asks for it, and writes it to the pipe `to`.
Result<void> SendSecret(const std::filesystem::path& keystore, const UnlockOptions& unlock, Descriptor to);

// Reads from a pipe what SendSecret wrote, to its end. kCancelled if it wrote nothing.
Result<UnlockSecret> ReceiveSecret(int from);

class MountSecret {
 public:
  // `first` is a pipe into which somebody else writes the first one, or has; none where nobody does.
  MountSecret(std::filesystem::path keystore, UnlockOptions unlock, Descriptor first)
      : keystore_(std::move(keystore)), unlock_(std::move(unlock)), kept_(std::move(first)) {}

  // Returns a pipe that holds the secret, for one daemon. kInvalidArgument and the rest of ReadUnlockSecret
  // if it cannot be read; kCancelled if whoever was to write it did not.
  Result<Descriptor> Get();

  // The pipe in which it waits, -1 where it is read again.
  int kept() const noexcept { return kept_.number(); }

 private:
  bool CanBeReadAgain() const;
  Result<Descriptor> Read();

  const std::filesystem::path keystore_;
  const UnlockOptions unlock_;
  Descriptor kept_;
};

}  // namespace certfs
