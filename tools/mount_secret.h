// How the secret of a keystore comes to the daemons of its mount, each of which needs it anew: through a
// pipe, from a process that reads it, so that the mounter never has it in its memory. What cannot be read a
// second time, a passphrase that was typed, waits for the next daemon in a pipe: in the kernel, where it is
// not swapped out.
//
// Thread-safety: main thread only. Ownership: owns the pipe.

#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/descriptor.h"
#include "tools/system.h"
#include "tools/unlock.h"

namespace certfs {

// Reads the secret that `unlock` names, or asks for it, and writes it to the pipe `to`.
Result<void> SendSecret(const std::filesystem::path& keystore, const UnlockOptions& unlock, Descriptor to);

// Reads from a pipe what SendSecret wrote, to its end. kCancelled if it wrote nothing.
Result<UnlockSecret> ReceiveSecret(int from);

// By when it is to be there; none where somebody may be typing it.
using SecretDeadline = std::optional<std::chrono::steady_clock::time_point>;

class MountSecret {
 public:
  // `first` is a pipe into which somebody else writes the first one, or has; none where nobody does.
  MountSecret(std::filesystem::path keystore, UnlockOptions unlock, Descriptor first)
      : keystore_(std::move(keystore)), unlock_(std::move(unlock)), kept_(std::move(first)) {}

  // Returns a pipe that holds the secret, for one daemon. kInvalidArgument and the rest of ReadUnlockSecret
  // if it cannot be read; kIo if that is not done in time; kCancelled if whoever was to write it did not, or
  // this process holds back a signal (SIGTERM, SIGINT, SIGHUP) that tells it to end. The process that reads
  // is not waited for: it is a child that whoever has children waits for. It closes the descriptors `left`,
  // those below 0 being none: a disk that hangs may keep it for ever.
  Result<Descriptor> Get(SecretDeadline by, const std::vector<int>& left = {});

  // The pipe in which it waits, -1 where it is read again.
  int kept() const noexcept { return kept_.number(); }

 private:
  struct ReadOnce {
    Descriptor pipe;
    bool again = false;  // Whether it can be read again.
  };

  bool CanBeReadAgain() const;
  Result<ReadOnce> Read(SecretDeadline by, const std::vector<int>& left);
  // In the process that reads.
  void SayWhatIsRead(Descriptor secret, int report) const;

  const std::filesystem::path keystore_;
  const UnlockOptions unlock_;
  Descriptor kept_;
  std::optional<bool> again_;  // Whether what is kept could be read again; none before that was asked.
};

}  // namespace certfs
