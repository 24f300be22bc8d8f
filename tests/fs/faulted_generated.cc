// What is generated: every view, by the table of views; every file of status/, by its table; the backup.

#include <algorithm>

#include "fs/volume/status_files.h"
#include "store/view.h"
#include "tests/fs/faulted_operations.h"

namespace certfs::test {

namespace {

using Effect = FaultedOperation::Effect;
using At = FaultedVolume&;

constexpr auto kHashed = "export/TRUSTED_ROOTS/hashed";

// Something for every view to show: a pair with a request beside it, and a password.
void FurnishForAll(At at) {
  Furnish(at);
  Must(at.MakeDirectory(kRoot, "stores/machine/web/next"));
  Must(at.Put(kRoot, "stores/machine/web/next/request.cfg",
              "Name = web.example.com\nHostname = web.example.com\n"));
  SetPassword(at);
}
void FurnishForBackup(At at) {
  Furnish(at);
  SetPassword(at);
}

std::string PathOf(const View& view) {
  const std::string name(view.name);
  switch (view.place) {
    case ViewPlace::kEntry:
      return "export/machine/web/" + name;
    case ViewPlace::kStore:
      return "export/machine/" + name;
    case ViewPlace::kTrustStore:
      return "export/TRUSTED_ROOTS/" + name;
    case ViewPlace::kExport:
      return "export/" + name;
    case ViewPlace::kHashed:
      break;
  }
  return kHashed;
}

// All of one kind: their names are hashes.
Result<std::string> ReadHashed(At at, ViewKind kind) {
  const NodeId directory = TRY(at.tree.Find(kRoot, kHashed)).id;
  std::vector<std::string> names;
  TRY(at.tree.volume.List(kRoot, directory, 0, [&](const DirectoryItem& item) {
    if (item.node.id.view_kind() == static_cast<std::uint8_t>(kind)) names.emplace_back(item.name);
    return true;
  }));
  if (names.empty()) return Error(ErrorCode::kNotFound, "there is no such view");
  std::sort(names.begin(), names.end());
  std::string all;
  for (const std::string& name : names) all += TRY(at.tree.Get(kRoot, std::string(kHashed) + "/" + name));
  return all;
}

}  // namespace

void AddGenerated(std::vector<FaultedOperation>& operations) {
  for (const View& view : ViewTable()) {
    const ViewKind kind = view.kind;
    std::string path = PathOf(view);
    FaultedOperation operation{path, FurnishForAll, {}, Effect::kReads};
    if (view.place == ViewPlace::kHashed) {
      operation.name += ", kind " + std::to_string(static_cast<int>(kind));
      operation.act = [=](At at) { return ReadHashed(at, kind); };
    } else {
      operation.act = [=](At at) { return at.tree.Get(kRoot, path); };
    }
    // Sizes that were found stay at hand. A password that was stretched does so, too, and takes long.
    operation.once = !view.encrypted;
    operations.push_back(std::move(operation));
  }
  // Without a directory there is no audit log, and audit.jsonl is empty: audit_test has it fail.
  for (const StatusFile& file : StatusFiles()) {
    const std::string path = "status/" + std::string(file.name);
    operations.push_back({path, Furnish, [=](At at) { return at.tree.Get(kRoot, path); }, Effect::kTells});
  }
  // Whoever reads the manifest has the whole backup written, for a password that is stretched each time.
  constexpr std::size_t kBackupStride = 7;
  for (const char* const path : {"backup/keystore.cms", "backup/manifest.json"}) {
    operations.push_back({path, FurnishForBackup, [=](At at) { return at.tree.Get(kRoot, path); },
                          Effect::kReads, false, kBackupStride});
  }
}

}  // namespace certfs::test
