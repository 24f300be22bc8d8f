#include "fs/volume/drop.h"

#include <algorithm>
#include <array>

#include "fs/volume/scratch.h"

namespace certfs {

namespace {

struct Ending {
  Fixed directory;
  std::string_view text;
  DropKind kind;
};
constexpr std::array kEndings{
    Ending{Fixed::kRequests, ".csr", DropKind::kRequest},
    Ending{Fixed::kRequests, ".cfg", DropKind::kConfig},
    Ending{Fixed::kProfiles, ".toml", DropKind::kProfile},
};
constexpr std::size_t kProfileNameBytesMax = 64;

bool IsProfileName(std::string_view name) {
  return name.size() <= kProfileNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_';
         });
}

}  // namespace

bool IsDropDirectory(NodeId directory) {
  return directory.fixed() == Fixed::kRequests || directory.fixed() == Fixed::kProfiles;
}

Result<std::optional<DropName>> ParseDropName(NodeId directory, std::string_view name) {
  std::optional<DropName> found;
  // The temporary file of rsync and the like, whatever it is of.
  if (name.starts_with('.') || name.starts_with('#')) return found;
  for (const Ending& ending : kEndings) {
    if (directory.fixed() != ending.directory || !name.ends_with(ending.text)) continue;
    const std::string_view stem = name.substr(0, name.size() - ending.text.size());
    if (ending.kind == DropKind::kProfile) {
      if (stem.empty() || !IsProfileName(stem))
        return Error(ErrorCode::kMalformed, "profile", "a profile is named by letters, digits, - and _");
    } else {
      TRY(Alias::Parse(stem));
      const auto serial = ParseSerialNumber(stem);
      if (serial && ToText(*serial) == FoldName(stem)) {
        return Error(ErrorCode::kMalformed, "pickup-name",
                     "a serial number is no name: ca/issued/ shows the certificate of that number by it");
      }
    }
    found = DropName{ending.kind, std::string(stem)};
  }
  return found;
}

bool IsDropScratchName(std::string_view name) {
  if (IsScratchName(name)) return true;
  return std::any_of(kEndings.begin(), kEndings.end(), [&](const Ending& ending) {
    // "web.csr~", "web.csr.AbC123", "web.csr-".
    const std::size_t at = name.rfind(ending.text);
    if (at == std::string_view::npos || at + ending.text.size() >= name.size()) return false;
    const char next = name[at + ending.text.size()];
    return next == '~' || next == '.' || next == '-';
  });
}

std::optional<SerialNumber> TakenRequests::Find(std::uint32_t uid, const std::string& name,
                                                const Digest& bytes, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find({uid, name});
  if (found == taken_.end() || found->second.when + kScratchKept < now || found->second.bytes != bytes)
    return std::nullopt;
  return found->second.serial;
}

void TakenRequests::Add(std::uint32_t uid, const std::string& name, const Digest& bytes,
                        const SerialNumber& serial, Instant now) {
  const std::lock_guard lock(mutex_);
  if (taken_.size() >= kMax) taken_.clear();
  taken_[{uid, name}] = {bytes, serial, now};
}

void TakenRequests::DropExpired(Instant now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(taken_, [&](const auto& each) { return each.second.when + kScratchKept < now; });
}

}  // namespace certfs
