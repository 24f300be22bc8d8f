// The process that keeps a mount while its daemons come and go (fs/README.md, "A mount that outlives its
// daemon").
//
// It has the rights to mount and to see whose processes the callers are, and no key: it mounts, starts a
// daemon that has fewer rights, answers what that must ask (mounter_line.h), and when it ends otherwise than
// by being told to, or by having its mount unmounted, starts another one on the same mount. Callers wait
// meanwhile, for a time (MounterPatience): then the mount is aborted, and everybody who waits has an error.
//
// Thread-safety: one thread, and no other in the process: daemons are forked. Ownership: owns the mount.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

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
  // Returns a pipe from which a daemon reads the secret, by the time that is given; none is given where
  // nobody waits for the mount, and somebody may be typing it. The signals that tell this process to end are
  // its to look for. kIo and kNoMemory where it may be had later.
  std::function<Result<Descriptor>(std::optional<std::chrono::steady_clock::time_point>)> secret;
  // In the new process: serves the mount, and returns the code that the process ends with.
  std::function<Result<int>(DaemonParts)> serve;
  // The mount answers, for the first time or again.
  std::function<void(const MountPoint&)> ready;
  // The daemon has handed over, as SIGUSR2 to this process asks: replaces this program by another one, which
  // resumes the mount. Returns if that failed; then this program goes on.
  std::function<void(MountPoint&)> replace_program;
};

// How long the mounter waits for what. Tests have less of it.
struct MounterPatience {
  // For a successor, while callers wait.
  std::chrono::milliseconds successor = std::chrono::seconds(60);
  // For a daemon that is stopped (SIGSTOP) and keeps its callers waiting, before it is ended.
  std::chrono::milliseconds stopped = std::chrono::seconds(60);
  // For a daemon to end once it is to; then it is killed. For one that was killed, by whomever, before the
  // mount is given up.
  std::chrono::milliseconds end = std::chrono::seconds(10);
};

class Mounter {
 public:
  Mounter(std::unique_ptr<MountPoint> point, MounterHooks hooks, MounterPatience patience = {});
  ~Mounter();
  Mounter(const Mounter&) = delete;
  Mounter& operator=(const Mounter&) = delete;

  // Keeps the mount until it is unmounted, or this process gets SIGTERM, SIGINT or SIGHUP. Returns the code
  // that the process ends with, in the daemons, too: they come back from here as their serving ends. Errors:
  // those of the hook that gives the secret; kInternal if a daemon was killed before the mount answered; kIo
  // when the system gives no process or descriptor before that, or the mount is given up.
  Result<int> Run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Daemon;
  enum class Next { kSuccessor, kEnd };

  // Starts a daemon. Returns, in the new process alone, how that is to end.
  Result<std::optional<Result<int>>> Start();
  // What becomes of a mount for which none could be started: returns if that is to be tried again.
  Result<void> JudgeStart(Error error);
  // Until the daemon has ended. kIo if it cannot be ended.
  Result<void> Watch();
  void OnSignal();
  void Reap();
  void NoteEnd(int status);
  // The daemon has been killed, by whomever, and is to end.
  void NoteKill();
  void AskToEnd(int signal);
  Result<void> CheckDeadlines();
  // By when the daemon is to serve, or to have ended.
  std::optional<Clock::time_point> Deadline() const;
  int WaitTime() const;
  // Whether there may be callers, who wait while nobody serves.
  bool HasCallers() const { return served_ || point_->is_mounted(); }
  // What becomes of the mount now.
  Result<Next> Judge();
  // Returns, after a pause where the one before `failed`, if there is to be another attempt.
  Result<void> MayTryAgain(bool failed);
  int code() const;

  const std::unique_ptr<MountPoint> point_;
  const MounterHooks hooks_;
  const MounterPatience patience_;
  Descriptor signals_;
  std::unique_ptr<Daemon> daemon_;
  bool served_ = false;        // Once a daemon has.
  bool ending_ = false;        // This process was told to end.
  bool handing_over_ = false;  // It was told to hand over.
  // In a row: daemons that could not be started, or ended by themselves before they served, or soon after.
  int failures_ = 0;
  Clock::time_point waiting_since_;  // Since when nobody serves.
};

}  // namespace certfs
