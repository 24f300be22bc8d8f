#include "tools/vecs/vecs_cli.h"

#include <algorithm>
#include <iostream>
#include <string_view>

#include "tools/json_text.h"
#include "tools/program.h"
#include "tools/system.h"
#include "tools/vecs/commands.h"
#include "tools/vecs/errors.h"
#include "tools/vecs/vecs_parser.h"

namespace certfs::vecs {

namespace {

bool Says(int argc, char** argv, std::initializer_list<std::string_view> words) {
  return std::any_of(argv + 1, argv + argc, [&](std::string_view argument) {
    return std::find(words.begin(), words.end(), argument) != words.end();
  });
}

int Fail(const Error& error, bool json) {
  const ErrorRow& row = RowOf(error);
  if (json && error.rule() != kToldInObject) PrintJson(ErrorJson(error));
  std::cout << std::flush;
  std::cerr << "vecs-cli failed. Error " << row.number << ": " << error.message() << "\n";
  return row.exit_code;
}

}  // namespace

int Run(int argc, char** argv) {
  Options options;
  Work work;
  const auto parser = MakeVecsParser(options, work);
  if (Says(argc, argv, {"-h", "--help", "--version"})) {
    if (const auto end = ParseOrSay(*parser, argc, argv)) return *end;
  } else if (const auto parsed = Parse(*parser, argc, argv); !parsed.has_value()) {
    return Fail(parsed.error(), Says(argc, argv, {"--json"}));
  }
  ProtectSecrets();
  const auto end = work();
  return end.has_value() ? 0 : Fail(end.error(), options.json);
}

}  // namespace certfs::vecs
