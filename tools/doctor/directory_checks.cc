// What can be told without a key: the files of the keystore, and who may do what with them.

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include "store/header.h"
#include "tools/doctor/check.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs::doctor {

namespace {

namespace fs = std::filesystem;

constexpr mode_t kForGroupAndOthers = 077;
constexpr mode_t kWriteForGroupAndOthers = 022;
constexpr std::string_view kHeaderName = "keystore.hdr";
constexpr std::string_view kDataName = "data.mdb";
constexpr std::string_view kLockName = "lock.mdb";

Result<struct stat> StatusOf(const fs::path& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return SystemError(path, errno);
  return status;
}

std::string Octal(mode_t mode) {
  std::array<char, 8> text{};
  snprintf(text.data(), text.size(), "%04o", static_cast<unsigned int>(mode & 07777));
  return text.data();
}

// Says whether `path` lies in `above`; both are canonical.
bool IsBelow(const fs::path& path, const fs::path& above) {
  return std::mismatch(above.begin(), above.end(), path.begin(), path.end()).first == above.end();
}

// Says whether `path` lies in `directory`, both as the file system knows them.
bool LiesIn(const fs::path& path, const fs::path& directory) {
  std::error_code failure;
  const fs::path whole = fs::canonical(path, failure);
  if (failure) return false;
  const fs::path above = fs::canonical(directory, failure);
  return !failure && IsBelow(whole, above);
}

}  // namespace

Result<void> CheckFiles(Examination& at) {
  for (const std::string_view name : {kHeaderName, kDataName}) {
    const fs::path path = at.patient().keystore / name;
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
      if (S_ISREG(status.st_mode)) continue;
      at.Add("no-file", Urgency::kCritical, path.string(), "is no regular file",
             "restore the keystore from a backup: certfs restore BACKUP NEW-KEYSTORE");
      continue;
    }
    if (errno != ENOENT) return SystemError(path, errno);
    at.Add("no-file", Urgency::kCritical, path.string(), "is missing",
           "restore the keystore from a backup: certfs restore BACKUP NEW-KEYSTORE");
  }
  // Without one there is nothing to say: it is made by whoever opens the keystore.
  const fs::path lock = at.patient().keystore / kLockName;
  struct stat status {};
  if (lstat(lock.c_str(), &status) == 0 && (!S_ISREG(status.st_mode) || status.st_nlink > 1)) {
    at.Add("no-file", Urgency::kCritical, lock.string(),
           S_ISREG(status.st_mode)   ? "has another name"
           : S_ISLNK(status.st_mode) ? "is a symbolic link"
                                     : "is no regular file",
           "find out who put it there, and remove it while nobody has the keystore open: it is made anew");
  }
  return {};
}

Result<void> CheckHeader(Examination& at) {
  auto header = Header::Load(at.patient().keystore);
  if (header.has_value() || header.error().code() == ErrorCode::kNotFound) return {};
  return std::move(header).error().Within((at.patient().keystore / kHeaderName).string());
}

Result<void> CheckWaysIn(Examination& at) {
  const auto header = Header::Load(at.patient().keystore);
  // Said already.
  if (!header.has_value()) return {};
  const std::vector<SlotDescription> slots = header.value().Slots();
  const bool recovery = std::any_of(slots.begin(), slots.end(), [](const SlotDescription& slot) {
    return slot.facts.type == SlotType::kRecovery;
  });
  const std::string add = "certfs key add " + at.keystore();
  if (slots.size() < 2) {
    at.Add("one-way-in", Urgency::kWarning, at.patient().keystore.string(),
           "one secret alone opens the keystore; when that is lost, so is everything",
           "add another one, to be kept elsewhere: " + add + " --new-passphrase");
  }
  if (!recovery) {
    at.Add("no-recovery", Urgency::kWarning, at.patient().keystore.string(),
           "there is no recovery certificate: without the keystore's own secrets, and the export password, "
           "nobody opens it or its backups",
           "add one whose private key is kept offline: " + add + " --recovery CERT");
  }
  return {};
}

