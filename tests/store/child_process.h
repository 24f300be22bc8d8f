// A child process whose stdout one reads, and which one may kill.

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

namespace certfs {

class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> arguments) {
    std::array<int, 2> out{};
    std::array<int, 2> in{};
    EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(in.data(), O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      std::vector<char*> raw;
      for (std::string& each : arguments) raw.push_back(each.data());
      raw.push_back(nullptr);
      execv(raw[0], raw.data());
      _exit(127);
    }
    close(out[1]);
    close(in[0]);
    from_ = out[0];
    to_ = in[1];
  }
  ~ChildProcess() {
    Close();
    if (pid_ > 0) Kill();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Waits for one byte of its output. Returns whether there was one: false once it has ended.
  bool Read() {
    char byte = 0;
    return read(from_, &byte, 1) == 1;
  }
  void Say() {
    const char byte = '\n';
    EXPECT_EQ(write(to_, &byte, 1), 1);
  }
  void Close() {
    if (to_ >= 0) close(to_);
    if (from_ >= 0) close(from_);
    to_ = from_ = -1;
  }
  void Kill() {
    kill(pid_, SIGKILL);
    Wait();
  }
  // Returns its exit code, -1 if it was killed.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int from_ = -1;
  int to_ = -1;
};

}  // namespace certfs
