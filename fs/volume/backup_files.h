// backup/: the backup of the keystore at one snapshot, and what it holds. Private to fs/.
//
// A backup is written into an unnamed file when it is first opened, and read from there: a snapshot is held
// for as long as writing takes and no longer, whatever its readers do, and memory does not grow with the
// keystore. What lies in the file is encrypted. All who open it before the keystore changes read the same
// bytes.
//
// Thread-safety: any thread; one that opens a backup that is being written waits for it. Errors:
// kPasswordRequired where nobody could open the backup; kNoSpace when the disk has no room for it; those of
// StreamBackup.

#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "fs/node_id.h"
#include "fs/volume.h"
#include "store/backup.h"
#include "store/keystore.h"

namespace certfs {

enum class BackupFile : std::uint8_t {
  kKeystore = 17,
  kManifest = 18
};  // In node ids: never change or reuse.

// Bytes on disk that no name leads to.
class SpooledFile {
 public:
  static Result<std::shared_ptr<SpooledFile>> Make(const std::filesystem::path& directory);
  ~SpooledFile();
  SpooledFile(const SpooledFile&) = delete;
  SpooledFile& operator=(const SpooledFile&) = delete;

  Result<void> Append(BytesView bytes);
  std::uint64_t size() const noexcept { return size_; }
  // At most `size` bytes at `offset`.
  Result<SecretBytes> Read(std::uint64_t offset, std::size_t size) const;

 private:
  explicit SpooledFile(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
  std::uint64_t size_ = 0;
};

class BackupFiles {
 public:
  // How long a backup that nobody opens is kept on disk.
  static constexpr auto kKept = std::chrono::minutes(10);

  // `directory` is where there is room for a copy of the keystore: its own.
  BackupFiles(Keystore& keystore, std::filesystem::path directory)
      : keystore_(keystore), directory_(std::move(directory)) {}

  struct Shown {
    Digest identity{};
    std::uint64_t size = 0;  // 0 where nobody could open it.
    Time made{};
  };
  Result<Shown> Describe(TableSnapshot& snapshot, BackupFile file);

  // The backup of this snapshot, and the text of its manifest.
  Result<std::shared_ptr<const SpooledFile>> Open(TableSnapshot& snapshot, Instant now);
  Result<std::string> Manifest(TableSnapshot& snapshot, Instant now);

  void DropExpired(Instant now);

 private:
  // One state of the keystore, for the same recipients.
  struct State {
    Digest identity{};
    Time made{};
    std::vector<Certificate> recovery;
    std::optional<Error> refusal;  // Why nobody could open it.
    BackupSummary summary;         // Without the digest while there is no file.
    std::shared_ptr<const SpooledFile> file;
    Instant used{};
  };
  // Precondition: mutex_ is held.
  Result<State*> StateOf(TableSnapshot& snapshot);
  Result<State> Written(TableSnapshot& snapshot, Instant now);

  Keystore& keystore_;
  const std::filesystem::path directory_;
  std::mutex writing_;  // Held while a backup is written. Taken before mutex_.
  std::mutex mutex_;
  State state_;  // Guarded by mutex_.
};

std::string_view NameOf(BackupFile file);

}  // namespace certfs
