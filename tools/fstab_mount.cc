#include "tools/fstab_mount.h"

#include <algorithm>
#include <iostream>
#include <string_view>
#include <utility>

#include "tools/certfs_parser.h"
#include "tools/mount_options.h"
#include "tools/program.h"
#include "tools/value_names.h"

namespace certfs {

namespace {

// mount(8), "EXIT STATUS".
constexpr int kMounted = 0;
constexpr int kWrongUsage = 1;
constexpr int kMountFailed = 32;

Result<std::vector<std::string>> ParseFstab(int argc, char** argv, FstabMount& mount) {
  const auto parser = MakeFstabParser(mount);
  TRY(Parse(*parser, argc, argv));
  return CertfsArguments(mount);
}

int MountAs(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  Action action;
  const auto parser = MakeCertfsParser({}, action);
  if (ParseOrSay(*parser, static_cast<int>(arguments.size()), arguments.data())) return kWrongUsage;
  const auto end = action();
  if (end.has_value()) return end.value() == ExitCode::kOk ? kMounted : kMountFailed;
  SayError(kFstabProgram, end.error().message());
  return end.error().code() == ErrorCode::kInvalidArgument ? kWrongUsage : kMountFailed;
}

}  // namespace

std::unique_ptr<CLI::App> MakeFstabParser(FstabMount& mount) {
  auto parser = std::make_unique<CLI::App>("Mount a keystore for mount(8).", kFstabProgram);
  CLI::App& app = *parser;
  app.add_option("SOURCE", mount.source,
                 "The keystore's directory, or the NAME of a [mount.NAME] in the settings")
      ->required();
  app.add_option("DIR", mount.directory, "Where to mount it")->required();
  app.add_option("-o", mount.options, "Options of the mount, below")
      ->expected(1)
      ->take_all()
      ->type_name("OPTION,...");
  app.add_flag("-f", mount.fake, "Look at the options, and mount nothing");
  app.add_flag("-s", mount.sloppy, "Ignore options that nobody knows");
  app.add_flag("-n", mount.no_mtab, "Ignored: there is no /etc/mtab to write");
  app.add_flag("-v", mount.verbose, "Say which command is run");
  app.add_option("-t", mount.type, "The type of the file system: certfs");
  app.add_option("-N", mount.name_space, "Refused: mount(8) enters namespaces itself");
  app.set_version_flag("--version", "mount.certfs " CERTFS_VERSION, "Print the version, and end");
  app.footer(
      "mount(8) runs it for the type certfs; there is no need to run it by hand. It does what certfs mount "
      "does.\n\n"
      "Examples:\n"
      "  mount -t certfs /srv/keystore /certs -o keyfile=/etc/certfs/keystore.key,subtree=stores\n"
      "  mount -t certfs web /certs\n"
      "  /srv/keystore /certs certfs keyfile=/etc/certfs/keystore.key,nofail 0 0");
  NameValues(app);
  return parser;
}

Result<std::vector<std::string>> CertfsArguments(const FstabMount& mount) {
  if (!mount.name_space.empty())
    return Error(ErrorCode::kInvalidArgument, "-N: namespaces are not entered here");
  if (!mount.type.empty() && mount.type != "certfs" && mount.type != "fuse.certfs")
    return Error(ErrorCode::kInvalidArgument, "-t " + mount.type + ": mounts certfs alone");
  std::vector<std::string> arguments{"certfs", "mount"};
  for (const std::string& list : mount.options) {
    for (const std::string& option : SplitMountOptions(list)) {
      auto row = FindMountOption(option, MountOptionsOf::kMount8);
      if (!row.has_value() && mount.sloppy) continue;
      switch (TRY(std::move(row))->kind) {
        case MountOptionKind::kMount:
          arguments.insert(arguments.end(), {"-o", option});
          break;
        case MountOptionKind::kCommand:
          arguments.push_back("--" + option);
          break;
        case MountOptionKind::kIgnored:
          break;
      }
    }
  }
  // Whatever these begin with, they are no options.
  arguments.insert(arguments.end(), {"--", mount.source, mount.directory});
  return arguments;
}

int RunFstabMount(int argc, char** argv) {
  const bool asks = std::any_of(argv + 1, argv + argc, [](const char* each) {
    const std::string_view word = each;
    return word == "--help" || word == "-h" || word == "--version";
  });
  FstabMount mount;
  if (asks) {
    const auto parser = MakeFstabParser(mount);
    return ParseOrSay(*parser, argc, argv).value_or(kMounted);
  }
  auto arguments = ParseFstab(argc, argv, mount);
  if (!arguments.has_value()) {
    SayError(kFstabProgram, arguments.error().message());
    return kWrongUsage;
  }
  if (mount.verbose) {
    for (const std::string& word : arguments.value()) std::cout << word << " ";
    std::cout << "\n";
  }
  return mount.fake ? kMounted : MountAs(std::move(arguments).value());
}

}  // namespace certfs
