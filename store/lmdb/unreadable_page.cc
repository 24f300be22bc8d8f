#include "store/lmdb/unreadable_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace certfs::lmdb {

namespace {

constexpr std::string_view kName = "/data.mdb";

struct sigaction before;
std::atomic<std::uint64_t> replaced = 0;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a handler of signals counts");

// A hexadecimal number at the start of `text`, which loses it.
std::uintptr_t TakeHex(std::string_view& text) noexcept {
  std::uintptr_t number = 0;
  while (!text.empty()) {
    const char c = text.front();
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) break;
    number = number << 4 | static_cast<std::uintptr_t>(digit ? c - '0' : c - 'a' + 10);
    text.remove_prefix(1);
  }
  return number;
}

// Whether a line of /proc/self/maps is of a data.mdb around `address`.
bool IsOfDataAt(std::string_view line, std::uintptr_t address) noexcept {
  const std::uintptr_t begin = TakeHex(line);
  if (line.empty() || line.front() != '-') return false;
  line.remove_prefix(1);
  const std::uintptr_t end = TakeHex(line);
  // A file that was removed or replaced meanwhile has a word behind its name.
  return address >= begin && address < end && line.find(kName) != std::string_view::npos;
}

// In a handler of signals: nothing but system calls, and no memory but the stack's.
bool IsInData(std::uintptr_t address) noexcept {
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  std::array<char, 8192> buffer;
  std::size_t filled = 0;
  bool found = false;
  while (!found) {
    const ssize_t got = read(maps, buffer.data() + filled, buffer.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
    std::string_view text(buffer.data(), filled);
    for (std::size_t newline; !found && (newline = text.find('\n')) != std::string_view::npos;) {
      found = IsOfDataAt(text.substr(0, newline), address);
      text.remove_prefix(newline + 1);
    }
    // A line is a path and some words: never as long as the buffer.
    if (text.size() == buffer.size()) break;
    std::memmove(buffer.data(), text.data(), text.size());
    filled = text.size();
  }
  close(maps);
  return found;
}

void OnBusError(int, siginfo_t* fault, void*) {
  const int saved = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(fault->si_addr);
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const bool is_fault = fault->si_code == BUS_ADRERR || fault->si_code == BUS_OBJERR;
  if (is_fault && IsInData(address)) {
    void* const start = static_cast<std::byte*>(fault->si_addr) - address % page;
    const void* const zeros = mmap(start, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved;
    if (zeros != MAP_FAILED) {
      ++replaced;
      return;
    }
  }
  // What faulted does so again.
  sigaction(SIGBUS, &before, nullptr);
}

bool TakeOver() noexcept {
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGBUS, &action, &before) == 0;
}

}  // namespace

void SurviveUnreadablePages() noexcept { [[maybe_unused]] static const bool taken = TakeOver(); }

std::uint64_t ReplacedPages() noexcept { return replaced; }

}  // namespace certfs::lmdb
