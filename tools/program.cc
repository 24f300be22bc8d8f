#include "tools/program.h"

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string_view>
#include <vector>

#include "tools/style.h"
#include "tools/suggestion.h"

namespace certfs {

namespace {

// The commands of `app` that have a name; option groups have none.
std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* each) { return !each->get_name().empty(); });
}

// The command that the line named last: `app` itself, or one below it.
const CLI::App& NamedLast(const CLI::App& app) {
  const CLI::App* last = &app;
  for (;;) {
    const CLI::App* next = nullptr;
    for (const CLI::App* each : last->get_subcommands()) {
      if (!each->get_name().empty()) next = each;
    }
    if (next == nullptr) return *last;
    last = next;
  }
}

// "certfs ca issue".
std::string PathOf(const CLI::App& app) {
  const std::string name = app.get_name();
  return app.get_parent() == nullptr ? name : PathOf(*app.get_parent()) + " " + name;
}

// The options that may stand where `app` is parsed, as they are written.
std::vector<std::string> OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  for (const CLI::App* group :
       app.get_subcommands([](const CLI::App* each) { return each->get_name().empty(); })) {
    for (std::string& name : OptionsOf(*group)) names.push_back(std::move(name));
  }
  return names;
}

// What is said of a word that nothing takes.
std::string SayUnknown(const CLI::App& app, const std::string& argument) {
  const std::string word = argument.substr(0, argument.find('='));
  std::vector<std::string> known;
  std::string kind = "argument";
  if (word.size() > 1 && word.front() == '-') {
    kind = "option";
    known = OptionsOf(app);
  } else if (!CommandsOf(app).empty()) {
    kind = "command";
    for (const CLI::App* each : CommandsOf(app)) known.push_back(each->get_name());
  } else {
    known = OptionsOf(app);  // For whoever forgot the hyphens.
  }
  const std::string unknown = kind == "argument" ? "'" + word + "' is one argument too many"
                                                 : "there is no " + kind + " '" + word + "'";
  const auto meant = Nearest(word, known);
  return meant ? unknown + "; did you mean '" + *meant + "'?" : unknown + ".";
}

// What is wrong, where the first word that nothing takes tells more than what the parser missed for it.
struct Complaint {
  const CLI::App* where;
  std::string words;
};
Complaint ComplaintOf(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& last = NamedLast(app);
  std::vector<const CLI::App*> line;
  for (const CLI::App* each = &last; each != nullptr; each = each->get_parent())
    line.insert(line.begin(), each);
  for (const CLI::App* each : line) {
    for (const std::string& word : each->remaining()) {
      if (word != "--") return {each, SayUnknown(*each, word)};
    }
  }
  if (error.get_name() == "RequiredError" && !CommandsOf(last).empty()) {
    std::string names;
    for (const CLI::App* each : CommandsOf(last)) names += (names.empty() ? "" : ", ") + each->get_name();
    return {&last, "a command is missing: one of " + names + "."};
  }
  return {&last, std::string(error.what()) + "."};
}

std::string Whole(const Complaint& complaint) {
  return complaint.words + " See: " + PathOf(*complaint.where) + " --help";
}

}  // namespace

int RunProgram(const char* program, const std::function<int()>& body) {
  try {
    const int code = body();
    std::cout.flush();
    if (std::cout) return code;
    std::cerr << program << ": standard output: cannot be written\n";
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: out of memory\n", program);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: internal error: %s\n", program, error.what());
  }
  return static_cast<int>(ExitCode::kFailed);
}

std::optional<int> ParseOrSay(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return static_cast<int>(ExitCode::kOk);
    }
    const Complaint complaint = ComplaintOf(app, error);
    SayError(PathOf(*complaint.where), Whole(complaint));
    return static_cast<int>(ExitCode::kUsage);
  }
}

Result<void> Parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return {};
  } catch (const CLI::ParseError& error) {
    return Error(ErrorCode::kInvalidArgument, Whole(ComplaintOf(app, error)));
  }
}

int Finish(const char* program, const Result<ExitCode>& end) {
  if (end.has_value()) return static_cast<int>(end.value());
  SayError(program, end.error().message());
  return static_cast<int>(ExitCodeOf(end.error().code()));
}

void SayError(const std::string& program, const std::string& words) {
  std::cerr << Styled(program + ":", Style::kError, STDERR_FILENO) << " " << words << "\n";
}

}  // namespace certfs
