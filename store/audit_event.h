// What a line of the audit log says, and who asks for what is being done (store/README.md, "The audit log").
//
// Thread-safety: an AuditEvent is a value; an AuditedRequest belongs to the thread that made it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/error.h"
#include "store/entry.h"

namespace certfs {

// Whose process it was. What cannot be told is empty.
struct AuditActor {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::int32_t> pid;        // The process, not the thread.
  std::optional<std::string> executable;  // As the kernel names it, where that is shown to us.
  std::string program;                    // What the process calls itself: not to be trusted.
};

// One entry in one revision.
struct AuditedEntry {
  std::string store;
  std::string alias;  // Empty for a store itself.
  std::optional<Revision> revision;
};

struct AuditEvent {
  std::string operation;            // "read", "write", "remove" …
  std::optional<std::string> path;  // From the root of the mount; nothing for what has none.
  std::vector<AuditedEntry> about;  // The first is what the path leads to.
  AuditActor who;
  std::string outcome = "ok";           // Or what the caller got instead: "EPERM".
  std::string rule;                     // Of a refusal by a rule.
  std::string reason;                   // Of a refusal, in words.
  std::optional<std::uint64_t> commit;  // Of a change: the commit that it came with.
  std::string detail;                   // Anything else, in words.
};

// Whoever is asking: known to whoever brings the request, put into words only when a line is written.
class AuditSubject {
 public:
  virtual ~AuditSubject() = default;
  virtual AuditActor Who() const = 0;
  // What a failure is to him.
  virtual std::string OutcomeOf(const Error& error) const { return std::string(ToString(error.code())); }
};

// This process itself.
const AuditSubject& OwnProcess();

// While it lives, what this thread does is done for `subject`: the lines that the keystore writes of its
// changes take from it who asked, and for what. They nest; the innermost one counts.
class AuditedRequest {
 public:
  // `subject` outlives it.
  AuditedRequest(const AuditSubject& subject, std::string operation, std::optional<std::string> path);
  // A part of the request around it, or of this process where there is none.
  AuditedRequest(std::string operation, std::optional<std::string> path);
  ~AuditedRequest();
  AuditedRequest(const AuditedRequest&) = delete;
  AuditedRequest& operator=(const AuditedRequest&) = delete;

  // That of this thread; null where there is none.
  static AuditedRequest* Current();

  const AuditSubject& subject() const { return subject_; }

  // A line of it, still without what it came to.
  AuditEvent Event() const;
  std::string OutcomeOf(const Error& error) const { return subject_.OutcomeOf(error); }

  // Words for its lines, which the outermost request does not know.
  void Describe(std::string detail) { detail_ = std::move(detail); }

  // Whether it has a line already: a change that was refused further out is not told twice.
  bool noted() const { return noted_; }
  void Noted();

 private:
  const AuditSubject& subject_;
  const std::string operation_;
  const std::optional<std::string> path_;
  std::string detail_;
  AuditedRequest* const outer_;
  bool noted_ = false;
};

}  // namespace certfs
