// certfs verify: the verdict that writing a file into a store would get.

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "crypto/judgement.h"
#include "crypto/pem.h"
#include "store/policy.h"
#include "tools/commands.h"
#include "tools/system.h"
#include "tools/timestamp.h"
#include "tools/trust_files.h"
#include "tools/verdict_report.h"

namespace certfs {

namespace {

struct VerifyCommandOptions {
  std::string file;
  std::string store;
  std::vector<std::string> roots;
  std::vector<std::string> untrusted;
  std::vector<std::string> lists;
  std::string at;
  std::string purpose = "any";
  std::string host;
  std::string mount;
  bool json = false;
};

// What is wrong with a file named on the command line is wrong usage, whatever else it would be.
template <typename T>
Result<T> AsUsage(Result<T> result) {
  if (result.has_value()) return result;
  return Error(ErrorCode::kInvalidArgument, result.error().message());
}

Result<const StorePolicy*> PolicyFor(const std::string& store) {
  // Any store that is not one of the default ones has the general rules.
  if (store.empty()) return &PolicyOf(StoreName());
  const StorePolicy& policy = PolicyOf(TRY(AsUsage(StoreName::Parse(store))));
  if (policy.holds == Holds::kSecrets || policy.holds == Holds::kNothing) {
    return Error(ErrorCode::kInvalidArgument, store + ": holds no certificates");
  }
  return &policy;
}

Purpose PurposeOf(const std::string& name) {
  if (name == "server") return Purpose::kServer;
  if (name == "client") return Purpose::kClient;
  return Purpose::kAny;
}

// The roots named; else those of the mount, if there is one.
Result<TrustSet> GatherTrust(const VerifyCommandOptions& options) {
  TrustFiles trust;
  if (options.roots.empty()) {
    auto mount = ChooseMount(options.mount);
    if (mount.has_value()) {
      trust = TRY(AsUsage(ReadTrustOf(mount.value())));
    } else if (!options.mount.empty() || mount.error().code() != ErrorCode::kNotFound) {
      return Error(ErrorCode::kInvalidArgument, mount.error().message());
    }
  }
  for (const std::string& path : options.roots) {
    const std::vector<Certificate> more = TRY(AsUsage(ReadCertificates(path)));
    trust.authorities.insert(trust.authorities.end(), more.begin(), more.end());
  }
  for (const std::string& path : options.lists) {
    const std::vector<RevocationList> more = TRY(AsUsage(ReadRevocationLists(path)));
    trust.lists.insert(trust.lists.end(), more.begin(), more.end());
  }
  return TrustSet(std::move(trust.authorities), std::move(trust.lists));
}

// The verdict on a file that cannot even be read. An Error without a rule is not about the file.
Result<Verdict> Unreadable(const Error& error) {
  if (error.rule().empty()) return error;
  Verdict verdict;
  verdict.AddReadFailure(error, "file");
  return verdict;
}

struct Outcome {
  Verdict verdict;
  std::vector<Certificate> certificates;  // Of the file, as they would be kept.
};

Result<Outcome> Judge(BytesView bytes, const StorePolicy& policy, const Question& question,
                      const std::vector<std::string>& untrusted) {
  if (policy.holds == Holds::kRevocationLists) {
    auto list = ReadRevocationListFile(bytes);
    if (!list.has_value()) return Outcome{TRY(Unreadable(list.error())), {}};
    return Outcome{JudgeRevocationList(list.value(), nullptr, question), {}};
  }
  auto file = ReadCertificateFile(bytes);
  if (!file.has_value()) return Outcome{TRY(Unreadable(file.error())), {}};
  Arrange(file.value(), nullptr);
  Outcome outcome{{}, file.value().certificates};
  for (const std::string& path : untrusted) {
    const std::vector<Certificate> more = TRY(AsUsage(ReadCertificates(path)));
    // An anchor stands alone, so that nothing can help it.
    if (policy.rules == RuleSet::kTrust) continue;
    std::vector<Certificate>& all = file.value().certificates;
    all.insert(all.end(), more.begin(), more.end());
  }
  outcome.verdict = JudgeCertificates(file.value(), nullptr, question);
  return outcome;
}

Result<ExitCode> Verify(const VerifyCommandOptions& options) {
  const StorePolicy* policy = TRY(PolicyFor(options.store));
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::chrono::sys_seconds at = options.at.empty() ? now : TRY(ParseTimestamp(options.at));
  // More than a store takes, so that the verdict itself says "too large".
  const Bytes bytes = TRY(AsUsage(ReadWholeFile(options.file, kFileBytesMax * 16)));
  const TrustSet trust = TRY(GatherTrust(options));
  const Question question{policy->rules, at, &trust, PurposeOf(options.purpose),
                          options.host.empty() ? std::nullopt : std::optional(options.host)};
  const Outcome outcome = TRY(Judge(bytes, *policy, question, options.untrusted));
  if (options.json) {
    WriteJson(std::cout, {options.file, options.store, at}, outcome.verdict, outcome.certificates);
  } else {
    WriteText(std::cout, outcome.verdict);
  }
  return outcome.verdict.accepted() ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("verify", "Say whether a store would take a certificate file, and why not");
  auto options = std::make_shared<VerifyCommandOptions>();
  command->add_option("CERT", options->file, "The file, PEM or DER; - is standard input")->required();
  command->add_option("--store", options->store,
                      "Judge by the rules of this store (default: the general rules)");
  // One value an option: the positional argument must not be taken for another.
  for (const auto& [name, target, words] :
       {std::tuple{"--roots", &options->roots, "Trust the certificates in this file, instead of the mount's"},
        std::tuple{"--untrusted", &options->untrusted,
                   "Intermediate CA certificates that may help to build the chain"},
        std::tuple{"--crl", &options->lists, "Certificate revocation lists"}}) {
    command->add_option(name, *target, words)->expected(1)->take_all()->type_name("FILE");
  }
  command->add_option("--at", options->at, "Judge as of this time (RFC 3339), not now")->type_name("TIME");
  command->add_option("--purpose", options->purpose, "What the chain is for")
      ->check(CLI::IsMember({"server", "client", "any"}));
  command->add_option("--host", options->host, "A name or address that the certificate should cover");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->add_option("--mount", options->mount, "Take the trusted roots and CRLs of the mount there");
  command->callback([options, &action] { action = [options] { return Verify(*options); }; });
}

}  // namespace certfs