Result<void> CheckPermissions(Examination& at) {
  const fs::path& directory = at.patient().keystore;
  const struct stat above = TRY(StatusOf(directory));
  if ((above.st_mode & kForGroupAndOthers) != 0) {
    const bool writable = (above.st_mode & kWriteForGroupAndOthers) != 0;
    at.Add("directory-mode", writable ? Urgency::kCritical : Urgency::kWarning, directory.string(),
           "is " + Octal(above.st_mode) + (writable ? ": others may replace its files" : ", not 0700"),
           "chmod 0700 " + at.keystore());
  }
  std::error_code failure;
  for (const auto& item : fs::directory_iterator(directory, failure)) {
    const auto status = StatusOf(item.path());
    if (!status.has_value() || !S_ISREG(status.value().st_mode)) continue;
    const mode_t mode = status.value().st_mode;
    if ((mode & kForGroupAndOthers) != 0) {
      const bool writable = (mode & kWriteForGroupAndOthers) != 0;
      at.Add("file-mode", writable ? Urgency::kCritical : Urgency::kWarning, item.path().string(),
             "is " + Octal(mode) + (writable ? ": others may damage it" : ", not 0600"),
             "chmod 0600 " + Word(item.path()));
    }
    if (status.value().st_uid != above.st_uid) {
      at.Add("file-owner", Urgency::kWarning, item.path().string(),
             "belongs to uid " + std::to_string(status.value().st_uid) + ", the keystore to uid " +
                 std::to_string(above.st_uid),
             "chown " + std::to_string(above.st_uid) + " " + Word(item.path()));
    }
  }
  if (failure) return SystemError(directory, failure.value());
  // Whoever may rename a directory above puts another keystore in its place.
  for (fs::path each = directory.parent_path(); each.has_relative_path(); each = each.parent_path()) {
    const auto status = StatusOf(each);
    if (!status.has_value()) continue;
    const mode_t mode = status.value().st_mode;
    if ((mode & kWriteForGroupAndOthers) == 0 || (mode & S_ISVTX) != 0) continue;
    at.Add("parent-writable", Urgency::kWarning, each.string(),
           "is " + Octal(mode) + ": others may put another keystore in the place of this one",
           "chmod go-w " + Word(each));
  }
  return {};
}

Result<void> CheckKeyFile(Examination& at) {
  const fs::path& key = at.patient().key_file;
  if (key.empty()) return {};
  const fs::path& keystore = at.patient().keystore;
  struct stat status {};
  if (stat(key.c_str(), &status) != 0) return SystemError(key, errno);
  if ((status.st_mode & kForGroupAndOthers) != 0) {
    at.Add(
        "key-file-mode", Urgency::kCritical, key.string(),
        "is " + Octal(status.st_mode) + ": others than its owner open the keystore with it",
        "chmod 0600 " + Word(key) + "; if anybody may have read it: certfs key add, then certfs key revoke");
  }
  if (LiesIn(key, keystore)) {
    at.Add("key-file-inside", Urgency::kCritical, key.string(),
           "lies in the keystore's directory: whoever copies that has both",
           "move it elsewhere, and name it with --keyfile");
  }
  if (auto mounts = FindMounts(); mounts.has_value()) {
    std::error_code failure;
    const fs::path whole = fs::canonical(key, failure);
    for (const Mount& mount : mounts.value()) {
      // The kernel's paths are canonical. Nothing is asked of a mount whose daemon may hang.
      if (failure || !IsBelow(whole, mount.mountpoint)) continue;
      at.Add("key-file-on-mount", Urgency::kCritical, key.string(),
             "lies in a certfs mount: it is not there before that is mounted", "keep it outside");
    }
  }
  for (const fs::path& path : at.patient().backed_up) {
    if (!LiesIn(key, path)) continue;
    at.Add("key-file-backed-up", Urgency::kCritical, key.string(),
           "lies in " + path.string() +
               ", which is backed up: whoever has such a backup and the keystore's "
               "has both",
           "keep it outside, and a copy offline");
  }
  return {};
}

Result<void> CheckLeftovers(Examination& at) {
  const fs::path beside = at.patient().keystore / "data.mdb.new";
  struct stat status {};
  if (lstat(beside.c_str(), &status) == 0) {
    at.Add("leftover", Urgency::kInfo, beside.string(), "data.mdb was being written anew when that ended",
           "whoever opens the keystore next clears it away: unmount and mount it");
  }
  return {};
}

Result<void> CheckDisk(Examination& at) {
  constexpr std::uint64_t kCritical = std::uint64_t{64} << 20;
  constexpr std::uint64_t kWarning = std::uint64_t{512} << 20;
  const std::string keystore = at.patient().keystore.string();
  struct statvfs disk {};
  if (statvfs(keystore.c_str(), &disk) != 0) return SystemError(keystore, errno);
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free < kWarning) {
    at.Add("disk-full", free < kCritical ? Urgency::kCritical : Urgency::kWarning, keystore,
           std::to_string(free >> 20) + " MiB are left on its disk: changes are refused when none is",
           "make room");
  }
  if ((disk.f_flag & ST_RDONLY) != 0) {
    at.Add("disk-read-only", Urgency::kCritical, keystore,
           "its disk is mounted read-only: nothing can be changed",
           "see dmesg, check the disk, and remount it");
  }
  return {};
}

}  // namespace certfs::doctor
