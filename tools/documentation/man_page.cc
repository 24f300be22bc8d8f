#include "tools/documentation/man_page.h"

#include <algorithm>
#include <sstream>

namespace certfs::documentation {

namespace {

std::string Bold(const std::string& text) { return "\\fB" + Escaped(text) + "\\fP"; }
std::string Italic(const std::string& text) { return "\\fI" + Escaped(text) + "\\fP"; }

std::string Upper(std::string text) {
  for (char& each : text) {
    if (each >= 'a' && each <= 'z') each = static_cast<char>(each - 'a' + 'A');
  }
  return text;
}

// "certfs ca" as pages are named: certfs-ca.
std::string Hyphenated(std::string path) {
  std::replace(path.begin(), path.end(), ' ', '-');
  return path;
}

// A line of text: a dot or an apostrophe that it begins with is no request.
std::string Line(const std::string& text) {
  const bool request = !text.empty() && (text.front() == '.' || text.front() == '\'');
  return (request ? "\\&" : "") + Escaped(text) + "\n";
}

// A sentence, as it is in a text: with a capital letter and a full stop.
std::string Sentence(std::string text) {
  if (text.empty()) return text;
  if (text.front() >= 'a' && text.front() <= 'z' && text.find(' ') != std::string::npos)
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  if (text.back() != '.' && text.back() != ':') text += '.';
  return text;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> ParagraphsOf(const std::string& text) {
  std::vector<std::string> paragraphs;
  std::string paragraph;
  for (const std::string& line : LinesOf(text + "\n\n")) {
    if (!line.empty()) {
      paragraph += line + "\n";
    } else if (!paragraph.empty()) {
      paragraphs.push_back(paragraph);
      paragraph.clear();
    }
  }
  return paragraphs;
}

// Lines that begin with a space stand as they are; others are filled.
std::string Body(const std::string& paragraph) {
  std::string out;
  bool verbatim = false;
  for (const std::string& line : LinesOf(paragraph)) {
    const bool indented = line.front() == ' ';
    if (indented != verbatim) out += indented ? ".RS 4\n.nf\n" : ".fi\n.RE\n";
    verbatim = indented;
    const std::size_t begin = indented ? std::min<std::size_t>(line.find_first_not_of(' '), 2) : 0;
    out += Line(line.substr(begin));
  }
  if (verbatim) out += ".fi\n.RE\n";
  return out;
}

// A paragraph "TERM<tab>words" is a term and its meaning.
std::string Paragraphs(const std::string& text) {
  std::string out;
  bool first = true;
  for (const std::string& paragraph : ParagraphsOf(text)) {
    const std::size_t tab = paragraph.find('\t');
    if (tab != std::string::npos) {
      out += ".TP\n" + Bold(paragraph.substr(0, tab)) + "\n" + Body(paragraph.substr(tab + 1));
    } else {
      out += (first ? "" : ".PP\n") + Body(paragraph);
    }
    first = false;
  }
  return out;
}

// The footer, less its examples, and these.
struct Footer {
  std::string prose;
  std::vector<std::string> examples;
};
Footer Split(const std::string& footer) {
  Footer split;
  for (const std::string& paragraph : ParagraphsOf(footer)) {
    const bool begins = paragraph.rfind("Example", 0) == 0 && paragraph.find(':') != std::string::npos;
    if (!begins) {
      split.prose += paragraph + "\n";
      continue;
    }
    for (std::string line : LinesOf(paragraph.substr(paragraph.find(':') + 1))) {
      line.erase(0, std::min(line.find_first_not_of(' '), line.size()));
      if (!line.empty()) split.examples.push_back(line);
    }
  }
  return split;
}

std::string ValueOf(const OptionOutline& option) {
  if (option.choices.empty()) return Italic(option.value);
  std::string words;
  for (const std::string& each : option.choices) words += (words.empty() ? "" : "|") + Bold(each);
  return words;
}

std::string Term(const OptionOutline& option) {
  std::string term;
  for (const std::string& name : option.names) term += (term.empty() ? "" : ", ") + Bold(name);
  if (option.flag()) return term;
  const std::string value = ValueOf(option);
  if (term.empty()) return value + (option.repeated ? " ..." : "");
  return term + (option.value_optional ? "[=" + value + "]" : " " + value);
}

std::string Describe(const OptionOutline& option) {
  std::string words = Sentence(option.what);
  const auto add = [&](const std::string& more) { words += (words.empty() ? "" : " ") + more; };
  if (!option.range.empty())
    add("A number from " + option.range.substr(0, option.range.find(' ')) + " to " +
        option.range.substr(option.range.rfind(' ') + 1) + ".");
  if (!option.preset.empty()) add("Without it: " + option.preset + ".");
  if (option.required && !option.names.empty()) add("Needed.");
  if (option.repeated && !option.names.empty()) add("May be repeated.");
  return ".TP\n" + Term(option) + "\n" + Line(words);
}

std::string Synopsis(const CommandOutline& command) {
  std::string out = Bold(command.path);
  for (const OptionOutline& option : command.options) {
    if (option.required) out += " " + Term(option);
  }
  out += " [" + Italic("options") + "]";
  if (!command.commands.empty()) return out + " " + Italic("command") + " ...\n";
  for (const OptionOutline& argument : command.arguments)
    out += argument.required ? " " + Term(argument) : " [" + Term(argument) + "]";
  return out + "\n";
}

// What every command has needs to be said once on a page.
enum class Common { kSaid, kLeftOut };
bool IsCommon(const OptionOutline& option) {
  return !option.names.empty() && (option.names.back() == "--help" || option.names.back() == "--version");
}

std::string Options(const CommandOutline& command, Common common) {
  std::string out;
  for (const OptionOutline& argument : command.arguments) out += Describe(argument);
  for (const OptionOutline& option : command.options) {
    if (common == Common::kSaid || !IsCommon(option)) out += Describe(option);
  }
  return out;
}

// The commands below, and what is below them.
std::string Whole(const CommandOutline& command, std::vector<std::string>& examples) {
  std::string out;
  for (const CommandOutline& each : command.commands) {
    if (!each.commands.empty()) {
      out += Whole(each, examples);
      continue;
    }
    const Footer footer = Split(each.footer);
    examples.insert(examples.end(), footer.examples.begin(), footer.examples.end());
    out += ".SS " + Escaped(each.path) + "\n" + Synopsis(each) + ".PP\n" + Line(Sentence(each.what));
    if (!footer.prose.empty()) out += ".PP\n" + Paragraphs(footer.prose);
    out += Options(each, Common::kLeftOut);
  }
  return out;
}

std::string Listed(const CommandOutline& command) {
  std::string out;
  for (const CommandOutline& each : command.commands) {
    out += ".TP\n.BR " + Escaped(Hyphenated(each.path)) + " (1)\n" +
           Line(Sentence(each.what.substr(0, each.what.find('\n'))));
  }
  return out;
}

std::string Heading(const std::string& name, const PageFrame& frame) {
  return ".\\\" Made from the program's own command line: do not edit.\n.TH " + Escaped(Upper(name)) + " " +
         std::to_string(frame.number) + " " + frame.date + " \"" + Escaped(frame.source) + "\"\n";
}

std::string Sections(const PageFrame& frame) {
  std::string out;
  for (const Section& section : frame.sections)
    out += ".SH " + section.title + "\n" + Paragraphs(section.text);
  return out;
}

std::string SeeAlso(const PageFrame& frame) {
  if (frame.also.empty()) return "";
  std::string out = ".SH SEE ALSO\n";
  for (std::size_t i = 0; i < frame.also.size(); ++i) {
    const std::string& each = frame.also[i];
    const std::size_t open = each.find('(');
    out += ".BR " + Escaped(each.substr(0, open)) + " " + each.substr(open) +
           (i + 1 < frame.also.size() ? "," : "") + "\n";
  }
  return out;
}

// "Make a keystore" as NAME has it: one line, without a full stop.
std::string Brief(const std::string& what) {
  std::string brief = what.substr(0, what.find('\n'));
  while (!brief.empty() && (brief.back() == '.' || brief.back() == ':')) brief.pop_back();
  return brief;
}

}  // namespace

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char each : text) {
    if (each == '\\') {
      out += "\\e";
    } else if (each == '-') {
      out += "\\-";
    } else if (each == '^') {
      out += "\\(ha";
    } else if (each == '~') {
      out += "\\(ti";
    } else if (each == '"') {
      out += "\\(dq";
    } else {
      out += each;
    }
  }
  return out;
}

