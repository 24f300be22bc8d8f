// certfs renew: new certificates for entries whose certificate the authority of the mount issued.

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/control_client.h"
#include "tools/entry_name.h"
#include "tools/exit_code.h"
#include "tools/json_text.h"
#include "tools/package_ledger.h"
#include "tools/progress.h"
#include "tools/settings.h"
#include "tools/terminal.h"

namespace certfs {

namespace {

struct RenewCommandOptions {
  std::string entry;
  std::string within;
  std::string mount;
  std::string settings;
  bool all = false;
  bool rekey = false;
  bool dry_run = false;
  bool yes = false;
  bool json = false;
};

constexpr auto kWithin = "30d";

Result<void> CheckUsage(const RenewCommandOptions& options) {
  if (options.entry.empty() == !options.all) return UsageError("name an entry, STORE/ALIAS, or --all");
  if (!options.entry.empty()) TRY(ParseEntryName(options.entry));
  if (options.dry_run || options.yes) return {};
  if (options.json) return UsageError("--json asks nothing: add --yes or --dry-run");
  if (!HasTerminal())
    return UsageError("there is no terminal to ask on whether to renew: add --yes or --dry-run");
  return {};
}

std::string EntryOf(const Json& step) { return TextOf(step, "store") + "/" + TextOf(step, "alias"); }

void WritePlan(const Json& plan) {
  for (const Json& step : plan) {
    std::cout << EntryOf(step) << ": " << TextOf(FieldOf(step, "issued"), "subject") << ": "
              << TextOf(step, "reason");
    if (FieldOf(step, "obstacle").is_string()) std::cout << "; cannot be: " << TextOf(step, "obstacle");
    std::cout << "\n";
  }
  if (plan.empty()) std::cout << "nothing has to be renewed\n";
}

// Renews what `step` says, and adds to it what came of that.
bool Renew(const Mount& mount, const RenewCommandOptions& options, Json& step) {
  step["renewed"] = nullptr;
  if (!FieldOf(step, "obstacle").is_string()) {
    ControlCommand command("renew");
    command.Word(EntryOf(step));
    if (options.rekey) command.Flag("rekey");
    auto answer = Ask(mount, command);
    if (answer.has_value()) {
      step["renewed"] = FieldOf(answer.value(), "issued");
      return true;
    }
    step["obstacle"] = answer.error().message();
  }
  std::cerr << "certfs: " << EntryOf(step) << ": not renewed: " << TextOf(step, "obstacle") << "\n";
  return false;
}

// The settings say what the command line does not.
Result<void> AddSettings(RenewCommandOptions& options) {
  const RenewSettings settings = TRY(ReadMachineSettings(options.settings)).renew;
  if (options.within.empty()) options.within = settings.within.empty() ? kWithin : settings.within;
  const bool named = !options.mount.empty() || getenv(kMountVariable) != nullptr;
  if (!named) options.mount = settings.mount;
  return {};
}

Result<ExitCode> Run(RenewCommandOptions& options) {
  TRY(CheckUsage(options));
  TRY(AddSettings(options));
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command("plan-renewal");
  if (!options.entry.empty()) command.Word(options.entry);
  command.Option("within", options.within);
  Json plan = FieldOf(TRY(Ask(mount, command)), "entries");
  if (!plan.is_array()) plan = Json::array();
  if (plan.empty() && !options.all) {
    return Error(ErrorCode::kNotFound,
                 options.entry + ": its certificate was not issued by the authority of this mount");
  }
  if (!options.json) WritePlan(plan);
  for (const Json& step : plan) {
    const std::filesystem::path entry = StoresOf(mount) / EntryOf(step);
    if (options.rekey) {
      WarnOfPackages("certfs", mount, entry);
    } else {
      WarnOfKeptPackages("certfs", mount, entry);
    }
  }
  bool complete = true;
  std::size_t renewed = 0;
  if (options.dry_run) {
    for (const Json& step : plan) complete = complete && !FieldOf(step, "obstacle").is_string();
  } else if (!plan.empty()) {
    if (!options.yes && !Confirm("renew?")) {
      std::cout << "nothing was changed\n";
      return ExitCode::kFailed;
    }
    Progress progress("renewing", plan.size());
    for (Json& step : plan) {
      const bool done = Renew(mount, options, step);
      renewed += done ? 1 : 0;
      complete = complete && done;
      progress.Advance(1);
    }
  }
  if (options.json) {
    PrintJson({{"done", !options.dry_run}, {"entries", plan}});
  } else if (!options.dry_run && !plan.empty()) {
    std::cout << renewed << " of " << plan.size() << " renewed\n";
  }
  return complete ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void AddRenewCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("renew", "Renew certificates that the authority issued");
  auto options = std::make_shared<RenewCommandOptions>();
  CLI::Option* entry = command->add_option("ENTRY", options->entry, "STORE/ALIAS: renew this one, now");
  command
      ->add_flag("--all", options->all,
                 "Whatever expires soon, is revoked, or was issued by an authority that retires")
      ->excludes(entry);
  command->add_option("--within", options->within,
                      "With --all: how soon is soon; 30d unless the settings say otherwise");
  command->add_flag("--rekey", options->rekey, "Make new keys as well");
  command->add_option("--mount", options->mount, "The mount to use; needed only when there are several");
  AddSettingsOption(*command, options->settings);
  command->add_flag("--dry-run", options->dry_run, "Show the plan, and stop");
  command->add_flag("--yes", options->yes, "Do not ask");
  command->add_flag("--json", options->json, "As one JSON object; with --yes or --dry-run");
  command->footer(
      "Each entry gets its new certificate, and with --rekey its key, in one step; what cannot be renewed "
      "does "
      "not keep\nthe others out. Exits 0 if all of the plan was done or there was nothing to do, else 1.\n\n"
      "Examples:\n"
      "  certfs renew machine/web\n"
      "  certfs renew --all --within 30d --dry-run");
  command->callback([options, &action] { action = [options] { return Run(*options); }; });
}

}  // namespace certfs
