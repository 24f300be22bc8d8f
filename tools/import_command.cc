// certfs import: brings keys and certificates into a store from PKCS#12, PEM and DER files.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "store/policy.h"
#include "tools/bundle_file.h"
#include "tools/commands.h"
#include "tools/entry_writer.h"
#include "tools/import_plan.h"
#include "tools/json_text.h"
#include "tools/mounts.h"
#include "tools/package_ledger.h"
#include "tools/progress.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ImportCommandOptions {
  std::string file;
  std::string target;
  std::string name;
  std::string mount;
  std::string password_file;
  bool dry_run = false;
  bool json = false;
};

// The entries of a store by their folded names: an alias that differs in case only is the same.
class Entries {
 public:
  static Result<Entries> Of(const fs::path& store) {
    struct stat status {};
    if (stat(store.c_str(), &status) != 0 && errno == ENOENT) {
      return Error(ErrorCode::kNotFound,
                   store.string() + ": there is no such store; make it: mkdir '" + store.string() + "'");
    }
    Entries entries(store);
    std::error_code failure;
    for (fs::directory_iterator at(store, failure), end; !failure && at != end; at.increment(failure)) {
      const std::string name = at->path().filename().string();
      entries.names_.emplace(FoldName(name), name);
    }
    // Who may enter a store but not list it can still name an entry.
    if (failure && failure != std::errc::permission_denied) return SystemError(store, failure.value());
    return entries;
  }

  // Where the entry of that alias is, or is going to be.
  fs::path At(const Alias& alias) const {
    const auto found = names_.find(FoldName(alias.text()));
    return store_ / (found == names_.end() ? alias.text() : found->second);
  }

 private:
  explicit Entries(fs::path store) : store_(std::move(store)) {}
  fs::path store_;
  std::map<std::string, std::string> names_;
};

bool HasFiles(const fs::path& entry) {
  for (const Member member : kMembers) {
    if (access((entry / FileName(member)).c_str(), F_OK) == 0) return true;
  }
  return false;
}

// Writes one entry, or nothing.
Result<void> Carry(const Mount& mount, const fs::path& entry, const ImportStep& step) {
  const bool made = mkdir(entry.c_str(), 0777) == 0;
  if (!made && errno != EEXIST) return WithRefusal(SystemError(entry, errno), mount, entry);
  Result<void> outcome;
  const SecretBytes key = step.pkcs8.empty() ? SecretBytes() : WritePem("PRIVATE KEY", step.pkcs8.Reveal());
  if (!key.empty() && !step.certificates.empty()) {
    outcome = ThroughNext(entry, [&](const fs::path& next) -> Result<void> {
      TRY(WriteMember(mount, next, Member::kKey, key.Reveal()));
      return WriteMember(mount, next, Member::kCertificate, step.certificates);
    });
  } else if (!key.empty()) {
    outcome = WriteMember(mount, entry, Member::kKey, key.Reveal());
  } else if (!step.certificates.empty()) {
    outcome = WriteMember(mount, entry, Member::kCertificate, step.certificates);
  } else {
    outcome = WriteMember(mount, entry, Member::kRevocationList, step.list);
  }
  if (!outcome.has_value() && made) rmdir(entry.c_str());
  return outcome;
}

std::string Called(const ImportTarget& target, const fs::path& entry) {
  return target.store.text() + "/" + entry.filename().string();
}

// Names the packages that nobody can open once the key of `step` has taken the place of another.
void WarnOfKey(const Mount& mount, const fs::path& entry, const ImportStep& step) {
  if (step.pkcs8.empty()) {
    WarnOfKeptPackages("certfs", mount, entry);
    return;
  }
  const auto key = PrivateKey::FromDer(step.pkcs8.Reveal());
  if (!key.has_value()) return;
  const auto half = PublicKey::Of(key.value());
  if (half.has_value()) WarnOfPackages("certfs", mount, entry, half.value().der());
}

void ShowPlan(const Mount& mount, const ImportPlan& plan, const ImportTarget& target, const Entries& entries,
              bool in_words) {
  for (const ImportStep& step : plan.steps) {
    const fs::path entry = entries.At(step.alias);
    if (in_words) {
      std::cout << Called(target, entry) << ": " << (HasFiles(entry) ? "replaces what is there" : "new")
                << ": " << step.words << "\n";
    }
    WarnOfKey(mount, entry, step);
  }
  if (!in_words) return;
  for (const std::string& each : plan.left) std::cout << "not imported: " << each << "\n";
}

