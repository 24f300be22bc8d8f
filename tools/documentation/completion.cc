#include "tools/documentation/completion.h"

#include <algorithm>

namespace certfs::documentation {

void ForEach(const CommandOutline& command, const std::function<void(const CommandOutline&)>& visit) {
  visit(command);
  for (const CommandOutline& each : command.commands) ForEach(each, visit);
}

namespace {

std::string WordFor(Proposes proposes) {
  switch (proposes) {
    case Proposes::kNothing:
      return "nothing";
    case Proposes::kChoices:
      return "choices";
    case Proposes::kFile:
      return "file";
    case Proposes::kDirectory:
      return "directory";
    case Proposes::kMount:
      return "mount";
    case Proposes::kStore:
      return "store";
    case Proposes::kAlias:
      return "alias";
    case Proposes::kEntry:
      return "entry";
    case Proposes::kSubject:
      return "subject";
  }
  return "nothing";
}

void ReplaceAll(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

std::string Filled(std::string_view text, const std::string& program) {
  std::string filled(text);
  ReplaceAll(filled, "@PROGRAM@", program);
  ReplaceAll(filled, "@@", Identifier(program));
  return filled;
}

std::string ValueWord(const OptionOutline& option) {
  std::string word = WordFor(option.proposes());
  if (option.proposes() != Proposes::kChoices) return word;
  word += ':';
  for (const std::string& each : option.choices) word += (word.back() == ':' ? "" : " ") + each;
  return word;
}

std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (const char each : text) {
    if (each == '\'') {
      out += "'\\''";
    } else {
      out += each;
    }
  }
  return out + "'";
}

std::string Brief(const std::string& what) { return what.substr(0, what.find('\n')); }

std::string Identifier(const std::string& program) {
  std::string name = program;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace certfs::documentation
