// certfs import: brings keys and certificates into a store from PKCS#12, PEM and DER files.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/pem.h"
#include "store/policy.h"
#include "tools/bundle_file.h"
#include "tools/commands.h"
#include "tools/entry_writer.h"
#include "tools/import_plan.h"
#include "tools/mounts.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

struct Options {
  std::string file;
  std::string target;
  std::string name;
  std::string mount;
  std::string password_file;
  bool dry_run = false;
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

void PrintPlan(const ImportPlan& plan, const ImportTarget& target, const Entries& entries) {
  for (const ImportStep& step : plan.steps) {
    const fs::path entry = entries.At(step.alias);
    std::cout << Called(target, entry) << ": " << (HasFiles(entry) ? "replaces what is there" : "new") << ": "
              << step.words << "\n";
  }
  for (const std::string& each : plan.left) std::cout << "not imported: " << each << "\n";
}

Result<ExitCode> Import(const Options& options) {
  ProtectSecrets();  // It makes entries, for which the caller's own umask holds as for mkdir.
  ImportTarget target = TRY(ParseImportTarget(options.target));
  target.name = options.name;
  target.file = options.file;
  const Mount mount = TRY(ChooseMount(options.mount));
  const BundleSource source{options.file, options.password_file,
                            "certfs import '" + options.file + ".p12' " + options.target};
  const ImportPlan plan = TRY(PlanImport(TRY(ReadBundleFile(source)), target));
  const Entries entries = TRY(Entries::Of(StoresOf(mount) / target.store.text()));
  PrintPlan(plan, target, entries);
  if (options.dry_run) return ExitCode::kOk;

  std::size_t imported = 0;
  for (const ImportStep& step : plan.steps) {
    const fs::path entry = entries.At(step.alias);
    const bool replaced = HasFiles(entry);
    const auto carried = Carry(mount, entry, step);
    if (!carried.has_value()) {
      std::cerr << "certfs: " << Called(target, entry) << ": not imported: " << carried.error().message()
                << "\n";
      continue;
    }
    std::cout << Called(target, entry)
              << (replaced ? ": imported; what it held before is in BACKUP_STORE\n" : ": imported\n");
    ++imported;
  }
  std::cout << imported << " of " << plan.steps.size() << " imported\n";
  return imported == plan.steps.size() ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void AddImportCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("import", "Bring keys and certificates into a store from a file");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "PKCS#12 (.p12, .pfx), PEM or DER; - is standard input")
      ->required();
  command->add_option("TARGET", options->target, "The store, or the entry STORE/ALIAS")->required();
  command->add_option("--name", options->name, "Take only what has this name in the file");
  command->add_option("--password-file", options->password_file,
                      "The password of FILE is in this file; one trailing newline is ignored");
  command->add_option("--mount", options->mount, "The mount to use; needed only when there are several");
  command->add_flag("--dry-run", options->dry_run, "Show what would be imported, and stop");
  command->footer(
      "Without an alias every key gets an entry of its own, after its name in FILE. An entry that is there "
      "is\n"
      "replaced in one step, and keeps its owner, mode and ACL. Certificates that go with no key are for\n"
      "TRUSTED_ROOTS.\n\nExample: certfs import web.pfx machine/web");
  command->callback([options, &action] { action = [options] { return Import(*options); }; });
}

}  // namespace certfs
