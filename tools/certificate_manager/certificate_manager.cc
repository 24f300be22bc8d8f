#include "tools/certificate_manager/certificate_manager.h"

#include <netdb.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/pem.h"
#include "store/name.h"
#include "tools/certificate_manager/dialogue.h"
#include "tools/certificate_manager/execution.h"
#include "tools/certificate_manager/inputs.h"
#include "tools/certificate_manager/plan.h"
#include "tools/certificate_manager/report.h"
#include "tools/certificate_manager/requests.h"
#include "tools/certificate_manager/services.h"
#include "tools/certificate_manager/situation.h"
#include "tools/certificate_manager/subject_config.h"
#include "tools/exit_code.h"
#include "tools/json_text.h"
#include "tools/package_ledger.h"
#include "tools/program.h"
#include "tools/system.h"
#include "tools/terminal.h"
#include "tools/value_names.h"

namespace certfs {

namespace {

constexpr auto kProgram = "certificate-manager";
constexpr auto kServicesFile = "/etc/certfs/services.toml";

volatile std::sig_atomic_t interrupted = 0;
void NoteSignal(int) { interrupted = 1; }

// From here on a signal ends a replacement of the root between two steps, where it can be resumed; whatever
// else there is, is one commit, and is not to be left half told to the services.
void HoldSignals() {
  struct sigaction action {};
  action.sa_handler = NoteSignal;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

Result<void> CheckUsage(const ManagerOptions& options) {
  const bool asks = options.operation.empty() && !options.resume;
  if (!options.operation.empty() && options.resume) return UsageError("--resume takes no --operation");
  if (asks && (options.json || !HasTerminal()))
    return UsageError("there is no terminal to show the menu on: name the --operation");
  if (asks || options.yes || options.dry_run || !options.requests.empty()) return {};
  if (options.json) return UsageError("--json asks nothing: add --yes or --dry-run");
  if (!HasTerminal())
    return UsageError("there is no terminal to ask on whether to go on: add --yes or --dry-run");
  return {};
}

Result<std::vector<Service>> FindServices(const ManagerOptions& options) {
  std::vector<Service> services;
  if (!options.services.empty()) {
    services = TRY(ReadServices(options.services));
  } else if (access(kServicesFile, F_OK) == 0) {
    services = TRY(ReadServices(kServicesFile));
  }
  if (!options.reload_command.empty()) services.push_back(ServiceOfCommand(options.reload_command));
  return services;
}

// The name of this machine as others know it.
std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  std::string host = name.data();
  if (getaddrinfo(name.data(), nullptr, &hints, &found) != 0) return host;
  if (found != nullptr && found->ai_canonname != nullptr) host = found->ai_canonname;
  freeaddrinfo(found);
  return host;
}

// The request files that stand for what the entries hold: what the dialogue proposes.
std::map<std::string, std::string> Proposals(const Situation& situation) {
  std::map<std::string, std::string> proposals;
  for (const Target& target : kTargets) {
    const auto held = situation.held.find(std::string(target.store));
    if (held == situation.held.end()) continue;
    if (held->second.certificate) {
      auto config = ConfigOf(*held->second.certificate);
      if (config.has_value()) proposals.emplace(target.store, std::move(config).value());
    } else if (target.store != kMachineSsl.store) {
      proposals.emplace(target.store, "Name = " + std::string(target.alias) + "\n");
    }
  }
  return proposals;
}

Result<ExitCode> PrintRequests(const Inputs& inputs, const Situation& situation,
                               const std::string& directory) {
  for (const std::filesystem::path& path : TRY(WriteRequests(inputs, situation, directory))) {
    std::cout << path.string() << "\n";
  }
  return ExitCode::kOk;
}

void PrintReport(const Plan& plan, const std::vector<const Service*>& services, const Outcome* outcome) {
  PrintJson(ReportJson(plan, services, outcome));
}

// The key that `section` brings; nothing where the authority makes a new one.
std::optional<Bytes> SuccessorOf(const EntrySection& section) {
  if (!section.profile.empty()) return std::nullopt;
  const auto blocks = ReadPem(section.pem.Reveal());
  if (!blocks.has_value()) return std::nullopt;
  for (const PemBlock& block : blocks.value()) {
    if (block.label != "CERTIFICATE") continue;
    const auto certificate = Certificate::FromDer(block.body.Reveal());
    if (!certificate.has_value()) return std::nullopt;
    const BytesView key = certificate.value().key_der();
    return Bytes(key.begin(), key.end());
  }
  return std::nullopt;
}

void WarnOfKey(const Mount& mount, const std::string& entry, const std::optional<Bytes>& successor) {
  WarnOfPackages(kProgram, mount, StoresOf(mount) / entry,
                 successor ? std::optional<BytesView>(*successor) : std::nullopt);
}

// Names the packages that nobody can open once the keys are replaced.
void WarnOfKeys(const Plan& plan, const Mount& mount) {
  for (const EntrySection& section : plan.sections) WarnOfKey(mount, section.entry, SuccessorOf(section));
  for (const PlannedEntry& planned : plan.entries) {
    const bool written = std::any_of(
        plan.sections.begin(), plan.sections.end(),
        [&](const EntrySection& section) { return FoldName(section.entry) == FoldName(planned.entry); });
    if (written) continue;
    if (plan.operation == Operation::kRevert) {
      WarnOfKey(mount, planned.entry, KeptKey(mount, StoresOf(mount) / planned.entry));
    } else if (plan.new_keys) {
      WarnOfKey(mount, planned.entry, std::nullopt);
    } else {
      WarnOfKeptPackages(kProgram, mount, StoresOf(mount) / planned.entry);
    }
  }
}

class Session {
 public:
  Session(ManagerOptions options, Mount mount, std::vector<Service> services)
      : options_(std::move(options)),
        mount_(std::move(mount)),
        services_(std::move(services)),
        ask_([this](const ControlCommand& command) { return Ask(mount_, command); }) {}

