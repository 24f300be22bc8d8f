// certfs revert: puts back the state of an entry before its last change, which BACKUP_STORE keeps.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "crypto/store_file.h"
#include "fs/fuse/attribute_names.h"
#include "store/policy.h"
#include "tools/commands.h"
#include "tools/entry_name.h"
#include "tools/entry_writer.h"
#include "tools/kept_entry.h"
#include "tools/mounts.h"
#include "tools/package_ledger.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

struct RevertCommandOptions {
  std::string entry;
  std::string mount;
};

constexpr std::size_t kAclBytesMax = 4096;  // What the kernel takes.

struct KeptFile {
  Member member;
  SecretBytes bytes;
  struct stat status;
  std::string acl;  // Empty where the mode says it all.
};

// The ACL of that name, empty where there is none.
Result<std::string> ReadAcl(const Descriptor& file, const fs::path& path, const char* name) {
  std::string acl(kAclBytesMax, '\0');
  const ssize_t size = fgetxattr(file.number(), name, acl.data(), acl.size());
  if (size < 0 && errno != ENODATA) return SystemError(path, errno);
  acl.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return acl;
}

// What was inherited at create goes where nothing was kept.
Result<void> SetAcl(const Descriptor& file, const fs::path& path, const char* name, const std::string& acl) {
  const int outcome = acl.empty() ? fremovexattr(file.number(), name)
                                  : fsetxattr(file.number(), name, acl.data(), acl.size(), 0);
  if (outcome != 0) return SystemError(path, errno);
  return {};
}

// Gives the entry's directory `to`, just made, what `from` had, whose `status` is given.
Result<void> CopyDirectory(const fs::path& from, const struct stat& status, const fs::path& to) {
  const Descriptor kept(open(from.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!kept.open()) return SystemError(from, errno);
  const Descriptor made(open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!made.open()) return SystemError(to, errno);
  for (const char* const name : {kAccessAclAttribute, kDefaultAclAttribute}) {
    TRY(SetAcl(made, to, name, TRY(ReadAcl(kept, from, name))));
  }
  // The umask keeps this process's own files private; the entry is not one of them.
  if (fchmod(made.number(), status.st_mode & 07777) != 0) return SystemError(to, errno);
  if (geteuid() == 0 && fchown(made.number(), status.st_uid, status.st_gid) != 0)
    return SystemError(to, errno);
  return {};
}

Result<std::vector<KeptFile>> ReadFiles(const fs::path& directory) {
  std::vector<KeptFile> files;
  for (const Member member : kMembers) {
    const fs::path path = directory / FileName(member);
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open() && errno == ENOENT) continue;
    KeptFile kept{member, {}, {}, {}};
    if (!file.open() || fstat(file.number(), &kept.status) != 0) return SystemError(path, errno);
    kept.acl = TRY(ReadAcl(file, path, kAccessAclAttribute));
    kept.bytes = TRY(ReadSecret(file.number(), path, kFileBytesMax));
    files.push_back(std::move(kept));
  }
  return files;
}

// Writes a kept file into `directory`, with the owner, mode and ACL that it had. Where it replaces a live
// file, the mount keeps that one's.
Result<void> Put(const Mount& mount, const fs::path& directory, const KeptFile& kept) {
  const fs::path path = directory / FileName(kept.member);
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kept.status.st_mode & 07777));
  if (!file.open()) return SystemError(path, errno);
  const auto failed = [&](Error error) -> Result<void> {
    return WithRefusal(std::move(error), mount, directory);
  };
  // Only root gives files away; for everybody else what they write is theirs.
  if (geteuid() == 0 && fchown(file.number(), kept.status.st_uid, kept.status.st_gid) != 0)
    return failed(SystemError(path, errno));
  auto listed = SetAcl(file, path, kAccessAclAttribute, kept.acl);
  if (!listed.has_value()) return failed(std::move(listed).error());
  if (fchmod(file.number(), kept.status.st_mode & 07777) != 0) return failed(SystemError(path, errno));
  auto written = WriteAll(file.number(), kept.bytes.Reveal(), path);
  if (!written.has_value()) return failed(std::move(written).error());
  if (close(file.Release()) != 0) return failed(SystemError(path, errno));
  return {};
}

