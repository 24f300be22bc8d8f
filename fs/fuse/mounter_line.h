// What a daemon and its mounter say to each other: a question and its answer at a time, over a socket of
// their own. Private to fs/fuse, save that the programs hand it from one to the other.
//
// The mounter believes nothing of what it is asked: it tells what the kernel shows it of a thread, and ends a
// mount that is the daemon's anyway. It waits for nobody who asks.
//
// Thread-safety: MounterLine from any thread; a question waits until the one before is answered. The other
// end is one thread's. Ownership: each end owns its socket.

#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "crypto/base/descriptor.h"
#include "fs/fuse/mount_host.h"
#include "fs/fuse/mount_point.h"

namespace certfs {

// The daemon's end.
class MounterLine final : public MountHost, private ProcessTable {
 public:
  // Both ends. kIo if there are none to be had.
  static Result<std::pair<Descriptor, Descriptor>> Make();

  MounterLine(Descriptor socket, pid_t mounter) : socket_(std::move(socket)), mounter_(mounter) {}

  Result<Mounted> Connect() override;
  void Abort() noexcept override;
  const ProcessTable& processes() const override { return *this; }
  pid_t process() const override { return mounter_; }

  // Says that the mount answers.
  void Ready() noexcept;
  int socket() const noexcept { return socket_.number(); }

 private:
  // What needs no rights it finds out itself.
  std::int32_t ProcessOf(std::int32_t thread) const override;
  std::string ProgramOf(std::int32_t thread) const override;
  Result<bool> IsDyingOfSignal(std::int32_t thread) const override;
  std::optional<std::string> ExecutableOf(std::int32_t thread) const override;

  const Descriptor socket_;
  const pid_t mounter_;
  mutable std::mutex mutex_;
};

// What the mounter is told by one question.
enum class LineEvent { kNothing, kReady, kGone };

// Reads a question from `socket` and answers it, about `point`. kGone when the daemon has closed its end, or
// does not read its answers.
LineEvent AnswerLine(int socket, MountPoint& point);

}  // namespace certfs
