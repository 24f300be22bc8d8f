// Checking the audit log of a keystore: every line from the oldest that is kept to the newest, against each
// other and against what the manifest knows.
//
// Works while others, in this or another process, append to it and rotate it. Costs one reading of the whole
// log, of a mount some 128 MiB by default, and some microseconds a line; memory does not grow with it.
//
// Thread-safety: any thread. Errors: kUnsupported for a keystore without a directory; kIo where the log
// cannot be read at all. What is wrong with its content is a finding, never an Error.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "store/keystore.h"

namespace certfs {

// Something that is not as certfs wrote it.
struct AuditFinding {
  std::uint64_t number = 0;  // The first line that it is about.
  // Whether the manifest vouches for that line. Where it does not, the disk may have lost what was written in
  // the last moments before a power cut; nobody can tell that from somebody who cut it off.
  bool anchored = false;
  std::string what;  // In words, with the number: "line 17 is damaged".
};

struct AuditReport {
  std::uint64_t lines = 0;     // How many were read and are sound by themselves.
  std::uint64_t first = 0;     // The oldest and the newest of them; 0 where there is none.
  std::uint64_t last = 0;      //
  std::uint64_t anchored = 0;  // The newest line that the manifest vouches for; 0 for none.
  std::size_t files = 0;       // How many files the log consists of.
  std::uint64_t bytes = 0;     // What they take on disk.
  // What is left of lines that a crash tore, behind the last one that the manifest vouches for. No finding:
  // the next line cuts it off, and says so.
  std::uint64_t torn_bytes = 0;
  // In the order of the log, kFindingsMax at most; `findings_more` were left out.
  std::vector<AuditFinding> findings;
  std::size_t findings_more = 0;

  static constexpr std::size_t kFindingsMax = 100;
  bool sound() const { return findings.empty(); }
};

Result<AuditReport> VerifyAudit(Keystore& keystore);

}  // namespace certfs
