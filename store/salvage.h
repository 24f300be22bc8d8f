// Saving what is whole of a keystore whose data.mdb is damaged (store/README.md, "Salvaging"): everything
// that still opens is copied into a new keystore. The damaged one is only read, and without LMDB.
//
// Thread-safety: a free function. Memory: some 100 bytes a record of the file, old ones included. Errors:
// those of the header (kNotFound, kAccessDenied, kCorrupt: nothing can be saved without it), kBusy while
// anybody else has the keystore open, kCorrupt where no manifest is left, kIo; and as Keystore::Create.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "store/keystore.h"

namespace certfs {

// What became of something that the damaged keystore held.
enum class Fate : std::uint8_t {
  kRecovered,  // It is as it was.
  kDoubtful,  // It is there, as it was at some time; whether it is the newest state cannot be told, or is not
              // so.
  kDamaged,   // It was there, and its bytes do not verify.
  kLost       // Nothing of it is left.
};
std::string_view ToString(Fate fate) noexcept;  // "recovered"

struct SalvagedItem {
  std::string name;  // "machine/web" for an entry, "machine/web/key.pem" for a file, "machine" for a store.
  Fate fate = Fate::kRecovered;
  std::string detail;  // Of what was not recovered as it was.
};

struct SalvageReport {
  std::vector<SalvagedItem> items;  // Everything, in the order of the new keystore.
  // What makes the whole doubtful, in words; and what is lost without a name.
  std::vector<std::string> doubts;
  std::vector<std::string> losses;
  std::uint64_t commit = 0;  // The newest whose manifest is left.
  std::uint64_t stores = 0;  // What the new keystore has.
  std::uint64_t entries = 0;
  std::uint64_t files = 0;
  std::uint64_t issued = 0;  // Lines of the ledger.
  bool authority = false;
  std::vector<std::string> left_out;  // Recovery certificates that got no slot, and why.

  std::uint64_t Count(Fate fate) const;
};

// Told how many of `total` bytes were read.
using SalvageProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Copies what is whole of the keystore in `damaged`, which `secret` opens, into a new one in `directory`,
// which `new_secret` opens, and the recovery certificates of the old one. Its id and its keys are new. What
// damage took is named in the report; the audit log stays with the old one. What has lost its own owner gets
// `owner`. The new one is like any other: a backup of it can be restored.
Result<SalvageReport> SalvageKeystore(const std::filesystem::path& damaged, const UnlockSecret& secret,
                                      const std::filesystem::path& directory, const UnlockSecret& new_secret,
                                      Actor owner, const Keystore::Clock& clock,
                                      const SalvageProgress& progress = {});

}  // namespace certfs
