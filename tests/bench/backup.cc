// How fast a keystore is backed up and restored, as ratios to the least that it can cost: enciphering the
// same bytes once, and copying them once.
//
// Usage: bench_backup KEYSTORE KEYFILE WORK
//        KEYSTORE is one that bench_fill made; WORK a directory for what is written.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "crypto/envelope_writer.h"
#include "store/backup.h"
#include "store/keystore.h"
#include "store/restore.h"

namespace certfs::bench {

namespace {

using SteadyClock = std::chrono::steady_clock;

// What passed since it was made: on the clock, and of processors.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(SteadyClock::now() - start_).count(); }
  double processor_seconds() const { return ProcessorSeconds() - processor_start_; }

 private:
  static double ProcessorSeconds() {
    struct rusage used {};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }

  SteadyClock::time_point start_ = SteadyClock::now();
  double processor_start_ = ProcessorSeconds();
};

// Memory that is the process's own; what it has mapped of data.mdb, the kernel takes back when it likes.
double OwnMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "RssAnon:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

Result<Bytes> ReadAll(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) return Error(ErrorCode::kIo, std::string(path) + ": cannot be read, or is empty");
  return bytes;
}

// Enciphers and copies as many bytes as the backup has, without a password to stretch.
Result<double> Floor(std::uint64_t size) {
  EnvelopeRecipients recipients{SecretBytes::CopyOf(AsBytes("password")), {}, 1};
  const Bytes piece(std::size_t{64} << 10, 0x5A);
  Bytes copy(piece.size() + 4096);
  const Stopwatch watch;
  auto writer =
      TRY(EnvelopeWriter::Begin(TRY(SealRecipients(recipients)), size, [&](BytesView bytes) -> Result<void> {
        std::copy(bytes.begin(), bytes.end(), copy.begin());
        return {};
      }));
  for (std::uint64_t left = size; left > 0;) {
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
    TRY(writer.Write(BytesView(piece).first(count)));
    left -= count;
  }
  TRY(writer.Finish());
  return watch.seconds();
}

// The most that it was while something was read.
class Peak {
 public:
  ReadingProgress Watch() {
    return [this](std::uint64_t bytes) {
      unseen_ += bytes;
      if (unseen_ < std::uint64_t{4} << 20) return;
      unseen_ = 0;
      megabytes_ = std::max(megabytes_, OwnMegabytes());
    };
  }
  double megabytes() const { return std::max(megabytes_, OwnMegabytes()); }

 private:
  std::uint64_t unseen_ = 0;
  double megabytes_ = 0;
};

void Print(const char* what, const Stopwatch& watch, double megabytes, double floor, double memory) {
  std::printf(
      "%-10s %7.1f MB/s of files, %5.1f x the floor; processors' time %6.3f s, own memory %5.1f MiB\n", what,
      megabytes / watch.seconds(), watch.seconds() / floor, watch.processor_seconds(), memory);
}

Result<void> Run(const std::string& directory, const char* key_file, const std::string& work) {
  const UnlockSecret secret{SlotType::kKeyFile, SecretBytes::CopyOf(TRY(ReadAll(key_file)))};
  const auto keystore = TRY(Keystore::Open(directory, secret, std::chrono::system_clock::now));
  TRY(keystore->SetSettings({SecretBytes::CopyOf(AsBytes("correct horse")), ExportProfile::kModern}));
  const auto snapshot = TRY(keystore->Snapshot());

  const Stopwatch measuring;
  const std::uint64_t size = TRY(MeasureBackup(*snapshot, {}));
  const double measured = measuring.processor_seconds();
  const double floor = TRY(Floor(size));

  const std::string path = work + "/keystore.cms";
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const Stopwatch writing;
  const BackupSummary summary =
      TRY(StreamBackup(*snapshot, {}, keystore->Now(), [&](BytesView bytes) -> Result<void> {
        file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        if (!file) return Error(ErrorCode::kIo, "cannot be written");
        return {};
      }));
  file.close();
  const double megabytes = static_cast<double>(summary.manifest.counts.bytes) / 1e6;
  Print("backup", writing, megabytes, floor, OwnMegabytes());
  std::printf(
      "%llu entries, %.1f MB of files, %.1f MB of backup; the floor is %.1f MB/s, measuring took %.3f s\n",
      static_cast<unsigned long long>(summary.manifest.counts.entries), megabytes,
      static_cast<double>(summary.size) / 1e6, megabytes / floor, measured);

  // Both with the password's key, which a restore begins with.
  const Stopwatch checking;
  Peak of_checking;
  const BackupFile opened = TRY(BackupFile::Open(path, SecretBytes::CopyOf(AsBytes("correct horse"))));
  TRY(CheckBackup(opened, of_checking.Watch()));
  Print("check", checking, megabytes, floor, of_checking.megabytes());
  const std::filesystem::path restored = work + "/restored";
  std::filesystem::remove_all(restored);
  const Stopwatch restoring;
  Peak of_restoring;
  const BackupFile again = TRY(BackupFile::Open(path, SecretBytes::CopyOf(AsBytes("correct horse"))));
  TRY(RestoreKeystore(again, restored, secret, std::chrono::system_clock::now, of_restoring.Watch()));
  Print("restore", restoring, megabytes, floor, of_restoring.megabytes());
  std::filesystem::remove_all(restored);
  return {};
}

}  // namespace

}  // namespace certfs::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_backup KEYSTORE KEYFILE WORK\n");
    return EXIT_FAILURE;
  }
  certfs::LockSecrets();
  const auto done = certfs::bench::Run(argv[1], argv[2], argv[3]);
  if (done.has_value()) return EXIT_SUCCESS;
  std::fprintf(stderr, "bench_backup: %s\n", done.error().message().c_str());
  return EXIT_FAILURE;
}
