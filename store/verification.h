// What reading a whole keystore found: every record, and every node of the trees that lead to them.
//
// Thread-safety: values.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace certfs {

// Something that is not what was stored.
struct Damage {
  std::string subject;  // "machine/web/cert.pem"; "machine" for an entry of it that cannot be named.
  std::string detail;   // How it shows.
};

struct VerificationReport {
  // What was read and is whole.
  std::uint64_t stores = 0;
  std::uint64_t entries = 0;  // Staged ones and those of BACKUP_STORE included.
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;   // Of these.
  std::uint64_t issued = 0;  // Lines of the authority's ledger.
  // Records that nothing leads to: what somebody put there beside certfs, or what damage cut off.
  std::uint64_t unreferenced = 0;
  std::vector<Damage> damages;
};

// Told how many records there are to read, about, and how many of them were read.
using VerificationProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

}  // namespace certfs
