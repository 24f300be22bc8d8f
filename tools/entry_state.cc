#include "tools/entry_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "crypto/pem.h"
#include "crypto/sealing.h"
#include "tools/system.h"

namespace certfs {

namespace {

bool IsGone(int error) { return error == ENOENT || error == ENOTDIR || error == ESTALE; }

std::string TextOf(const Digest& digest) { return "sha256 " + std::string(AsText(digest)); }

// The SHA-256 of a public file; nothing when the caller may not read it, or it went meanwhile.
Result<std::optional<EntryState::Seen>> ReadPublic(const std::filesystem::path& path) {
  const std::optional<EntryState::Seen> nothing;
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!file.open() && (errno == EACCES || IsGone(errno))) return nothing;
  if (!file.open() || fstat(file.number(), &status) != 0) return SystemError(path, errno);
  Bytes bytes;
  std::array<std::uint8_t, 65536> chunk;
  while (bytes.size() <= kFileBytesMax) {
    const ssize_t got = read(file.number(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, errno);
    if (got == 0) break;
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + got);
  }
  return std::optional(EntryState::Seen{status.st_ino, TextOf(Sha256({bytes}))});
}

Result<std::optional<EntryState::Seen>> See(const std::filesystem::path& path, Member member,
                                            const EntryState& before) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    // Who may not enter the directory sees of it what somebody sees who comes when it is gone.
    if (IsGone(errno) || errno == EACCES) return std::optional<EntryState::Seen>();
    return SystemError(path, errno);
  }
  const auto known = before.files.find(member);
  if (known != before.files.end() && known->second.inode == status.st_ino)
    return std::optional(known->second);
  if (!IsKeyMaterial(member)) {
    if (auto seen = TRY(ReadPublic(path))) return seen;
  }
  return std::optional(EntryState::Seen{status.st_ino, "inode " + std::to_string(status.st_ino)});
}

}  // namespace

Result<EntryState> ReadEntryState(const std::filesystem::path& directory, const EntryState& before) {
  EntryState state;
  for (const Member member : {Member::kCertificate, Member::kKey, Member::kRevocationList, Member::kSecret}) {
    if (auto seen = TRY(See(directory / FileName(member), member, before)))
      state.files.emplace(member, *std::move(seen));
  }
  return state;
}

bool IsNews(const EntryState& before, const EntryState& now) {
  const bool had_certificate = before.files.contains(Member::kCertificate);
  const bool has_certificate = now.files.contains(Member::kCertificate);
  return std::any_of(now.files.begin(), now.files.end(), [&](const auto& file) {
    const auto old = before.files.find(file.first);
    if (old == before.files.end()) return true;
    // Beside a certificate the key is that certificate's. One whose certificate was removed is of another
    // revision, but most likely the same; whoever brings it a certificate brings the news.
    if (file.first == Member::kKey && (had_certificate || has_certificate)) return false;
    return old->second.content != file.second.content;
  });
}

}  // namespace certfs