  Result<ExitCode> Run();

 private:
  Result<Operation> ChooseOperation();
  Result<void> ReloadServices(std::span<const std::string> changed) const;
  ExitCode CarryOut(const Plan& plan, const std::vector<const Service*>& services);

  ManagerOptions options_;
  const Mount mount_;
  const std::vector<Service> services_;
  const AuthorityCommand ask_;
  Dialogue dialogue_{std::cin, std::cout};
};

Result<Operation> Session::ChooseOperation() {
  if (options_.resume) return Operation::kRootNew;
  if (!options_.operation.empty()) return ParseOperation(options_.operation);
  return dialogue_.ChooseOperation();
}

// Tells all of them; the Error has those that failed.
Result<void> Session::ReloadServices(std::span<const std::string> changed) const {
  std::string failed;
  for (const Service* service : ServicesOf(services_, changed)) {
    const auto reloaded = Reload(*service, changed, mount_.mountpoint);
    if (!reloaded.has_value()) failed += (failed.empty() ? "" : "\n  ") + reloaded.error().message();
  }
  if (failed.empty()) return {};
  return Error(ErrorCode::kRejected, failed);
}

ExitCode Session::CarryOut(const Plan& plan, const std::vector<const Service*>& services) {
  HoldSignals();
  Surroundings around;
  around.ask = ask_;
  around.reload = [this](std::span<const std::string> changed) { return ReloadServices(changed); };
  around.interrupted = [] { return interrupted != 0; };
  around.progress = [this](int percent, std::string_view doing) {
    // Whoever reads JSON may still watch.
    (options_.json ? std::cerr : std::cout) << StatusLine(percent, doing) << std::endl;
  };
  const Outcome outcome = Execute(plan, around, options_.keep);
  if (options_.json) {
    PrintReport(plan, services, &outcome);
  }
  PrintOutcome(outcome, std::cerr);
  return outcome.done && !outcome.failure ? ExitCode::kOk : ExitCode::kFailed;
}

Result<ExitCode> Session::Run() {
  const bool asks = options_.operation.empty() && !options_.resume;
  const Operation operation = TRY(ChooseOperation());
  const Situation situation = TRY(ReadSituation(ask_, StoresOf(mount_), operation));
  if (asks) TRY(dialogue_.Fill(operation, Proposals(situation), HostName(), options_));
  Plan plan;
  if (options_.resume) {
    plan = TRY(PlanResumption(situation));
  } else {
    const Inputs inputs = TRY(ReadInputs(options_, operation));
    if (!options_.requests.empty()) return PrintRequests(inputs, situation, options_.requests);
    plan = TRY(MakePlan(inputs, situation));
  }
  TRY(Validate(plan, situation, ask_));
  const std::vector<std::string> changed = plan.Changed();
  const std::vector<const Service*> services = ServicesOf(services_, changed);
  if (!options_.json) PrintPlan(plan, services, std::cout);
  // Of a replacement of the root that is under way they were named when it began.
  if (situation.replacement.empty()) WarnOfKeys(plan, mount_);
  if (options_.dry_run) {
    if (options_.json) PrintReport(plan, services, nullptr);
    if (!options_.json) std::cout << "nothing was changed\n";
    return ExitCode::kOk;
  }
  if (!options_.yes && !dialogue_.Confirm()) {
    std::cout << "nothing was changed\n";
    return ExitCode::kFailed;
  }
  return CarryOut(plan, services);
}

Result<ExitCode> Manage(ManagerOptions options) {
  TRY(CheckUsage(options));
  ProtectProcess();
  std::vector<Service> services = TRY(FindServices(options));
  Mount mount = TRY(ChooseMount(options.mount));
  return Session(std::move(options), std::move(mount), std::move(services)).Run();
}

constexpr auto kFooter =
    "Operations, by number or name:\n"
    "  1 machine-ssl-custom     Machine SSL: certificate and key from elsewhere\n"
    "  2 root-custom            the root: a signing certificate from elsewhere, and everything re-issued\n"
    "  3 machine-ssl            Machine SSL: issued by the authority\n"
    "  4 root-new               the root: a new one, and everything re-issued\n"
    "  5 solution-users-custom  solution users: certificates and keys from elsewhere\n"
    "  6 solution-users         solution users: issued by the authority\n"
    "  7 revert                 what the last operation replaced is put back\n"
    "  8 reset-all              a new root, and everything issued anew, with new keys\n\n"
    "Without --operation the menu is shown. NAME is a store, or root.\n\n"
    "Example: certificate-manager --operation 3 --config ssl.cfg --reload-command 'systemctl reload nginx'";

void AddOptions(CLI::App& app, ManagerOptions& options) {
  app.add_option("--operation", options.operation, "What to do, by number or name");
  app.add_option("--config", options.configs, "Request file (certool.cfg) for all, or for NAME alone")
      ->type_name("[NAME=]FILE")
      ->take_all();
  app.add_option("--cert", options.certificates, "Certificate from elsewhere, with its chain, or PKCS#12")
      ->type_name("[NAME=]FILE")
      ->take_all();
  app.add_option("--key", options.keys, "Its key")->type_name("[NAME=]FILE")->take_all();
  app.add_option("--root", options.roots, "What it chains to; trusted in the same step")
      ->type_name("FILE")
      ->take_all();
  app.add_option("--user", options.users, "Only this solution user; may be repeated")->take_all();
  app.add_option("--password-file", options.password_file, "The password of what is encrypted");
  app.add_option("--root-key", options.key_type, "Key of a new root")
      ->check(CLI::IsMember({"ec-p256", "ec-p384", "rsa-3072", "rsa-4096"}));
  app.add_flag("--rekey", options.rekey, "Re-issue to new keys, too");
  app.add_option("--requests", options.requests, "Only write keys and signing requests into this directory")
      ->type_name("DIR");
  app.add_option("--services", options.services, "Services to reload; /etc/certfs/services.toml without it")
      ->type_name("FILE");
  app.add_option("--reload-command", options.reload_command, "Run this, too, when the certificates are live");
  app.add_flag("--keep", options.keep, "Do not roll back where a service cannot be reloaded");
  app.add_flag("--resume", options.resume, "Go on with a replacement of the root that was interrupted");
  app.add_flag("--dry-run", options.dry_run, "Show and judge what would be done, and stop");
  app.add_flag("--yes", options.yes, "Do not ask before it is done");
  app.add_flag("--json", options.json, "Print one JSON object");
  app.add_option("--mount", options.mount, "The mount to use; needed only when there are several");
}

}  // namespace

std::unique_ptr<CLI::App> MakeCertificateManagerParser(ManagerOptions& options) {
  auto parser = std::make_unique<CLI::App>(
      "Replaces the certificates of this machine: plan, one commit, services, rollback.", kProgram);
  parser->set_version_flag("--version", std::string(kProgram) + " " CERTFS_VERSION,
                           "Print the version, and end");
  AddOptions(*parser, options);
  parser->footer(kFooter);
  NameValues(*parser);
  return parser;
}

int RunCertificateManager(int argc, char** argv) {
  ManagerOptions options;
  const auto parser = MakeCertificateManagerParser(options);
  if (const auto end = ParseOrSay(*parser, argc, argv)) return *end;
  return Finish(kProgram, Manage(std::move(options)));
}

}  // namespace certfs
