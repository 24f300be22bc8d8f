#include <string_view>

#include "tools/documentation/completion.h"

namespace certfs::documentation {

namespace {

// A condition of each line below: that the command that is being given is the one named.
constexpr std::string_view kEngine = R"sh(
# Prints the command of the line, "certfs ca issue", and with "count" how many arguments it has.
function __fish_@@_line
    set -l line @PROGRAM@
    set -l taken ''
    set -l count 0
    for word in (commandline -opc)[2..-1]
        if test -n "$taken"
            set taken ''
        else if string match -q -- '--*=*' $word
            continue
        else if string match -q -- '-*' $word
            contains -- "$line $word" $__fish_@@_valued; and set taken $word
        else if contains -- "$line $word" $__fish_@@_commands
            set line "$line $word"
            set count 0
        else
            set count (math $count + 1)
        end
    end
    test "$argv[1]" = count; and echo $count; or echo $line
end

function __fish_@@_at
    test (__fish_@@_line) = "$argv[1]"; or return 1
    set -q argv[2]; or return 0
    test $argv[2] = any; or test (math (__fish_@@_line count) + 1) = $argv[2]
end

# The value that an option of the line has.
function __fish_@@_given
    set -l words (commandline -opc)
    for i in (seq (count $words))
        if string match -q -- "$argv[1]=*" $words[$i]
            string replace -- "$argv[1]=" '' $words[$i]
        else if test $words[$i] = $argv[1]; and set -q words[(math $i + 1)]
            echo $words[(math $i + 1)]
        end
    end
end

function __fish_@@_all_mounts
    string match -r '^\S+ \S+ fuse\.certfs ' </proc/self/mounts 2>/dev/null | while read -l source directory rest
        printf '%b\n' $directory
    end
end

# The mounts that may be meant: the one that --mount or CERTFS_MOUNT names, or all.
function __fish_@@_mounts
    set -l given (__fish_@@_given --mount)
    if test -n "$given"
        echo $given
    else if test -n "$CERTFS_MOUNT"
        echo $CERTFS_MOUNT
    else
        __fish_@@_all_mounts
    end
end

function __fish_@@_stores
    for directory in (__fish_@@_mounts)
        test -d $directory/stores; and set directory $directory/stores
        for store in $directory/*/
            string match -r '[^/]+(?=/$)' $store
        end
    end
end

# The aliases of the store $argv[1], each with $argv[2] in front.
function __fish_@@_aliases
    for directory in (__fish_@@_mounts)
        test -d $directory/stores; and set directory $directory/stores
        for entry in $directory/$argv[1]/*/
            echo $argv[2](string match -r '[^/]+(?=/$)' $entry)
        end
    end
end

function __fish_@@_entries
    set -l word (commandline -ct)
    if string match -q '*/*' $word
        set -l store (string split -m 1 / $word)[1]
        __fish_@@_aliases $store $store/
    else
        for store in (__fish_@@_stores)
            echo $store/
        end
    end
end

)sh";

// Between apostrophes, as fish reads it.
std::string FishQuoted(const std::string& text) {
  std::string out = "'";
  for (const char each : text) {
    if (each == '\'' || each == '\\') out += '\\';
    out += each;
  }
  return out + "'";
}

// What completes a value.
std::string Arguments(const OptionOutline& option, const std::string& identifier) {
  const std::string function = "__fish_" + identifier + "_";
  switch (option.proposes()) {
    case Proposes::kNothing:
      return " -f";
    case Proposes::kChoices: {
      std::string words;
      for (const std::string& each : option.choices) words += (words.empty() ? "" : " ") + each;
      return " -f -a " + FishQuoted(words);
    }
    case Proposes::kFile:
      return " -F";
    case Proposes::kDirectory:
      return " -f -a '(__fish_complete_directories)'";
    case Proposes::kMount:
      return " -f -a '(" + function + "all_mounts; __fish_complete_directories)'";
    case Proposes::kStore:
      return " -f -a '(" + function + "stores)'";
    case Proposes::kAlias:
      return " -f -a '(" + function + "aliases (" + function + "given --store) \"\")'";
    case Proposes::kEntry:
      return " -f -a '(" + function + "entries)'";
    case Proposes::kSubject:
      return " -F -a '(" + function + "entries)'";
  }
  return "";
}

// "-l mount", "-s o".
std::string Names(const OptionOutline& option) {
  std::string out;
  for (const std::string& name : option.names)
    out += name[1] == '-' ? " -l " + name.substr(2) : " -s " + name.substr(1);
  return out;
}

std::string Lines(const CommandOutline& program, const std::string& identifier) {
  std::string out;
  ForEach(program, [&](const CommandOutline& command) {
    const auto begin = [&](const std::string& more) {
      return "complete -c " + program.name + " -n " +
             FishQuoted("__fish_" + identifier + "_at \"" + command.path + "\"" + more);
    };
    for (const CommandOutline& each : command.commands)
      out += begin("") + " -f -a " + each.name + " -d " + FishQuoted(Brief(each.what)) + "\n";
    for (const OptionOutline& option : command.options) {
      out += begin("") + Names(option);
      if (!option.flag() && !option.value_optional) out += " -r" + Arguments(option, identifier);
      out += " -d " + FishQuoted(Brief(option.what)) + "\n";
    }
    for (std::size_t i = 0; i < command.arguments.size(); ++i) {
      const OptionOutline& argument = command.arguments[i];
      out += begin(argument.repeated ? " any" : " " + std::to_string(i + 1)) +
             Arguments(argument, identifier) + "\n";
    }
  });
  return out;
}

std::string Tables(const CommandOutline& program, const std::string& identifier) {
  std::string commands = "set -g __fish_" + identifier + "_commands";
  std::string valued = "set -g __fish_" + identifier + "_valued";
  ForEach(program, [&](const CommandOutline& command) {
    for (const CommandOutline& each : command.commands) commands += " " + FishQuoted(each.path);
    for (const OptionOutline& option : command.options) {
      if (option.flag() || option.value_optional) continue;
      for (const std::string& name : option.names) valued += " " + FishQuoted(command.path + " " + name);
    }
  });
  return commands + "\n" + valued + "\n";
}

}  // namespace

std::string FishCompletion(const CommandOutline& program) {
  const std::string identifier = Identifier(program.name);
  return "# fish completion for " + program.name +
         ". Made from the program's own command line: do not edit.\n\n" + Tables(program, identifier) +
         Filled(kEngine, program.name) + "complete -c " + program.name + " -f\n" + Lines(program, identifier);
}

}  // namespace certfs::documentation
