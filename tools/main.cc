// certfs: the command line. Parses, runs one command, and turns its end into an exit code. The commands are
// registered in certfs_parser.cc.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tools/certfs_parser.h"
#include "tools/fstab_mount.h"
#include "tools/program.h"

namespace {

int Run(int argc, char** argv) {
  // What stands behind "--" is another program's command line, not ours to parse.
  std::vector<std::string> behind;
  if (argc > 1 && std::string_view(argv[1]) == "watch") {
    char** const end = argv + argc;
    char** const mark = std::find(argv, end, std::string_view("--"));
    if (mark != end) behind.assign(mark + 1, end);
    argc = static_cast<int>(mark - argv);
  }
  certfs::Action action;
  const auto parser = certfs::MakeCertfsParser(behind, action);
  if (const auto end = certfs::ParseOrSay(*parser, argc, argv)) return *end;
  return certfs::Finish("certfs", action());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view path = argc > 0 ? argv[0] : "";
  // The link that mount(8) runs. npos + 1 is 0.
  if (path.substr(path.rfind('/') + 1) == certfs::kFstabProgram)
    return certfs::RunProgram(certfs::kFstabProgram, [&] { return certfs::RunFstabMount(argc, argv); });
  return certfs::RunProgram("certfs", [&] { return Run(argc, argv); });
}
