#include "store/opened_keystore.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "store/files.h"
#include "store/owner_rights.h"

namespace certfs {

namespace {

constexpr auto kDataName = "data.mdb";
constexpr auto kDataNameNew = "data.mdb.new";

// Loads and unlocks the header, unless it is the one that `known` was unlocked from.
Result<UnlockedHeader> UnlockAgain(const std::filesystem::path& directory, const UnlockSecret& secret,
                                   std::optional<UnlockedHeader> known) {
  Header header = TRY(Header::Load(directory));
  if (known && known->header().bytes() == header.bytes()) return *std::move(known);
  return UnlockedHeader::Open(std::move(header), secret);
}

// What was written anew, to be given to whoever has the old one: it is to be the file that he could have
// written, whatever he has put in its place since.
Result<Descriptor> OpenNewData(const std::filesystem::path& directory) {
  const auto rights = TRY(OwnerRights::Take(directory));
  return OpenRegularFile(rights->directory() / kDataNameNew, O_WRONLY);
}

}  // namespace

Result<OpenedKeystore> OpenShared(const std::filesystem::path& directory, const UnlockSecret& secret) {
  // Stretching a passphrase takes its time, in which nobody is kept waiting.
  std::optional<UnlockedHeader> known = TRY(UnlockAgain(directory, secret, std::nullopt));
  for (bool first = true;; first = false) {
    auto lock = TRY(DirectoryLock::Share(directory));
    UnlockedHeader header = TRY(UnlockAgain(directory, secret, std::move(known)));
    // Nobody can be writing there at the moment.
    unlink((directory / kDataNameNew).c_str());
    auto table = TRY(SealedTable::Open(directory, TRY(header.Keys())));
    if (!first || !TRY(table->ReadManifestFacts()).rewrite_pending)
      return OpenedKeystore{std::move(lock), std::move(header), std::move(table)};
    table.reset();
    lock.reset();
    // A full disk, say, is no reason not to open.
    static_cast<void>(RewriteIfAlone(directory, header).has_value());
    known = std::move(header);
  }
}

Result<void> RewriteData(const std::filesystem::path& directory, RootKeys keys) {
  const std::filesystem::path beside = directory / kDataNameNew;
  unlink(beside.c_str());
  const auto rewrite = [&]() -> Result<void> {
    {
      const auto table = TRY(SealedTable::Open(directory, std::move(keys)));
      TRY(table->WriteAnew(beside));
    }
    const Descriptor file = TRY(OpenNewData(directory));
    TRY(KeepOwner(file.number(), directory / kDataName));
    if (fsync(file.number()) != 0) return SystemFailure("sync " + beside.string(), errno);
    if (rename(beside.c_str(), (directory / kDataName).c_str()) != 0)
      return SystemFailure("rename " + beside.string(), errno);
    return SyncDirectory(directory);
  };
  auto rewritten = rewrite();
  if (!rewritten.has_value()) unlink(beside.c_str());
  return rewritten;
}

Result<bool> RewriteIfAlone(const std::filesystem::path& directory, const UnlockedHeader& header) {
  const auto lock = TRY(DirectoryLock::TryAlone(directory));
  if (!lock) return false;
  // Somebody may have been alone with it since.
  if (TRY(Header::Load(directory)).bytes() != header.header().bytes()) return false;
  const bool pending =
      TRY(TRY(SealedTable::Open(directory, TRY(header.Keys())))->ReadManifestFacts()).rewrite_pending;
  if (pending) TRY(RewriteData(directory, TRY(header.Keys())));
  return true;
}

}  // namespace certfs
