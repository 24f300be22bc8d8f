#include "tools/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <iostream>

#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::array<int, 5> kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

volatile std::sig_atomic_t caught = 0;
void Catch(int signal) { caught = signal; }

// Catches the signals that would leave the terminal without echo, and sends them again when it goes.
class SignalsHeldBack {
 public:
  SignalsHeldBack() {
    caught = 0;
    struct sigaction action {};
    action.sa_handler = Catch;  // Without SA_RESTART: a signal must interrupt the read.
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;
  ~SignalsHeldBack() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
    if (caught != 0) raise(caught);
  }

 private:
  std::array<struct sigaction, kSignals.size()> before_;
};

// Turns echo off while it lives.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal), known_(tcgetattr(terminal, &before_) == 0) {
    if (!known_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON | ISIG;
    tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (known_) tcsetattr(terminal_, TCSAFLUSH, &before_);
  }

 private:
  int terminal_;
  termios before_{};
  bool known_;
};

bool Say(int terminal, const std::string& words) {
  return write(terminal, words.data(), words.size()) == static_cast<ssize_t>(words.size());
}

}  // namespace

Result<SecretBytes> AskPassphrase(const std::string& prompt) {
  const Descriptor terminal(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.open()) {
    return Error(ErrorCode::kInvalidArgument,
                 "there is no terminal to ask for the passphrase on; use --passphrase-file or --keyfile");
  }
  const SignalsHeldBack signals;
  const Silence silence(terminal.number());
  if (!Say(terminal.number(), prompt)) return SystemError("/dev/tty", errno);
  SecretBytes passphrase;
  for (;;) {
    std::uint8_t byte = 0;
    const ssize_t got = read(terminal.number(), &byte, 1);
    const bool ended = got <= 0 || byte == '\n';
    if (!ended) passphrase.push_back(byte);
    Wipe({&byte, 1});
    if (!ended) continue;
    Say(terminal.number(), "\n");
    if (got == 1) return passphrase;
    return Error(ErrorCode::kCancelled, "no passphrase was given");
  }
}

bool HasTerminal() { return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1; }

bool Confirm(const std::string& question) {
  std::cout << std::flush;
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace certfs
