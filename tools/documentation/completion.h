// What shells complete a program's command line by: commands, options and their values; stores and aliases
// from the mount itself, by a look into its directories.
//
// Each is one file on its own: a function that walks along the line to the command that is being given, and
// the tables that it walks by.
//
// Thread-safety: pure functions.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tools/documentation/outline.h"

namespace certfs::documentation {

std::string BashCompletion(const CommandOutline& program);
std::string ZshCompletion(const CommandOutline& program);
std::string FishCompletion(const CommandOutline& program);

// What the three share.

// Calls `visit` with `command` and each below it.
void ForEach(const CommandOutline& command, const std::function<void(const CommandOutline&)>& visit);

// `text` between apostrophes, as bash and zsh read it.
std::string Quoted(const std::string& text);

// The first line of what a command or option is, for a menu.
std::string Brief(const std::string& what);

// `text` with the program's name in the place of @PROGRAM@, and of @@ where it is part of a function's.
std::string Filled(std::string_view text, const std::string& program);

// What stands for a value in the tables: "file", "choices:server client any"; "nothing" where a shell has
// nothing to propose, because an empty word says that an option takes no value.
std::string ValueWord(const OptionOutline& option);

// The program's name as part of a function's: vecs_cli.
std::string Identifier(const std::string& program);

}  // namespace certfs::documentation
