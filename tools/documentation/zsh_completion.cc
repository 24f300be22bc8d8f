#include <string_view>

#include "tools/documentation/completion.h"

namespace certfs::documentation {

namespace {

constexpr std::string_view kEngine = R"sh(
# The mounts that may be meant: the one that --mount or CERTFS_MOUNT names, or all.
_@@_mounts() {
  reply=()
  if [[ -n $mount ]]; then reply=("$mount"); return; fi
  if [[ -n $CERTFS_MOUNT ]]; then reply=("$CERTFS_MOUNT"); return; fi
  local line
  local -a fields
  for line in "${(@f)$(</proc/self/mounts)}"; do
    fields=(${=line})
    [[ $fields[3] == fuse.certfs ]] && reply+=("${(g:o:)fields[2]}")
  done 2>/dev/null
}

# The directories below $1 of the stores.
_@@_names() {
  local -a reply found
  local directory
  _@@_mounts
  for directory in $reply; do
    [[ -d $directory/stores ]] && directory+=/stores
    found+=($directory/$1*(N/:t))
  done
  names=($found)
}

_@@_propose() {
  local -a names reply
  case $1 in
    file) _files ;;
    directory) _files -/ ;;
    mount) mount= CERTFS_MOUNT= _@@_mounts; compadd -a reply; _files -/ ;;
    store) _@@_names ''; compadd -a names ;;
    alias) [[ -n $given_store ]] && { _@@_names "$given_store/"; compadd -a names } ;;
    entry | subject)
      if [[ $PREFIX == [./]* ]]; then
        _files
      elif [[ $PREFIX == */* ]]; then
        local store=${PREFIX%%/*}
        _@@_names "${(Q)store}/"
        compset -P '*/'
        compadd -a names
      else
        [[ $1 == subject ]] && _files
        _@@_names ''
        compadd -S / -a names
      fi ;;
    choices:*) compadd ${=1#choices:} ;;
  esac
}

_@@() {
  local line=@PROGRAM@ taken= mount= given_store= each kind
  local -i count=1 i
  local -a commands options
  for ((i = 2; i < CURRENT; i++)); do
    each=${(Q)words[i]}
    if [[ -n $taken ]]; then
      [[ $taken == --mount ]] && mount=$each
      [[ $taken == --store ]] && given_store=$each
      taken=
    elif [[ $each == -- ]]; then
      shift $i words
      ((CURRENT -= i))
      _normal
      return
    elif [[ $each == --*=* ]]; then
      [[ $each == --mount=* ]] && mount=${each#*=}
      [[ $each == --store=* ]] && given_store=${each#*=}
    elif [[ $each == -* ]]; then
      _@@_value "$line" "$each"
      [[ -n $kind ]] && taken=$each
    else
      _@@_commands "$line"
      if ((${commands[(I)$each:*]})); then
        line+=" $each"
        count=1
      else
        count+=1
      fi
    fi
  done
  if [[ -n $taken ]]; then
    _@@_value "$line" "$taken"
    _@@_propose "$kind"
  elif [[ $PREFIX == --*=* ]]; then
    _@@_value "$line" "${PREFIX%%=*}"
    compset -P '*='
    _@@_propose "$kind"
  elif [[ $PREFIX == -* ]]; then
    _@@_options "$line"
    _describe -o option options
  else
    _@@_commands "$line"
    ((${#commands})) && _describe command commands
    _@@_value "$line" $count
    _@@_propose "$kind"
  fi
}

_@@ "$@"
)sh";

// "NAME:what it is", as _describe reads it.
std::string Described(const std::string& name, const std::string& what) {
  std::string escaped;
  for (const char each : name) escaped += each == ':' ? "\\:" : std::string(1, each);
  return Quoted(escaped + ":" + Brief(what));
}

std::string Commands(const CommandOutline& program, const std::string& identifier) {
  std::string out = "\n_" + identifier + "_commands() {\n  commands=()\n  case $1 in\n";
  ForEach(program, [&](const CommandOutline& command) {
    if (command.commands.empty()) return;
    out += "    " + Quoted(command.path) + ") commands=(\n";
    for (const CommandOutline& each : command.commands)
      out += "      " + Described(each.name, each.what) + "\n";
    out += "    ) ;;\n";
  });
  return out + "  esac\n}\n";
}

std::string Options(const CommandOutline& program, const std::string& identifier) {
  std::string out = "\n_" + identifier + "_options() {\n  options=()\n  case $1 in\n";
  ForEach(program, [&](const CommandOutline& command) {
    out += "    " + Quoted(command.path) + ") options=(\n";
    for (const OptionOutline& option : command.options) {
      for (const std::string& name : option.names) out += "      " + Described(name, option.what) + "\n";
    }
    out += "    ) ;;\n";
  });
  return out + "  esac\n}\n";
}

std::string Values(const CommandOutline& program, const std::string& identifier) {
  std::string out = "\n_" + identifier + "_value() {\n  kind=\n  case \"$1 $2\" in\n";
  ForEach(program, [&](const CommandOutline& command) {
    for (const OptionOutline& option : command.options) {
      if (option.flag() || option.value_optional) continue;
      for (const std::string& name : option.names)
        out += "    " + Quoted(command.path + " " + name) + ") kind=" + Quoted(ValueWord(option)) + " ;;\n";
    }
    for (std::size_t i = 0; i < command.arguments.size(); ++i) {
      const OptionOutline& argument = command.arguments[i];
      const std::string number = argument.repeated ? Quoted(command.path + " ") + "<->"
                                                   : Quoted(command.path + " " + std::to_string(i + 1));
      out += "    " + number + ") kind=" + Quoted(ValueWord(argument)) + " ;;\n";
    }
  });
  return out + "  esac\n}\n";
}

}  // namespace

std::string ZshCompletion(const CommandOutline& program) {
  const std::string identifier = Identifier(program.name);
  return "#compdef " + program.name + "\n# Made from the program's own command line: do not edit.\n" +
         Commands(program, identifier) + Options(program, identifier) + Values(program, identifier) +
         Filled(kEngine, program.name);
}

}  // namespace certfs::documentation
