#include "tools/program.h"

#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

namespace certfs {

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
    return static_cast<int>(app.exit(error) == 0 ? ExitCode::kOk : ExitCode::kUsage);
  }
}

Result<void> Parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return {};
  } catch (const CLI::ParseError& error) {
    return Error(ErrorCode::kInvalidArgument, error.what());
  }
}

int Finish(const char* program, const Result<ExitCode>& end) {
  if (end.has_value()) return static_cast<int>(end.value());
  std::cerr << program << ": " << end.error().message() << "\n";
  return static_cast<int>(ExitCodeOf(end.error().code()));
}

}  // namespace certfs
