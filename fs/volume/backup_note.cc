#include "fs/volume/backup_note.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "store/files.h"

namespace certfs {

namespace {

// Seconds since 1970, which is all that the note has; zero for anything else.
Time Read(const std::filesystem::path& file) {
  const auto opened = OpenRegularFile(file, O_RDONLY);
  std::array<char, 32> text{};
  if (!opened.has_value() || read(opened.value().number(), text.data(), text.size() - 1) <= 0) return {};
  std::istringstream in(text.data());
  long long seconds = 0;
  in >> seconds;
  // What is no time of ours was not written by us.
  constexpr long long kEnd = 8'000'000'000;
  if (!in || seconds < 0 || seconds > kEnd) return {};
  return Time(std::chrono::seconds(seconds));
}

}  // namespace

BackupNote::BackupNote(std::filesystem::path directory) : directory_(std::move(directory)) {
  if (!directory_.empty()) read_ = Read(directory_ / kFileName);
}

Time BackupNote::Get() const {
  const std::lock_guard lock(mutex_);
  return read_;
}

void BackupNote::Set(Time now) {
  const std::lock_guard lock(mutex_);
  read_ = now;
  if (directory_.empty()) return;
  const std::filesystem::path scratch = directory_ / (std::string(kFileName) + ".new");
  // Whatever somebody has put there is not written to.
  unlink(scratch.c_str());
  const int descriptor = open(scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return;
  const std::string line =
      std::to_string(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count()) + "\n";
  const bool written = write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  close(descriptor);
  std::error_code ignored;
  if (written) std::filesystem::rename(scratch, directory_ / kFileName, ignored);
}

}  // namespace certfs
