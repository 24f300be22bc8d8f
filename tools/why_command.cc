// certfs why: the caller's own last refusals, in words.

#include <cstddef>
#include <iostream>
#include <memory>

#include "tools/commands.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::size_t kBytesMax = std::size_t{16} << 20;

Result<ExitCode> Why(const std::string& named) {
  const Mount mount = TRY(ChooseMount(named));
  auto text = ReadWholeFile(mount.mountpoint / "status" / "why", kBytesMax);
  if (!text.has_value() && text.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound,
                 mount.mountpoint.string() +
                     ": has no status/ because only the stores are mounted (subtree=stores); the "
                     "reasons are in the log: journalctl -t certfs");
  }
  const Bytes reasons = TRY(std::move(text));
  std::cout << AsText(reasons);
  return ExitCode::kOk;
}

}  // namespace

void AddWhyCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("why", "Say why your last writes were refused, newest last");
  auto mount = std::make_shared<std::string>();
  command->add_option("--mount", *mount, "The mount to ask; needed only when there are several");
  command->callback([mount, &action] { action = [mount] { return Why(*mount); }; });
}

}  // namespace certfs
