// Asking the certificate authority of a mount: one command written to ca/control, one JSON object read back.
// fs/README.md, "ca/control", is the table of commands and answers.
//
// Thread-safety: one command, one thread; several may ask at once. Ownership: what is sent is wiped, because
// it may be a key. Errors of the mount carry its words and the id of the rule that refused; kNotFound where
// there is no ca/ to ask, with what to do about it.

#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "tools/mounts.h"

namespace certfs {

using Json = nlohmann::ordered_json;

class ControlCommand {
 public:
  explicit ControlCommand(std::string_view verb) : line_(verb) {}

  // Each returns the command itself. Words are quoted where they have to be.
  ControlCommand& Word(std::string_view word);
  ControlCommand& Flag(std::string_view name);                            // --name
  ControlCommand& Option(std::string_view name, std::string_view value);  // --name=value
  ControlCommand& Option(std::string_view name, std::uint64_t value);
  // Adds to what follows the line.
  ControlCommand& Payload(BytesView bytes);

  const std::string& line() const noexcept { return line_; }
  BytesView payload() const noexcept { return payload_.Reveal(); }

 private:
  void Append(std::string_view text);

  std::string line_;
  SecretBytes payload_;
};

// Has the authority of `mount` do `command`, and returns its answer.
//
// Errors: those of the command; kInvalidArgument for a word with a line break; kTooLarge over 1 MiB less 4
// KiB.
Result<Json> Ask(const Mount& mount, const ControlCommand& command);

// The directory ca/ of `mount`. kNotFound where the mount shows the stores alone.
Result<std::filesystem::path> AuthorityOf(const Mount& mount);

// Fields of an answer: empty, 0 or null where they are not there or of another type, so that a newer mount's
// answer can be read by an older tool.
std::string TextOf(const Json& object, std::string_view field);
std::uint64_t NumberOf(const Json& object, std::string_view field);
const Json& FieldOf(const Json& object, std::string_view field);

}  // namespace certfs
