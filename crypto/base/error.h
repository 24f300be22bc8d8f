// Why an operation failed, in words that every room shares.
//
// Thread-safety: values; share them like any other value. Ownership: an Error owns its message.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace certfs {

// One flat list for all rooms, each code named for the caller's question. Callers branch on the code; the
// message is for people and is never parsed or compared. `fs/errno.cc` gives every code its errno.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,   // The caller broke a documented rule of this function.
  kMalformed,         // Outside bytes are not what they should be: PEM, DER, a name, an option.
  kTooLarge,          // Over a documented size limit.
  kRejected,          // A key, certificate, CRL or chain was understood and refused by a rule.
  kExpired,           // Outside its validity: expired, or not yet valid.
  kRevoked,           // Revoked by a CRL that we hold.
  kPasswordRequired,  // Needs a password that nobody has given.
  kNotFound,          // The named object does not exist.
  kAlreadyExists,     // The name is taken.
  kNotADirectory,     // A directory was needed.
  kIsADirectory,      // A file was needed.
  kNotEmpty,          // A directory still holds something.
  kNameTooLong,       // A name is over its limit in bytes.
  kNotPermitted,      // Protected: nobody may do this, or only root.
  kAccessDenied,      // This caller, or this key, is not let in.
  kReadOnly,          // Generated, or kept by certfs itself: never written from outside.
  kCrossStore,        // A rename between two places that only copying can bridge.
  kStale,             // A superseded revision: look the name up again.
  kCancelled,         // The writer died before it had finished.
  kNoSpace,           // The keystore reached its size limit, or the disk is full.
  kNoMemory,          // Locked memory ran out.
  kBusy,              // In use; try again later.
  kUnsupported,       // A format or operation that this version does not know.
  kCorrupt,           // Stored bytes fail their integrity check.
  kIo,                // The operating system refused; the message says what.
  kInternal,          // A defect of certfs.
};

// Returns the stable, lower-case name of `code` ("already-exists"), for logs, tests and --json.
std::string_view ToString(ErrorCode code) noexcept;

// A failure: its code, its reason in words, and where a rule of the rules table decided it, that rule's id.
class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // `rule` must outlive the Error; rule ids are literals of the rules table.
  Error(ErrorCode code, std::string_view rule, std::string message)
      : code_(code), rule_(rule), message_(std::move(message)) {}

  ErrorCode code() const noexcept { return code_; }
  std::string_view rule() const noexcept { return rule_; }
  const std::string& message() const noexcept { return message_; }

  // Returns the same failure with `context` in front: "open keystore: ...".
  Error Within(std::string_view context) &&;

 private:
  ErrorCode code_;
  std::string_view rule_;
  std::string message_;
};

}  // namespace certfs
