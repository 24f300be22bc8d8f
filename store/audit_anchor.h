// Where the audit log stands, as the manifest knows it (store/README.md, "The audit log").
//
// Thread-safety: values.

#pragma once

#include <cstdint>

#include "crypto/base/bytes.h"

namespace certfs {

// The end of a line.
struct AuditPosition {
  std::uint64_t number = 0;   // Of the line; 0 before the first one.
  Digest digest{};            // SHA-256 over the line; zeros before the first one.
  std::uint64_t segment = 0;  // The number of the first line of the file that it lies in, and
  std::uint64_t offset = 0;   // where in that file it ends: hints, which are checked before they are used.

  friend bool operator==(const AuditPosition&, const AuditPosition&) = default;
};

struct AuditAnchor {
  std::uint64_t first = 0;  // The oldest line that is kept; 0 while none was anchored.
  Digest before{};          // What that line names as the one before it.
  AuditPosition last;       // The newest line that is known to be on disk.

  // Takes over what `other` knows and this one does not. Neither end ever goes back.
  void Advance(const AuditAnchor& other) {
    if (other.first > first) {
      first = other.first;
      before = other.before;
    }
    if (other.last.number > last.number) last = other.last;
  }
  friend bool operator==(const AuditAnchor&, const AuditAnchor&) = default;
};

}  // namespace certfs
