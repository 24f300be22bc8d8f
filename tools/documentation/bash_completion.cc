#include <string_view>

#include "tools/documentation/completion.h"

namespace certfs::documentation {

namespace {

// Finds the mounts and looks into them. A mount whose daemon died answers at once, with an error.
constexpr std::string_view kMounts = R"sh(
# The mounts that may be meant: the one that --mount or CERTFS_MOUNT names, or all.
_@@_mounts() {
  local source directory type rest
  if [[ $mount ]]; then printf '%s\n' "$mount"; return; fi
  if [[ $CERTFS_MOUNT ]]; then printf '%s\n' "$CERTFS_MOUNT"; return; fi
  while read -r source directory type rest; do
    [[ $type == fuse.certfs ]] && printf '%b\n' "$directory"
  done 2>/dev/null </proc/self/mounts
}

# The directories below $1 of the stores, a name a line.
_@@_names() {
  local directory path
  while IFS= read -r directory; do
    [[ -d $directory/stores ]] && directory+=/stores
    for path in "$directory/$1"*/; do
      [[ -d $path ]] || continue
      path=${path%/}
      printf '%s\n' "${path##*/}"
    done
  done < <(_@@_mounts)
}
)sh";

constexpr std::string_view kEngine = R"sh(
# Takes the lines of standard input that begin with the word, each with $1 in front and $2 behind it.
_@@_take() {
  local line
  while IFS= read -r line; do
    [[ $1$line == "$word"* ]] || continue
    printf -v line '%q' "$1$line"
    COMPREPLY+=("$line$2")
  done
}

_@@_propose() {
  local IFS=$'\n' store
  case $1 in
    file) COMPREPLY+=($(compgen -f -- "$word")); compopt -o filenames 2>/dev/null ;;
    directory) COMPREPLY+=($(compgen -d -- "$word")); compopt -o filenames 2>/dev/null ;;
    mount) mount=; _@@_take '' '' < <(CERTFS_MOUNT=; _@@_mounts)
      COMPREPLY+=($(compgen -d -- "$word")); compopt -o filenames 2>/dev/null ;;
    store) _@@_take '' '' < <(_@@_names '') ;;
    alias) [[ $given_store ]] && _@@_take '' '' < <(_@@_names "$given_store/") ;;
    entry | subject)
      if [[ $word == [./]* ]]; then
        _@@_propose file
      elif [[ $word == */* ]]; then
        store=${word%%/*}
        _@@_take "$store/" '' < <(_@@_names "$store/")
      else
        [[ $1 == subject ]] && COMPREPLY+=($(compgen -f -- "$word"))
        _@@_take '' / < <(_@@_names '')
        compopt -o nospace 2>/dev/null
      fi ;;
    choices:*) IFS=' '; COMPREPLY+=($(compgen -W "${1#choices:}" -- "$word")) ;;
  esac
}

_@@() {
  local word=${COMP_WORDS[COMP_CWORD]} path=@PROGRAM@ taken= mount= given_store= each i
  local -i count=1
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    each=${COMP_WORDS[i]}
    if [[ $taken ]]; then
      [[ $each == '=' ]] && continue
      [[ $taken == --mount ]] && mount=${each//\\/}
      [[ $taken == --store ]] && given_store=${each//\\/}
      taken=
    elif [[ $each == -- ]]; then
      COMPREPLY=($(compgen -c -f -- "$word"))
      return
    elif [[ $each == -* ]]; then
      [[ $(_@@_value "$path" "$each") ]] && taken=$each
    elif [[ " $(_@@_commands "$path") " == *" $each "* ]]; then
      path+=" $each"
      count=1
    else
      count+=1
    fi
  done
  if [[ $taken && $word == '=' ]]; then word=; fi
  word=${word//\\/}
  if [[ $taken ]]; then
    _@@_propose "$(_@@_value "$path" "$taken")"
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$(_@@_options "$path")" -- "$word"))
  else
    COMPREPLY=($(compgen -W "$(_@@_commands "$path")" -- "$word"))
    _@@_propose "$(_@@_value "$path" $count)"
  fi
}

complete -F _@@ @PROGRAM@
)sh";

std::string Commands(const CommandOutline& program, const std::string& identifier) {
  std::string out = "\n_" + identifier + "_commands() {\n  case $1 in\n";
  ForEach(program, [&](const CommandOutline& command) {
    if (command.commands.empty()) return;
    std::string names;
    for (const CommandOutline& each : command.commands) names += (names.empty() ? "" : " ") + each.name;
    out += "    " + Quoted(command.path) + ") echo " + Quoted(names) + " ;;\n";
  });
  return out + "    *) ;;\n  esac\n}\n";
}

std::string Options(const CommandOutline& program, const std::string& identifier) {
  std::string out = "\n_" + identifier + "_options() {\n  case $1 in\n";
  ForEach(program, [&](const CommandOutline& command) {
    std::string names;
    for (const OptionOutline& option : command.options) {
      for (const std::string& name : option.names) names += (names.empty() ? "" : " ") + name;
    }
    out += "    " + Quoted(command.path) + ") echo " + Quoted(names) + " ;;\n";
  });
  return out + "  esac\n}\n";
}

// By command and option, or the number of the argument; the last one may be repeated.
std::string Values(const CommandOutline& program, const std::string& identifier) {
  std::string out = "\n_" + identifier + "_value() {\n  case \"$1 $2\" in\n";
  ForEach(program, [&](const CommandOutline& command) {
    for (const OptionOutline& option : command.options) {
      if (option.flag() || option.value_optional) continue;
      std::string pattern;
      for (const std::string& name : option.names)
        pattern += (pattern.empty() ? "" : " | ") + Quoted(command.path + " " + name);
      out += "    " + pattern + ") echo " + Quoted(ValueWord(option)) + " ;;\n";
    }
    for (std::size_t i = 0; i < command.arguments.size(); ++i) {
      const OptionOutline& argument = command.arguments[i];
      const std::string number = argument.repeated ? Quoted(command.path + " ") + "[0-9]*"
                                                   : Quoted(command.path + " " + std::to_string(i + 1));
      out += "    " + number + ") echo " + Quoted(ValueWord(argument)) + " ;;\n";
    }
  });
  return out + "  esac\n}\n";
}

}  // namespace

std::string BashCompletion(const CommandOutline& program) {
  const std::string identifier = Identifier(program.name);
  return "# bash completion for " + program.name +
         ". Made from the program's own command line: do not edit.\n" + Commands(program, identifier) +
         Options(program, identifier) + Values(program, identifier) + Filled(kMounts, program.name) +
         Filled(kEngine, program.name);
}

}  // namespace certfs::documentation
