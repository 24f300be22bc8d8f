// certfs ca replace-root and retire: another root, step by step, forwards or back.

#include <algorithm>
#include <iostream>

#include "store/certificate_authority.h"
#include "tools/authority/part.h"
#include "tools/authority/report.h"
#include "tools/interruption.h"
#include "tools/json_text.h"
#include "tools/package_ledger.h"
#include "tools/progress.h"
#include "tools/system.h"
#include "tools/terminal.h"

namespace certfs::authority {

namespace {

constexpr std::uint64_t kStep = 50;
constexpr int kIdleStepsMax = 5;
constexpr std::uint64_t kPage = 1000;

struct Options : PartOptions {
  NewAuthorityOptions authority;
  bool compromised = false;
  bool rekey = false;
  bool resume = false;
  bool roll_back = false;
  bool status = false;
  bool dry_run = false;
  bool yes = false;
};

struct RetireOptions : PartOptions {
  bool now = false;
  bool yes = false;
};

Error Unfinished(const std::string& why) {
  return {ErrorCode::kCancelled,
          why +
              "; everything served is whole and trusted. Go on with certfs ca replace-root --resume, or take "
              "it back with --roll-back"};
}

// What still has a certificate of an authority that no longer issues: nothing, unless it could not be
// re-issued. Says so on stderr, and returns how many.
Result<std::size_t> ReportLeftBehind(const Mount& mount) {
  const Json plan = TRY(Ask(mount, ControlCommand("plan-renewal").Option("within", "0d")));
  std::size_t count = 0;
  for (const Json& entry : FieldOf(plan, "entries")) {
    const bool obstacle = FieldOf(entry, "obstacle").is_string();
    if (!obstacle && TextOf(entry, "reason") != kAuthorityReplaced) continue;
    const std::string name = TextOf(entry, "store") + "/" + TextOf(entry, "alias");
    std::cerr << "certfs: " << name << ": keeps its certificate: "
              << (obstacle ? TextOf(entry, "obstacle") : "certfs renew " + name + " says why") << "\n";
    ++count;
  }
  return count;
}

// Runs the steps that are left of `state`, the replacement as it stands.
Result<void> RunSteps(const Mount& mount, Json state) {
  // A step that is under way ends, and no other begins.
  const SignalsNoted signals;
  const std::uint64_t total = NumberOf(state, "total");
  std::uint64_t left = std::min(NumberOf(state, "left"), total);
  Progress progress(TextOf(state, "phase") == "rolling-back" ? "taking back" : "re-issuing", total);
  progress.Advance(total - left);
  int idle = 0;
  while (!SignalsNoted::Any()) {
    auto answer = Ask(mount, ControlCommand("replace-root-step").Word(std::to_string(kStep)));
    if (!answer.has_value()) return Unfinished(answer.error().message());
    Json next = FieldOf(answer.value(), "replacement");
    if (!next.is_object()) return {};  // It has ended.
    const std::uint64_t now = std::min(NumberOf(next, "left"), left);
    // Others may place certificates meanwhile, so that as much is left as before.
    const bool further = now != left || left == 0 || NumberOf(next, "failed") != NumberOf(state, "failed");
    idle = further ? 0 : idle + 1;
    if (idle == kIdleStepsMax) return Unfinished(std::to_string(idle) + " steps got no further");
    progress.Advance(left - now);
    left = now;
    state = std::move(next);
  }
  return Unfinished("interrupted");
}

Result<ExitCode> Complete(const Mount& mount, const Json& state, const Options& options) {
  const bool back = TextOf(state, "phase") == "rolling-back";
  TRY(RunSteps(mount, state));
  const std::size_t behind = TRY(ReportLeftBehind(mount));
  const Json shown = TRY(Ask(mount, ControlCommand("show")));
  if (options.json) {
    PrintJson({{"done", true}, {"left_behind", behind}, {"authority", FieldOf(shown, "authority")}});
  } else {
    std::cout << (back ? "taken back; the authority is\n" : "replaced; the authority is\n");
    WriteAuthority(std::cout, FieldOf(shown, "authority"));
  }
  return behind == 0 ? ExitCode::kOk : ExitCode::kFailed;
}

// The entries that have a live certificate of the authority.
Result<std::vector<std::string>> Entries(const Mount& mount) {
  std::vector<std::string> entries;
  std::string after;
  do {
    ControlCommand command("list");
    if (!after.empty()) command.Option("after", after);
    const Json page = TRY(Ask(mount, command.Option("limit", kPage)));
    for (const Json& issued : FieldOf(page, "issued")) {
      if (FieldOf(issued, "entry").is_string()) entries.push_back(TextOf(issued, "entry"));
    }
    after = TextOf(page, "next");
  } while (!after.empty());
  return entries;
}

// Names the packages that nobody can open once `entries` are re-issued.
void WarnOfKeys(const Mount& mount, const std::vector<std::string>& entries, const Options& options) {
  for (const std::string& entry : entries) {
    if (options.rekey) {
      WarnOfPackages("certfs", mount, StoresOf(mount) / entry);
    } else {
      WarnOfKeptPackages("certfs", mount, StoresOf(mount) / entry);
    }
  }
}

Result<Json> Plan(const Json& shown, std::size_t entries, const Options& options) {
  if (!FieldOf(shown, "authority").is_object())
    return Error(ErrorCode::kNotFound, "there is no authority to replace: certfs ca init makes one");
  return Json{{"authority", FieldOf(shown, "authority")},
              {"entries", entries},
              {"compromised", options.compromised},
              {"rekey", options.rekey}};
}

void WritePlan(const Json& plan, const Options& options) {
  std::cout << "to be replaced:\n";
  WriteAuthority(std::cout, FieldOf(plan, "authority"));
  std::cout << "by " << (options.authority.import.empty() ? "a new root" : options.authority.import.front())
            << ", which is trusted beside it from the first step on\nre-issued: " << NumberOf(plan, "entries")
            << " entries, " << (options.rekey ? "with new keys" : "for their own keys") << "\n"
            << (options.compromised
                    ? "in the end the old root is trusted no more, and what it issued with it\n"
                    : "the old root stays trusted until the last certificate it issued has expired\n");
}

Result<ExitCode> Begin(const Mount& mount, const Json& shown, const Options& options) {
  const std::vector<std::string> entries = TRY(Entries(mount));
  const Json plan = TRY(Plan(shown, entries.size(), options));
  if (!options.json) WritePlan(plan, options);
  WarnOfKeys(mount, entries, options);
  if (options.dry_run) {
    if (options.json) PrintJson(plan);
    return ExitCode::kOk;
  }
  ControlCommand command("replace-root");
  if (options.compromised) command.Flag("compromised");
  if (options.rekey) command.Flag("rekey");
  TRY(Describe(options.authority, command));
  if (!options.yes && !Confirm("replace the root?")) {
    std::cout << "nothing was changed\n";
    return ExitCode::kFailed;
  }
  const Json begun = TRY(Ask(mount, command));
  return Complete(mount, FieldOf(begun, "replacement"), options);
}

Result<void> CheckUsage(const Options& options) {
  const bool asks =
      !options.resume && !options.roll_back && !options.status && !options.dry_run && !options.yes;
  if (asks && options.json)
    return Error(ErrorCode::kInvalidArgument, "--json asks nothing: add --yes or --dry-run");
  if (asks && !HasTerminal()) {
    return Error(ErrorCode::kInvalidArgument,
                 "there is no terminal to ask on whether to replace the root: add --yes or --dry-run");
  }
  return {};
}

Result<ExitCode> Status(const Json& state, const Options& options) {
  if (options.json) {
    PrintJson({{"replacement", state}});
  } else if (state.is_object()) {
    WriteReplacement(std::cout, state);
  } else {
    std::cout << "no replacement of the root is under way\n";
  }
  return ExitCode::kOk;
}

Result<ExitCode> ReplaceRoot(const Options& options) {
  ProtectSecrets();
  TRY(CheckUsage(options));
  const Mount mount = TRY(ChooseMount(options.mount));
  const Json shown = TRY(Ask(mount, ControlCommand("show")));
  Json state = FieldOf(shown, "replacement");
  if (options.status) return Status(state, options);
  if (!options.resume && !options.roll_back) return Begin(mount, shown, options);
  // One that has ended is taken back as well, as long as the old root is retiring.
  if (!state.is_object() && !options.roll_back)
    return Error(ErrorCode::kNotFound, "no replacement of the root is under way");
  if (options.roll_back && TextOf(state, "phase") != "rolling-back")
    state = FieldOf(TRY(Ask(mount, ControlCommand("replace-root-back"))), "replacement");
  return Complete(mount, state, options);
}

Result<ExitCode> Retire(const RetireOptions& options) {
  const bool asks = options.now && !options.yes;
  if (asks && !HasTerminal())
    return Error(ErrorCode::kInvalidArgument, "there is no terminal to ask on whether to retire: add --yes");
  const Mount mount = TRY(ChooseMount(options.mount));
  if (asks && !Confirm("distrust every retiring root, and what it issued, now?")) return ExitCode::kFailed;
  ControlCommand command("retire");
  if (options.now) command.Flag("now");
  const Json answer = TRY(Ask(mount, command));
  if (options.json) {
    PrintJson(answer);
  } else {
    std::cout << "retired: " << FieldOf(answer, "retired").size() << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace

void AddReplaceRoot(CLI::App& command, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* part = AddPart(command, "replace-root", "Replace the root, and re-issue what it issued", *options,
                           Prints::kData);
  AddNewAuthorityOptions(*part, options->authority);
  part->add_flag("--compromised", options->compromised, "Trust the old root no more, once all is re-issued");
  part->add_flag("--rekey", options->rekey, "Make new keys for what is re-issued");
  CLI::Option* resume = part->add_flag("--resume", options->resume, "Go on with what was interrupted");
  CLI::Option* back = part->add_flag("--roll-back", options->roll_back, "Take back what was begun");
  CLI::Option* status = part->add_flag("--status", options->status, "Say how far it is");
  resume->excludes(back)->excludes(status);
  back->excludes(status);
  part->add_flag("--dry-run", options->dry_run, "Show the plan, and stop");
  part->add_flag("--yes", options->yes, "Do not ask");
  part->footer(
      "At every moment each entry is served with a certificate that is trusted. Interrupted at any point it "
      "goes on\nwith --resume, or is taken back with --roll-back.");
  part->callback([options, &action] { action = [options] { return ReplaceRoot(*options); }; });
}

void AddRetire(CLI::App& command, Action& action) {
  auto options = std::make_shared<RetireOptions>();
  CLI::App* part = AddPart(command, "retire", "End former roots whose last certificate has expired", *options,
                           Prints::kData);
  part->add_flag("--now", options->now, "All of them, and what they issued is trusted no more");
  part->add_flag("--yes", options->yes, "Do not ask");
  part->callback([options, &action] { action = [options] { return Retire(*options); }; });
}

}  // namespace certfs::authority
