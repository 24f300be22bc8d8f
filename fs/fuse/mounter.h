// The process that keeps a mount while its daemons come and go (fs/README.md, "A mount that outlives its
// daemon").
//
// It has the rights to mount and to see whose processes the callers are, and no key: it mounts, starts a
// daemon that has fewer rights, answers what that must ask (mounter_line.h), and when it ends otherwise than
// by being told to, or by having its mount unmounted, starts another one on the same mount. Callers wait
// meanwhile, for kSuccessorMax at most: then the mount is aborted, and everybody who waits has an error.
//
// Thread-safety: one thread, and no other in the process: daemons are forked. Ownership: owns the mount.

#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "fs/fuse/mount_point.h"
#include "fs/fuse/mounter_line.h"
#include "fs/fuse/waker_process.h"

namespace certfs {

// What a daemon is given.
struct DaemonParts {
  MounterLine& line;
  WakerProcess waker;
  Descriptor secret;  // What the keystore is unlocked with, to be read to its end.
};

struct MounterHooks {
  // Returns a pipe from which a daemon reads the secret. Its own failures are its to tell; it returns the
  // code that the process is to end with then.
  std::function<Result<Descriptor>()> secret;
  // In the new process: serves the mount, and returns the code that the process ends with.
  std::function<Result<int>(DaemonParts)> serve;
  // The mount answers, for the first time or again.
  std::function<void(const MountPoint&)> ready;
  // The daemon has handed over, as SIGUSR2 to this process asks: replaces this program by another one, which
  // resumes the mount. Returns if that failed; then this program goes on.
  std::function<void(MountPoint&)> replace_program;
};

class Mounter {
 public:
  // How long callers wait for a successor.
  static constexpr std::chrono::seconds kSuccessorMax{60};
  // How long a daemon that is stopped (SIGSTOP, a debugger) keeps its callers waiting before it is ended.
  static constexpr std::chrono::seconds kStoppedMax{60};
  // How long a daemon may take to end once it is to.
  static constexpr std::chrono::seconds kEndMax{10};

  Mounter(std::unique_ptr<MountPoint> point, MounterHooks hooks);
  ~Mounter();
  Mounter(const Mounter&) = delete;
  Mounter& operator=(const Mounter&) = delete;

  // Keeps the mount until it is unmounted, or this process gets SIGTERM, SIGINT or SIGHUP. Returns the code
  // that the process ends with, in the daemons, too: they come back from here as their serving ends.
  Result<int> Run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Daemon;
  enum class Next { kSuccessor, kEnd };

  // Starts a daemon. Returns, in the new process alone, how that is to end.
  Result<std::optional<Result<int>>> Start();
  // Until the daemon has ended.
  void Watch();
  void OnSignal();
  void Reap();
  void NoteEnd(int status);
  void AskToEnd(int signal);
  void CheckDeadlines();
  int WaitTime() const;
  // What becomes of the mount now.
  Result<Next> Judge();
  Result<void> MayTryAgain();
  int code() const;

  const std::unique_ptr<MountPoint> point_;
  const MounterHooks hooks_;
  Descriptor signals_;
  std::unique_ptr<Daemon> daemon_;
  bool served_ = false;        // Once a daemon has.
  bool ending_ = false;        // This process was told to end.
  bool handing_over_ = false;  // It was told to hand over.
  int failures_ = 0;  // Of daemons in a row that ended by themselves before they served, or soon after.
  Clock::time_point waiting_since_;  // Since when nobody serves.
};

}  // namespace certfs