// Imports one entry, and says what came of it: in words at once, and as an object.
Json CarryOut(const Mount& mount, const ImportTarget& target, const fs::path& entry, const ImportStep& step,
              const ImportCommandOptions& options) {
  const std::string called = Called(target, entry);
  const bool replaced = HasFiles(entry);
  Json outcome{{"entry", called},
               {"what", step.words},
               {"replaces", replaced},
               {"imported", false},
               {"error", nullptr}};
  if (options.dry_run) return outcome;
  const auto carried = Carry(mount, entry, step);
  if (!carried.has_value()) {
    outcome["error"] = carried.error().message();
    std::cerr << "certfs: " << called << ": not imported: " << carried.error().message() << "\n";
    return outcome;
  }
  outcome["imported"] = true;
  if (!options.json)
    std::cout << called
              << (replaced ? ": imported; what it held before is in BACKUP_STORE\n" : ": imported\n");
  return outcome;
}

Result<ExitCode> Import(const ImportCommandOptions& options) {
  ProtectSecrets();  // It makes entries, for which the caller's own umask holds as for mkdir.
  ImportTarget target = TRY(ParseImportTarget(options.target));
  target.name = options.name;
  target.file = options.file;
  const Mount mount = TRY(ChooseMount(options.mount));
  const BundleSource source{options.file, options.password_file,
                            "certfs import '" + options.file + ".p12' " + options.target};
  const ImportPlan plan = TRY(PlanImport(TRY(ReadBundleFile(source)), target));
  const Entries entries = TRY(Entries::Of(StoresOf(mount) / target.store.text()));
  ShowPlan(mount, plan, target, entries, !options.json);
  if (options.dry_run && !options.json) return ExitCode::kOk;

  Json report{{"done", !options.dry_run}, {"entries", Json::array()}, {"left", plan.left}};
  std::size_t imported = 0;
  {
    // A line for each entry on the same terminal is as good.
    const bool lines = !options.json && isatty(STDOUT_FILENO) == 1;
    const auto progress = lines ? nullptr : std::make_unique<Progress>("importing", plan.steps.size());
    for (const ImportStep& step : plan.steps) {
      report["entries"].push_back(CarryOut(mount, target, entries.At(step.alias), step, options));
      imported += report["entries"].back()["imported"].get<bool>() ? 1 : 0;
      if (progress) progress->Advance(1);
    }
  }
  if (options.json) {
    PrintJson(report);
  } else {
    std::cout << imported << " of " << plan.steps.size() << " imported\n";
  }
  return options.dry_run || imported == plan.steps.size() ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void AddImportCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("import", "Bring keys and certificates into a store from a file");
  auto options = std::make_shared<ImportCommandOptions>();
  command->add_option("FILE", options->file, "PKCS#12 (.p12, .pfx), PEM or DER; - is standard input")
      ->required();
  command->add_option("TARGET", options->target, "The store, or the entry STORE/ALIAS")->required();
  command->add_option("--name", options->name, "Take only what has this name in the file");
  command->add_option("--password-file", options->password_file,
                      "The password of FILE is in this file; one trailing newline is ignored");
  command->add_option("--mount", options->mount, "The mount to use; needed only when there are several");
  command->add_flag("--dry-run", options->dry_run, "Show what would be imported, and stop");
  command->add_flag("--json", options->json, "As one JSON object");
  command->footer(
      "Without an alias every key gets an entry of its own, after its name in FILE. An entry that is there "
      "is\n"
      "replaced in one step, and keeps its owner, mode and ACL. Certificates that go with no key are for\n"
      "TRUSTED_ROOTS.\n\nExamples:\n"
      "  certfs import web.pfx machine/web\n"
      "  certfs import keys.p12 machine --name web --password-file pfx.pass\n"
      "  certfs import bundle.pem TRUSTED_ROOTS --dry-run");
  command->callback([options, &action] { action = [options] { return Import(*options); }; });
}

}  // namespace certfs
