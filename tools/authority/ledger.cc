// certfs ca list, status, revoke and crl: what was issued, and what is no longer good.

#include <iostream>

#include "tools/authority/part.h"
#include "tools/authority/report.h"
#include "tools/json_text.h"
#include "tools/output_file.h"

namespace certfs::authority {

namespace {

constexpr std::uint64_t kPage = 1000;

struct ListOptions : PartOptions {
  std::string state;
  std::string expiring;
  std::string name;
};

struct TargetOptions : PartOptions {
  std::string target;
  std::string reason;
};

struct CrlOptions : PartOptions {
  std::string out;
  bool force = false;
};

Result<ExitCode> List(const ListOptions& options) {
  const Mount mount = TRY(ChooseMount(options.mount));
  Json all = Json::array();
  bool first = true;
  std::string after;
  do {
    ControlCommand command("list");
    if (!options.state.empty()) command.Option("state", options.state);
    if (!options.expiring.empty()) command.Option("expiring", options.expiring);
    if (!options.name.empty()) command.Option("name", options.name);
    if (!after.empty()) command.Option("after", after);
    command.Option("limit", kPage);
    const Json page = TRY(Ask(mount, command));
    if (first && !options.json) WriteIssuedHeading(std::cout);
    first = false;
    for (const Json& issued : FieldOf(page, "issued")) {
      if (options.json) {
        all.push_back(issued);
      } else {
        WriteIssuedRow(std::cout, issued);
      }
    }
    after = TextOf(page, "next");
  } while (!after.empty());
  if (options.json) PrintJson({{"issued", std::move(all)}});
  return ExitCode::kOk;
}

Result<ExitCode> Status(const TargetOptions& options) {
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command("status");
  TRY(NameCertificate(options.target, command));
  const Json answer = TRY(Ask(mount, command));
  const std::string state = TextOf(answer, "state");
  if (options.json) {
    PrintJson(answer);
  } else {
    std::cout << state << "\n";
    if (FieldOf(answer, "issued").is_object()) WriteIssued(std::cout, FieldOf(answer, "issued"));
  }
  return state == "active" ? ExitCode::kOk : ExitCode::kFailed;
}

Result<ExitCode> Revoke(const TargetOptions& options) {
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command("revoke");
  TRY(NameCertificate(options.target, command));
  if (!options.reason.empty()) command.Word(options.reason);
  const Json answer = TRY(Ask(mount, command));
  if (options.json) {
    PrintJson(answer);
  } else {
    std::cout << "revoked " << CalledBy(FieldOf(answer, "issued")) << "; CRL number "
              << NumberOf(answer, "crl_number") << "\n";
  }
  return ExitCode::kOk;
}

Result<ExitCode> Crl(const CrlOptions& options) {
  const Mount mount = TRY(ChooseMount(options.mount));
  ControlCommand command("crl");
  if (options.force) command.Flag("force");
  const Json answer = TRY(Ask(mount, command));
  const std::string crl = TextOf(answer, "crl");
  if (!options.out.empty()) TRY(WriteOutputFile(options.out, AsBytes(crl), kPublicMode, Existing::kReplace));
  if (options.json) {
    PrintJson(answer);
  } else if (options.out.empty()) {
    std::cout << crl;
  } else {
    std::cout << "signed anew: " << NumberOf(answer, "signed") << "\n";
  }
  return ExitCode::kOk;
}

constexpr auto kTarget = "A file with the certificate, its serial number, or the entry STORE/ALIAS";

}  // namespace

void AddList(CLI::App& command, Action& action) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* part = AddPart(command, "list", "List what was issued", *options, Prints::kData);
  part->add_option("--state", options->state, "Only these")
      ->check(CLI::IsMember({"all", "active", "revoked", "expired"}));
  part->add_option("--expiring", options->expiring, "Only what expires within so many days: 30d");
  part->add_option("--name", options->name, "Only what has this common name or alternative name");
  part->callback([options, &action] { action = [options] { return List(*options); }; });
}

void AddStatus(CLI::App& command, Action& action) {
  auto options = std::make_shared<TargetOptions>();
  CLI::App* part = AddPart(command, "status", "Say whether a certificate is good", *options, Prints::kData);
  part->add_option("CERTIFICATE", options->target, kTarget)->required();
  part->footer(
      "Prints active, revoked, expired or unknown (not issued here), and exits 0 for active, else 1.");
  part->callback([options, &action] { action = [options] { return Status(*options); }; });
}

void AddRevoke(CLI::App& command, Action& action) {
  auto options = std::make_shared<TargetOptions>();
  CLI::App* part = AddPart(command, "revoke", "Revoke a certificate, for good, and publish the new CRL",
                           *options, Prints::kData);
  part->add_option("CERTIFICATE", options->target, kTarget)->required();
  part->add_option("--reason", options->reason,
                   "keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, "
                   "certificateHold or privilegeWithdrawn; unspecified unless said");
  part->callback([options, &action] { action = [options] { return Revoke(*options); }; });
}

void AddCrl(CLI::App& command, Action& action) {
  auto options = std::make_shared<CrlOptions>();
  CLI::App* part = AddPart(command, "crl", "Print the current CRL", *options, Prints::kData);
  part->add_option("--out", options->out, "Write it there instead");
  part->add_flag("--force", options->force, "Sign it anew even if it is fresh");
  part->callback([options, &action] { action = [options] { return Crl(*options); }; });
}

}  // namespace certfs::authority
