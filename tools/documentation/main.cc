// certfs-documentation DIRECTORY VERSION DATE: writes the manual pages and the completions of all programs.
// Runs when certfs is built, and is not installed.

#include <filesystem>
#include <fstream>
#include <iostream>

#include "tools/certfs_parser.h"
#include "tools/certificate_manager/certificate_manager.h"
#include "tools/certool/options.h"
#include "tools/documentation/completion.h"
#include "tools/documentation/pages.h"
#include "tools/fstab_mount.h"
#include "tools/program.h"
#include "tools/vecs/vecs_parser.h"

namespace {

namespace fs = std::filesystem;
using namespace certfs;
using namespace certfs::documentation;

bool Write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.flush();
  if (!out) SayError("certfs-documentation", file.string() + ": cannot be written");
  return static_cast<bool>(out);
}

bool WriteCompletions(const fs::path& directory, const CommandOutline& program) {
  return Write(directory / "bash" / program.name, BashCompletion(program)) &&
         Write(directory / "zsh" / ("_" + program.name), ZshCompletion(program)) &&
         Write(directory / "fish" / (program.name + ".fish"), FishCompletion(program));
}

int Run(int argc, char** argv) {
  if (argc != 4) {
    SayError("certfs-documentation", "usage: certfs-documentation DIRECTORY VERSION DATE");
    return 2;
  }
  const fs::path directory = argv[1];
  const Release release{argv[2], argv[3]};
  Action action;
  certool::Options certool_options;
  vecs::Options vecs_options;
  vecs::Work vecs_work;
  ManagerOptions manager_options;
  FstabMount fstab_mount;
  const CommandOutline certfs = OutlineOf(*MakeCertfsParser({}, action));
  std::vector<CommandOutline> programs{OutlineOf(*certool::MakeParser(certool_options)),
                                       OutlineOf(*vecs::MakeVecsParser(vecs_options, vecs_work)),
                                       OutlineOf(*MakeCertificateManagerParser(manager_options))};

  std::vector<Page> pages = CertfsPages(certfs, release);
  for (const CommandOutline& program : programs) pages.push_back(ProgramPage(program, release));
  pages.push_back(FstabPage(OutlineOf(*MakeFstabParser(fstab_mount)), release));
  pages.push_back(SettingsPage(release));
  for (const Page& page : pages) {
    if (!Write(directory / "man" / page.file, page.text)) return 1;
  }
  programs.push_back(certfs);
  for (const CommandOutline& program : programs) {
    if (!WriteCompletions(directory / "completions", program)) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return certfs::RunProgram("certfs-documentation", [&] { return Run(argc, argv); });
}