// A pair goes live in one commit, by way of the entry's next/.
Result<void> PutPair(const Mount& mount, const fs::path& entry, const std::vector<KeptFile>& files) {
  return ThroughNext(entry, [&](const fs::path& next) -> Result<void> {
    for (const KeptFile& file : files) TRY(Put(mount, next, file));
    return {};
  });
}

// Whether all of `files` are live already.
bool AreLive(const fs::path& entry, const std::vector<KeptFile>& files) {
  const auto live = ReadFiles(entry);
  if (!live.has_value()) return false;
  return std::all_of(files.begin(), files.end(), [&](const KeptFile& kept) {
    return std::any_of(live.value().begin(), live.value().end(), [&](const KeptFile& file) {
      return file.member == kept.member && EqualSecrets(file.bytes.Reveal(), kept.bytes.Reveal());
    });
  });
}

// Names the packages that nobody can open once the live key has given way to the kept one.
void WarnOfKey(const Mount& mount, const fs::path& entry, const std::vector<KeptFile>& files) {
  for (const KeptFile& file : files) {
    if (file.member != Member::kKey) continue;
    const auto read = ReadKeyFile(file.bytes.Reveal());
    if (!read.has_value()) return;
    const auto half = PublicKey::Of(read.value().key);
    if (half.has_value()) WarnOfPackages("certfs", mount, entry, half.value().der());
  }
}

Result<ExitCode> Revert(const RevertCommandOptions& options) {
  ProtectProcess();
  const EntryName name = TRY(ParseEntryName(options.entry));
  const Mount mount = TRY(ChooseMount(options.mount));
  const fs::path stores = StoresOf(mount);
  const fs::path kept = TRY(FindKept(stores, name));
  const std::vector<KeptFile> files = TRY(ReadFiles(kept));
  const fs::path entry = stores / name.store.text() / name.alias.text();
  if (AreLive(entry, files)) {
    std::cout << options.entry << ": every file of its state before the last change is live; nothing to do\n";
    return ExitCode::kOk;
  }
  WarnOfKey(mount, entry, files);
  struct stat status {};
  if (stat(kept.c_str(), &status) != 0) return SystemError(kept, errno);
  const bool made = mkdir(entry.c_str(), status.st_mode & 07777) == 0;
  if (!made && errno != EEXIST) return SystemError(entry, errno);

  Result<void> outcome;
  if (made) outcome = CopyDirectory(kept, status, entry);
  if (!outcome.has_value()) {
    // Nothing is written where its rights are not what they were.
  } else if (files.size() == 2) {
    outcome = PutPair(mount, entry, files);
  } else {
    for (const KeptFile& file : files) {
      outcome = Put(mount, entry, file);
      if (!outcome.has_value()) break;
    }
  }
  if (!outcome.has_value()) {
    if (made) rmdir(entry.c_str());
    return std::move(outcome).error();
  }
  std::cout << options.entry << ": reverted to the state before its last change\n";
  return ExitCode::kOk;
}

}  // namespace

void AddRevertCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("revert", "Put back the state of an entry before its last change");
  auto options = std::make_shared<RevertCommandOptions>();
  command->add_option("ENTRY", options->entry, "The entry, STORE/ALIAS")->required();
  command->add_option("--mount", options->mount, "The mount to use; needed only when there are several");
  command->footer(
      "The state is that which BACKUP_STORE keeps; a pair goes live in one step. A revert is itself a "
      "change, so\n"
      "that reverting twice is as good as not at all.\n\nExample: certfs revert "
      "MACHINE_SSL_CERT/__MACHINE_CERT");
  command->callback([options, &action] { action = [options] { return Revert(*options); }; });
}

}  // namespace certfs