Page WritePage(const CommandOutline& command, const PageFrame& frame, bool whole) {
  const std::string name = Hyphenated(command.path);
  Footer footer = Split(command.footer);
  std::string out = Heading(name, frame);
  out += ".SH NAME\n" + Escaped(name) + " \\- " + Line(Brief(command.what)) + ".SH SYNOPSIS\n" +
         Synopsis(command);
  out += ".SH DESCRIPTION\n" + Line(Sentence(command.what));
  if (!footer.prose.empty()) out += ".PP\n" + Paragraphs(footer.prose);
  const std::string options = Options(command, Common::kSaid);
  if (!options.empty()) out += ".SH OPTIONS\n" + options;
  if (!command.commands.empty())
    out += ".SH COMMANDS\n" + (whole ? Whole(command, footer.examples) : Listed(command));
  out += Sections(frame);
  if (!footer.examples.empty()) {
    out += ".SH EXAMPLES\n.nf\n";
    for (const std::string& example : footer.examples) out += Line(example);
    out += ".fi\n";
  }
  return {name + "." + std::to_string(frame.number), out + SeeAlso(frame)};
}

Page WritePage(const std::string& name, const std::string& what, const PageFrame& frame) {
  return {name + "." + std::to_string(frame.number), Heading(name, frame) + ".SH NAME\n" + Escaped(name) +
                                                         " \\- " + Line(Brief(what)) + Sections(frame) +
                                                         SeeAlso(frame)};
}

}  // namespace certfs::documentation
