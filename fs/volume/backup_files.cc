#include "fs/volume/backup_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "crypto/sealing.h"

namespace certfs {

namespace {

Error Failure(const std::filesystem::path& directory, const char* what) {
  const int code = errno;
  const ErrorCode kind = code == ENOSPC || code == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kIo;
  return {kind, std::string("the backup is written into an unnamed file in ") + directory.string() + ": " +
                    what + ": " + std::strerror(code)};
}

}  // namespace

std::string_view NameOf(BackupFile file) {
  return file == BackupFile::kKeystore ? "keystore.cms" : "manifest.json";
}

// --- SpooledFile

Result<std::shared_ptr<SpooledFile>> SpooledFile::Make(const std::filesystem::path& directory) {
  int descriptor = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    std::string name = (directory / "backup-XXXXXX").string();
    descriptor = mkostemp(name.data(), O_CLOEXEC);
    if (descriptor >= 0) unlink(name.c_str());
  }
  if (descriptor < 0) return Failure(directory, "open");
  return std::shared_ptr<SpooledFile>(new SpooledFile(descriptor));
}

SpooledFile::~SpooledFile() { close(descriptor_); }

Result<void> SpooledFile::Append(BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure("the keystore's directory", "write");
    size_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<SecretBytes> SpooledFile::Read(std::uint64_t offset, std::size_t size) const {
  if (offset >= size_) return SecretBytes();
  SecretBytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got =
        pread(descriptor_, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error(ErrorCode::kIo, "the backup cannot be read back");
    filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

// --- BackupFiles

Result<BackupFiles::State*> BackupFiles::StateOf(TableSnapshot& snapshot) {
  std::vector<Certificate> recovery = TRY(keystore_.RecoveryCertificates());
  Bytes of;
  Writer writer(of);
  writer.U64(snapshot.commit());
  for (const Certificate& each : recovery) writer.Raw(each.fingerprint());
  const Digest identity = Sha256({of});
  if (state_.identity == identity) return &state_;
  State state;
  state.made = keystore_.Now();
  state.recovery = std::move(recovery);
  auto plan = PlanBackup(snapshot, state.recovery, state.made);
  if (plan.has_value()) {
    state.summary = std::move(plan).value();
  } else if (plan.error().code() == ErrorCode::kPasswordRequired) {
    state.refusal = std::move(plan).error();
  } else {
    return std::move(plan).error();
  }
  state.identity = identity;
  state_ = std::move(state);
  return &state_;
}

Result<BackupFiles::State> BackupFiles::Written(TableSnapshot& snapshot, Instant now) {
  const std::lock_guard one_at_a_time(writing_);
  State state;
  {
    const std::lock_guard lock(mutex_);
    State* const known = TRY(StateOf(snapshot));
    known->used = now;
    state = *known;
  }
  if (state.refusal) return *state.refusal;
  if (state.file) return state;
  const auto file = TRY(SpooledFile::Make(directory_));
  const std::uint64_t size = state.summary.size;
  state.summary = TRY(StreamBackup(snapshot, state.recovery, state.made,
                                   [&](BytesView bytes) { return file->Append(bytes); }));
  if (file->size() != size)
    return Error(ErrorCode::kInternal, "the backup has another size than it was measured to have");
  state.file = file;
  const std::lock_guard lock(mutex_);
  // The keystore may have changed meanwhile; whoever asked gets the state that he asked for.
  if (state_.identity == state.identity) state_ = state;
  return state;
}

Result<BackupFiles::Shown> BackupFiles::Describe(TableSnapshot& snapshot, BackupFile file) {
  const std::lock_guard lock(mutex_);
  const State* const state = TRY(StateOf(snapshot));
  Shown shown{state->identity, 0, state->made};
  if (state->refusal) return shown;
  shown.size =
      file == BackupFile::kKeystore ? state->summary.size : BackupManifestJson(state->summary).size();
  return shown;
}

Result<std::shared_ptr<const SpooledFile>> BackupFiles::Open(TableSnapshot& snapshot, Instant now) {
  return TRY(Written(snapshot, now)).file;
}

Result<std::string> BackupFiles::Manifest(TableSnapshot& snapshot, Instant now) {
  return BackupManifestJson(TRY(Written(snapshot, now)).summary);
}

void BackupFiles::DropExpired(Instant now) {
  // Whoever tidies up must not wait: the kernel hears of changes from the same thread.
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock && state_.file && state_.used + kKept < now) state_.file.reset();
}

}  // namespace certfs
