// The file that an audit log is appended to: found, locked against other processes, mended after a crash,
// rotated. Private to store/.
//
// Thread-safety: none; AuditLog's mutex guards it. Errors: kNoSpace, kIo.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "crypto/base/result.h"
#include "store/audit_anchor.h"
#include "store/audit_format.h"
#include "store/files.h"

namespace certfs {

class AuditFile {
 public:
  // `anchor`, which outlives it, is what the manifest knows.
  AuditFile(const std::filesystem::path& directory, const AuditCipher& cipher, const AuditAnchor& anchor);

  // Keeps other processes from appending until Unlock, and catches up with what they have appended. What a
  // crash tore behind the last line that is vouched for is cut off.
  Result<void> Lock();
  void Unlock();

  // Sees whether `anchored`, which is not behind head(), is in the log as it was anchored; `before` is a
  // place to look from. Where it is not, the next line has to say so: mended() has the words, and that line
  // follows `anchored` instead of what is there, so that whoever verifies the log finds it ever after.
  Result<void> Check(const AuditPosition& anchored, const AuditPosition& before);

  // The newest line. Precondition, of these and of all below: it is locked, or was since the last line.
  const AuditPosition& head() const noexcept { return head_; }
  // What Lock had to mend, in words; empty for nothing. Kept until it was written down.
  const std::string& mended() const noexcept { return mended_; }
  void ForgetMended() { mended_.clear(); }

  // Appends line `head().number + 1`. After a failure nothing of it is there.
  Result<void> Append(std::string_view line);

  // Puts a new file in its place, which begins with the next line. After kNoSpace the old one is still there.
  Result<void> Rotate();

  // Null only before it was locked for the first time.
  std::shared_ptr<const Descriptor> file() const noexcept { return file_; }

 private:
  struct Found {
    AuditPosition end;      // Of the newest line that can be opened.
    std::uint64_t bad = 0;  // Bytes behind it that are no lines.
    bool known = false;     // The newest line of before is there as it was; false where that is not told.
  };

  Result<void> OpenCurrent();
  Result<bool> IsCurrent(std::uint64_t& size) const;
  Result<void> CatchUp(std::uint64_t size);
  // Opens what there is behind `from`.
  Result<Found> Look(AuditPosition from, std::uint64_t size) const;
  // Whether a line is there as it was; audit.log begins with line `current`.
  Result<bool> Holds(const AuditPosition& line, const AuditPosition& before, std::uint64_t current) const;
  void Mend(const std::string& what);
  void Miss(const AuditPosition& line);
  // The best place to begin to look from.
  Result<AuditPosition> Beginning(std::uint64_t first, std::uint64_t size) const;
  // The newest line that is known to have been there.
  AuditPosition Known() const;
  Result<AuditPosition> EndOfOthers() const;
  // Makes an audit.log that begins behind `before`, unless another process was faster.
  Result<void> Create(const AuditPosition& before);
  Result<std::shared_ptr<const Descriptor>> MakeBeside(const std::filesystem::path& beside,
                                                       std::uint64_t first) const;
  Result<void> Take(std::shared_ptr<const Descriptor> file);
  void Reserve();
  void ClearBeside() const;

  const std::filesystem::path directory_;
  const std::string path_;  // Of audit.log in it.
  const AuditCipher& cipher_;
  const AuditAnchor& anchor_;
  std::shared_ptr<const Descriptor> file_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  bool located_ = false;  // head_ is about this file.
  AuditPosition head_;
  std::uint64_t reserved_ = 0;  // Up to which offset there is room on the disk.
  std::string mended_;
};

}  // namespace certfs
