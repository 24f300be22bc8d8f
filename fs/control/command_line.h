// One command as it is written to ca/control: a line of words and options, and what follows the line. Private
// to fs/.
//
// Words are separated by spaces; double quotes keep one with spaces together, in which \" and \\ stand for
// these characters. A word that begins with two dashes is an option, `--name` or `--name=value`. What follows
// the first newline is the payload.
//
// Thread-safety: values. Ownership: the payload borrows what was parsed. Errors: kMalformed ("control") with
// what is wrong.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs::control {

// The most that one command may hold, payload included. The kernel hands over a write of so many bytes in
// one piece wherever they begin in the writer's memory, and a page more it may not.
inline constexpr std::size_t kCommandBytesMax = (std::size_t{1} << 20) - 4096;

// A command that is not one: its error.
Error Wrong(std::string reason);

struct Option {
  std::string name;  // Without the dashes.
  std::optional<std::string> value;
};

struct CommandLine {
  static Result<CommandLine> Parse(BytesView bytes);

  std::vector<std::string> words;  // The command first; never empty.
  std::vector<Option> options;     // In their order.
  BytesView payload;               // Empty where nothing but white space follows the line.

  // The argument behind the command, or the one behind that; empty where there is none.
  std::string Word(std::size_t index) const { return index < words.size() ? words[index] : std::string(); }
  bool Has(std::string_view option) const;
  // The value of an option that is given at most once; nothing where it is not given.
  std::optional<std::string> Value(std::string_view option) const;
  std::vector<std::string> Values(std::string_view option) const;
  // The same as a number from `min` to `max`; `unit`, where it is not NUL, may stand behind it ("30d").
  Result<std::optional<std::uint64_t>> Number(std::string_view option, std::uint64_t min, std::uint64_t max,
                                              char unit = '\0') const;
};

Result<std::uint64_t> ParseNumber(std::string_view text, std::uint64_t min, std::uint64_t max);

}  // namespace certfs::control
