#include "tools/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace certfs {

namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;
constexpr auto kBetween = 100ms;
constexpr std::size_t kColumnsUsual = 80;
constexpr std::size_t kBarMax = 40;
constexpr std::string_view kClearLine = "\r\x1b[K";

std::size_t Columns() {
  struct winsize size {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumnsUsual;
}

// A bar that cannot be drawn is no reason to fail.
void Show(std::string_view words) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, words.data(), words.size());
}

}  // namespace

std::string ProgressLine(const std::string& title, std::uint64_t done, std::uint64_t total,
                         std::size_t columns) {
  if (total == 0) return (title + " " + std::to_string(done)).substr(0, columns);
  const std::uint64_t percent =
      done >= total
          ? 100
          : static_cast<std::uint64_t>(100.0 * static_cast<double>(done) / static_cast<double>(total));
  std::string share = std::to_string(percent) + "%";
  share.insert(0, 5 - std::min<std::size_t>(share.size(), 5), ' ');
  // Title, " [", bar, "]", share; where there is no room for a bar, none.
  const std::size_t taken = title.size() + 3 + share.size();
  if (columns < taken + 10) return (title + share).substr(0, columns);
  const std::size_t width = std::min(kBarMax, columns - taken);
  const std::size_t filled = width * percent / 100;
  return title + " [" + std::string(filled, '#') + std::string(width - filled, ' ') + "]" + share;
}

Progress::Progress(std::string title, std::uint64_t total)
    : title_(std::move(title)),
      total_(total),
      watched_(isatty(STDERR_FILENO) == 1),
      next_(Clock::now() + kPatience) {}

Progress::~Progress() {
  if (drawn_) Show(kClearLine);
}

void Progress::Advance(std::uint64_t count) {
  done_ += count;
  if (!watched_) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + kBetween;
  Draw();
}

void Progress::Draw() {
  // Less a column: a line that fills the last one would wrap on some terminals.
  Show(std::string(kClearLine) + ProgressLine(title_, done_, total_, Columns() - 1));
  drawn_ = true;
}

}  // namespace certfs
