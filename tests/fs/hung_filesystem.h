// A filesystem that takes every request and answers none, for tests of who must not wait for one.

#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "crypto/base/descriptor.h"

namespace certfs::test {

// Who waits for it waits within the kernel, and no signal ends that.
class HungFilesystem {
 public:
  HungFilesystem() = default;
  HungFilesystem(const HungFilesystem&) = delete;
  HungFilesystem& operator=(const HungFilesystem&) = delete;
  // Whoever waits has an error.
  ~HungFilesystem() {
    if (server_ <= 0) return;
    kill(server_, SIGKILL);
    waitpid(server_, nullptr, 0);
  }

  // Mounts it in a mount namespace of this process's own. Returns what that failed by.
  std::string Mount(const std::string& path, const std::string& type = "fuse") {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return std::string("mount namespace: ") + std::strerror(errno);
    const Descriptor device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!device.open()) return std::string("/dev/fuse: ") + std::strerror(errno);
    const std::string options =
        "fd=" + std::to_string(device.number()) + ",rootmode=40000,user_id=0,group_id=0";
    if (mount("hung", path.c_str(), type.c_str(), MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return std::string("mount: ") + std::strerror(errno);
    server_ = fork();
    if (server_ == 0) Serve(device.number());
    return {};
  }

 private:
  [[noreturn]] static void Serve(int device) {
    std::array<char, 1 << 17> request;
    while (read(device, request.data(), request.size()) > 0) {
      fuse_in_header asked{};
      std::memcpy(&asked, request.data(), sizeof asked);
      if (asked.opcode != FUSE_INIT) continue;
      struct {
        fuse_out_header header;
        fuse_init_out init;
      } answer{};
      answer.header.len = sizeof answer;
      answer.header.unique = asked.unique;
      answer.init.major = FUSE_KERNEL_VERSION;
      answer.init.minor = 31;
      answer.init.max_write = 4096;
      if (write(device, &answer, sizeof answer) < 0) break;
    }
    _exit(0);
  }

  pid_t server_ = 0;
};

}  // namespace certfs::test
