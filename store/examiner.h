// Another process that looks at a data.mdb before this one trusts LMDB with it (store/README.md, "Before
// LMDB"). It holds no keys and may do nothing but read that one file: what a made-up file could talk it into
// ends there.
//
// A small process, the examiner, is forked before there is anything worth knowing in memory. It waits; for
// each request it forks one that shuts itself in, walks over the file, says what it found, and ends. It ends
// itself when the last process that could ask it has.
//
// Thread-safety: any thread, and any process that was forked since. Ownership: none; it lives as long as the
// process. Errors: kIo where the examiner cannot be started, has died, cannot be shut in by
// seccomp, or does not answer in time; and those of the walk: kCorrupt, kBusy, kIo, kNoMemory.

#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "crypto/base/result.h"

namespace certfs {

// Starts the examiner, unless it runs already. Call before the first secret is in memory, and before a filter
// of system calls forbids it: fork(2) copies what there is. Whoever never calls it has it started when a
// keystore is first opened.
Result<void> StartExaminer();

// The descriptor by which it is asked, for whoever closes all others; -1 where there is none.
int ExaminerDescriptor() noexcept;
// Its process; -1 where there is none. For tests.
pid_t ExaminerProcess() noexcept;

enum class Extent : std::uint8_t {
  kMetas,  // What LMDB needs to open the file, and to begin a transaction.
  kPages   // What it needs to do anything else.
};

// An examination that is under way.
//
// Thread-safety: none. Ownership: owns what the answer comes by; whoever drops it wants none.
class Examination {
 public:
  Examination(int answer, std::chrono::milliseconds patience);
  ~Examination();
  Examination(const Examination&) = delete;
  Examination& operator=(const Examination&) = delete;

  // Waits until all is sound save the contents of files, of which nothing is known yet. Returns whether these
  // are left to wait for.
  Result<bool> AwaitFirst();
  // Waits for the end.
  Result<void> AwaitEnd();

 private:
  const int answer_;
  const std::chrono::milliseconds patience_;
  const std::chrono::steady_clock::time_point end_;
};

// Has `file`, which is open for reading, examined. Whoever waits does so for as long as `patience` says, by
// default half a minute and a second for each 4 MiB that the disk holds of it: a disk that seeks for every
// page.
Result<std::unique_ptr<Examination>> BeginExamination(
    int file, Extent extent, std::optional<std::chrono::milliseconds> patience = std::nullopt);
// The same, to its end.
Result<void> Examine(int file, Extent extent,
                     std::optional<std::chrono::milliseconds> patience = std::nullopt);

}  // namespace certfs
