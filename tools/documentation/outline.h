// What a program's parser says of its command line, as plain values: what manual pages and completions are
// written from, so that they never say anything else than the program does.
//
// Thread-safety: a pure function over a parser that nobody changes.

#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace certfs::documentation {

// What a shell can propose for a value.
enum class Proposes {
  kNothing,
  kChoices,
  kFile,
  kDirectory,
  kMount,    // The mountpoints of certfs.
  kStore,    // The stores of the mount.
  kAlias,    // The aliases of the store that --store names.
  kEntry,    // STORE/ALIAS.
  kSubject,  // A file, or STORE/ALIAS.
};

// An option, a flag, or an argument that stands alone.
struct OptionOutline {
  std::vector<std::string> names;    // "--mount", "-o"; none of an argument.
  std::string value;                 // What it takes, "FILE"; empty of a flag.
  std::vector<std::string> choices;  // What it takes, where that is one of a few words.
  std::string range;                 // "1 - 36500", where there is one.
  std::string preset;                // What holds if it is not said.
  std::string what;
  std::string group;
  bool required = false;
  bool repeated = false;
  bool value_optional = false;

  bool flag() const { return value.empty(); }
  Proposes proposes() const;
};

struct CommandOutline {
  std::string name;  // "issue"
  std::string path;  // "certfs ca issue"
  std::string what;
  std::string footer;
  std::vector<OptionOutline> arguments;
  std::vector<OptionOutline> options;
  std::vector<CommandOutline> commands;
};

// Hidden options and commands, those of an empty group, are left out.
CommandOutline OutlineOf(const CLI::App& app);

}  // namespace certfs::documentation
