// The process that wakes inotify watchers: it carries out operations on the mount, as any user would, because
// nothing that a filesystem tells the kernel about itself wakes them.
//
// It is a process, not a thread of the daemon: a daemon that is killed while one of its own threads waits for
// an answer of its mount would never end, and the mount with it. It holds no key, and nothing of the mount
// between two operations; it ends when the daemon does. Private to fs/fuse, save that the programs start it.
//
// It is a child of the mounter and has that one's rights, so that it believes nothing of what a daemon
// orders: it is told at its start where the mount is, and touches nothing but a mount of certfs there.
//
// Thread-safety: one thread. Ownership: a WakerProcess owns its end of the connection, not the process.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "crypto/base/result.h"

namespace certfs {

// The name under which the new revision of a file shows to the waker alone, which then renames it to the
// file's name. No tool makes a file of such a name, and no entry accepts one.
inline constexpr const char* kWakerName = "certfs-commit";
// What it sets where it may not rename. The kernel asks no permission for names in "system.".
inline constexpr const char* kWakerAttribute = "system.certfs.commit";

enum class WakerAction : std::uint8_t {
  kRename,     // kWakerName to the name: what an atomic replacement does.
  kAttribute,  // Sets kWakerAttribute on the name.
};

// One operation. Which file it is comes from a mount that may have gone, or lie under another by now: the
// device number says whether it is still the one meant.
struct WakerOrder {
  WakerAction action = WakerAction::kRename;
  dev_t device = 0;
  std::string directory;  // From the root of the mount: "stores/machine/web".
  std::string name;       // In it; for kAttribute "." is the directory itself.
};

class WakerProcess {
 public:
  // Starts it, for the mount that is or will be at `mountpoint`. Call before the first secret and the first
  // thread: it is a copy of this process. kIo if there is no process or descriptor left.
  static Result<WakerProcess> Start(const std::string& mountpoint);

  WakerProcess() = default;  // None: nobody is woken.
  WakerProcess(WakerProcess&& other) noexcept;
  WakerProcess& operator=(WakerProcess&& other) noexcept;
  WakerProcess(const WakerProcess&) = delete;
  WakerProcess& operator=(const WakerProcess&) = delete;
  ~WakerProcess() { Close(); }

  bool running() const noexcept { return socket_ >= 0; }
  int socket() const noexcept { return socket_; }  // Readable when an answer came, or the process has gone.
  pid_t process() const noexcept { return process_; }

  // Returns whether the process took the order.
  bool Send(const WakerOrder& order);
  // Returns the errno of the order, 0 for success; ESTALE where the mount is not there, EINVAL for an order
  // of a kind or name that it does not carry out. kIo when the process has gone.
  Result<int> Receive();
  // Lets the process end.
  void Close() noexcept;

 private:
  int socket_ = -1;
  pid_t process_ = 0;
};

}  // namespace certfs
