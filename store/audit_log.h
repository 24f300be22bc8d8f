// The audit log of a keystore's directory: who read a key, and who changed what (store/README.md, "The audit
// log").
//
// A line is in the kernel's hands when Append returns, so that it survives the end of this process, and on
// disk within 100 ms: those of that time share one sync. Each line names the digest of the one before; what
// is on disk goes into the manifest with every commit of the keystore, after a thousand lines, a minute after
// a line, and at the end. More than one process may append.
//
// Thread-safety: any thread. Ownership: an AuditLog owns a thread from its first line on, which ends with it;
// it borrows the table that it anchors itself in. Errors, of whatever writes: kNoSpace, kReadOnly and kIo
// ("audit-log") when a line cannot be written, or one of before could not be brought to disk: then what was
// to be noted must not happen. kNoMemory where there is no thread.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/sealing.h"
#include "store/audit_anchor.h"
#include "store/audit_event.h"

namespace certfs {

class AuditCipher;
class AuditFile;
class AuditText;
class SecondThread;

// How large a log becomes. Where a file would be larger it is rotated; then the oldest ones go, as many as
// there are too many of. Each file takes a descriptor of whoever reads the log.
struct AuditLimits {
  std::uint64_t file_bytes = std::uint64_t{16} << 20;
  std::size_t files = 8;
};

// What an audit log needs of the keystore that it belongs to.
struct AuditAnchorage {
  std::function<Result<AuditAnchor>()> read;
  // Makes it what the manifest knows, as AuditAnchor::Advance does.
  std::function<Result<void>(const AuditAnchor&)> write;
};

class AuditLog {
 public:
  using Clock = std::function<Time()>;

  // Nothing is read or written before it is needed. `key` is of 32 bytes; `known` is what the manifest knows.
  AuditLog(std::filesystem::path directory, StoreId store_id, SecretBytes key, const AuditAnchor& known,
           AuditAnchorage anchorage, Clock clock);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // Writes a line. Returns its number.
  Result<std::uint64_t> Append(const AuditEvent& event);

  // What of the log is known to be on disk, for whoever is about to commit.
  AuditAnchor Durable() const;

  // Takes in what the manifest knows, which another process may have anchored; before anything else is
  // anchored in its place. Where the log holds another line than the anchored one, a line says so, and breaks
  // the chain. Called within a transaction that writes.
  Result<void> Learn(const AuditAnchor& known);

  // Without any a log grows, and nothing is dropped: a tool does not know what the mount is to keep.
  void SetLimits(AuditLimits limits);

  // The log as it is at this moment, in the clear.
  Result<std::shared_ptr<const AuditText>> Text();

  // Brings every line to disk, drops what is too much, and anchors the rest, at once: what the thread does by
  // itself. Not to be called within a change of the keystore.
  Result<void> Settle();

  // A commit has anchored everything up to `last`.
  void NoteAnchored(const AuditPosition& last);

  // For VerifyAudit.
  const std::filesystem::path& directory() const noexcept { return directory_; }
  const AuditCipher& cipher() const noexcept { return *cipher_; }
  Result<AuditAnchor> ReadAnchor() const { return anchorage_.read(); }

 private:
  using Moment = std::chrono::steady_clock::time_point;

  // Preconditions, of all below: the mutex is held, of Write and Begin the file is locked.
  // Null for nothing but what Begin has to say.
  Result<std::uint64_t> AppendHeld(const AuditEvent* event);
  Result<void> Start();
  void NoteAnchoredHeld(const AuditPosition& last);
  Result<void> Begin();
  Result<void> Write(const AuditEvent& event);
  // What the thread does (audit_sync.cc). Each gives the mutex up while the disk or the keystore is at work.
  void Run();
  void Wait(std::unique_lock<std::mutex>& lock);
  Result<void> Sync(std::unique_lock<std::mutex>& lock);
  // A sync of everything up to `head` has ended with `code`.
  Result<void> NoteSynced(const AuditPosition& head, int code);
  Result<void> WriteAnchor(std::unique_lock<std::mutex>& lock);
  Result<void> DropOldest(std::unique_lock<std::mutex>& lock);
  Result<void> DropFiles(std::unique_lock<std::mutex>& lock);
  bool IsSynced() const;
  bool AnchorIsDue() const;

  const std::filesystem::path directory_;
  const std::shared_ptr<const AuditCipher> cipher_;
  const AuditAnchorage anchorage_;
  const Clock clock_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;  // Guarded by mutex_, as all below.
  std::optional<AuditLimits> limits_;
  std::unique_ptr<AuditFile> file_;  // Where lines go; null before the first one.
  AuditAnchor durable_;
  AuditPosition anchored_;            // The last line that this process has seen anchored.
  std::optional<Moment> unanchored_;  // Since when there is one that is not.
  std::optional<Error> failed_;       // Why lines could not be brought to disk.
  bool rotated_ = false;              // There may be too many files.
  bool dropping_ = false;             // The oldest files are being removed.
  bool asleep_ = false;               // The thread waits for a line.
  std::unique_ptr<SecondThread> thread_;

  std::mutex text_mutex_;
  std::shared_ptr<const AuditText> text_;  // Guarded by text_mutex_.
};

}  // namespace certfs
