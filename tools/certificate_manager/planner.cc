#include "tools/certificate_manager/plan.h"

#include <algorithm>
#include <utility>

#include "crypto/base/time.h"
#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/request_config.h"
#include "store/authority_record.h"
#include "store/name.h"
#include "store/policy.h"
#include "tools/certificate_manager/subject_config.h"
#include "tools/exit_code.h"

namespace certfs {

namespace {

std::string EntryOf(const Target& target) {
  return std::string(target.store) + "/" + std::string(target.alias);
}

bool IsMachine(const Target& target) { return target.store == kMachineSsl.store; }

CertificateWords WordsOf(const Certificate& certificate) {
  return {certificate.subject(), certificate.serial(), FormatTimestamp(certificate.not_after())};
}

std::optional<CertificateWords> Before(const Situation& situation, const Target& target) {
  const auto held = situation.held.find(std::string(target.store));
  if (held == situation.held.end() || !held->second.certificate) return std::nullopt;
  return WordsOf(*held->second.certificate);
}

// The leaf of what ReadKeyAndChain gave.
Result<Certificate> LeafOf(const SecretBytes& pem) {
  for (const PemBlock& block : TRY(ReadPem(pem.Reveal()))) {
    if (block.label == "CERTIFICATE") return Certificate::FromDer(block.body.Reveal());
  }
  return UsageError("there is no certificate");
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += ", " + name;
  return text;
}

Result<void> CheckStore(const Situation& situation, const Target& target) {
  if (situation.stores.count(FoldName(std::string(target.store))) != 0) return {};
  return Error(ErrorCode::kNotFound, std::string(target.store) + ": there is no such store");
}

// Works out the plan of one operation.
class Planner {
 public:
  Planner(const Inputs& inputs, const Situation& situation) : inputs_(inputs), situation_(situation) {
    plan_.operation = inputs.operation;
  }

  Result<Plan> Make();

 private:
  Result<void> Custom(const Target& target, const SecretBytes& pem);
  Result<void> CustomMachineSsl();
  Result<void> CustomUsers();
  void Trust(const Certificate& root);
  Result<void> IssueTo(const Target& target);
  Result<void> IssueToUsers();
  Result<void> ReplaceRoot();
  Result<void> RootCommand();
  bool IsIssuedAnew(const Target& target) const;
  Result<void> Revert();

  const Inputs& inputs_;
  const Situation& situation_;
  Plan plan_;
};

Result<void> Planner::Custom(const Target& target, const SecretBytes& pem) {
  TRY(CheckStore(situation_, target));
  const Certificate leaf = TRY(LeafOf(pem));
  const CertificateWords words = WordsOf(leaf);
  plan_.sections.push_back({EntryOf(target), {}, {}, pem.Clone()});
  plan_.entries.push_back({EntryOf(target),
                           Before(situation_, target),
                           words.subject + ", issued by " + leaf.issuer() + ", until " + words.not_after,
                           {}});
  return {};
}

// A certificate whose root nobody trusts is of no use: it comes first, in the same commit.
void Planner::Trust(const Certificate& root) {
  if (situation_.trusted.count(ToHex(root.fingerprint())) != 0) return;
  // The alias that VECS gives to a trusted certificate.
  const std::string entry = std::string(kTrustedRoots) + "/" + ToHex(Sha1Fingerprint(root));
  const bool planned = std::any_of(plan_.sections.begin(), plan_.sections.end(),
                                   [&](const EntrySection& section) { return section.entry == entry; });
  if (planned) return;
  plan_.sections.push_back({entry, {}, {}, WritePem("CERTIFICATE", root.der())});
  plan_.entries.push_back({entry, std::nullopt, "trusted from now on: " + root.subject(), {}});
}

Result<void> Planner::CustomMachineSsl() {
  const auto pair = inputs_.pairs.find(FoldName(std::string(kMachineSsl.store)));
  if (pair == inputs_.pairs.end())
    return UsageError("give the certificate and its key: --cert FILE --key FILE");
  return Custom(kMachineSsl, pair->second);
}

Result<void> Planner::CustomUsers() {
  for (const Target& target : kTargets) {
    if (IsMachine(target) || !inputs_.Wants(target.store)) continue;
    const auto pair = inputs_.pairs.find(FoldName(std::string(target.store)));
    if (pair != inputs_.pairs.end()) {
      TRY(Custom(target, pair->second));
    } else if (Before(situation_, target)) {
      plan_.notes.push_back(EntryOf(target) + ": stays as it is; no certificate was given for it");
    }
  }
  if (plan_.sections.empty())
    return UsageError("give the certificates and their keys: --cert vpxd=FILE --key vpxd=FILE");
  return {};
}

Result<void> Planner::IssueTo(const Target& target) {
  TRY(CheckStore(situation_, target));
  std::string config = TRY(ConfigForTarget(inputs_, situation_, target));
  auto parsed = RequestConfig::Parse(AsBytes(config));
  if (!parsed.has_value()) return std::move(parsed).error().Within(EntryOf(target));
  const RequestConfig& wanted = parsed.value();
  plan_.entries.push_back({EntryOf(target),
                           Before(situation_, target),
                           "issued by the authority, profile " + std::string(target.profile) + ": " +
                               wanted.name + Joined(wanted.hosts) + Joined(wanted.addresses) +
                               Joined(wanted.emails),
                           {}});
  plan_.sections.push_back({EntryOf(target), std::string(target.profile), std::move(config), {}});
  return {};
}

Result<void> Planner::IssueToUsers() {
  for (const Target& target : kTargets) {
    if (IsMachine(target) || !inputs_.Wants(target.store)) continue;
    // Whoever names a user wants it; one whose store was removed is not missed otherwise.
    if (inputs_.users.empty() && !CheckStore(situation_, target).has_value()) continue;
    TRY(IssueTo(target));
  }
  return {};
}

Result<void> Planner::RootCommand() {
  const bool custom = inputs_.operation == Operation::kRootCustom;
  const bool there = situation_.has_authority;
  ControlCommand command(there ? "replace-root" : custom ? "import" : "init");
  if (there && inputs_.rekey) command.Flag("rekey");
  if (!custom && !inputs_.key_type.empty()) command.Option("key", inputs_.key_type);
  std::string now = "a new root, made by the authority";
  if (custom) {
    const auto pair = inputs_.pairs.find(std::string(kRootName));
    if (pair == inputs_.pairs.end())
      return UsageError("give the signing certificate and its key: --cert FILE --key FILE");
    command.Payload(pair->second.Reveal());
    now = TRY(LeafOf(pair->second)).subject();
  } else if (const auto config = inputs_.configs.find(std::string(kRootName));
             config != inputs_.configs.end()) {
    command.Payload(AsBytes(config->second));
  }
  plan_.root_words = (there ? situation_.authority : "no authority") + " -> " + now;
  plan_.root.push_back(std::move(command));
  plan_.steps = there;
  return {};
}

// What the authority issued is re-issued as it is; the rest of the targets, and those that a request file is
// given for, are issued anew.
bool Planner::IsIssuedAnew(const Target& target) const {
  const auto held = situation_.held.find(std::string(target.store));
  if (held == situation_.held.end()) return false;
  if (!IsMachine(target) && !inputs_.Wants(target.store)) return false;
  const bool filled = held->second.certificate.has_value();
  if (filled && held->second.issued_here) return !inputs_.ConfigFor(target.store, {}).empty();
  return filled || inputs_.operation == Operation::kResetAll || !inputs_.ConfigFor(target.store, {}).empty();
}

Result<void> Planner::ReplaceRoot() {
  TRY(RootCommand());
  plan_.new_keys = inputs_.rekey;
  for (const Target& target : kTargets) {
    if (IsIssuedAnew(target)) TRY(IssueTo(target));
  }
  for (const PlacedCertificate& placed : situation_.placed) {
    const bool written = std::any_of(
        plan_.sections.begin(), plan_.sections.end(),
        [&](const EntrySection& section) { return FoldName(section.entry) == FoldName(placed.entry); });
    if (written) continue;
    plan_.entries.push_back({placed.entry,
                             CertificateWords{placed.subject, placed.serial, placed.not_after},
                             inputs_.rekey ? "the same names, issued by the new root, to a new key"
                                           : "the same names, issued by the new root, to the same key",
                             {}});
  }
  return {};
}

Result<void> Planner::Revert() {
  plan_.rolls_back = false;
  const auto last = ParseOperation(situation_.last_operation);
  // A replacement of the root is one by itself, or part of one of ours that wrote entries besides.
  const bool root_alone = situation_.last_operation == kReplaceRootOperation;
  const bool of_root = root_alone || (last.has_value() && ReplacesRoot(last.value()));
  if (!situation_.replacement.empty()) {
    plan_.reverts_entries = of_root && !root_alone;
    if (situation_.replacement == "reissuing") plan_.root.emplace_back("replace-root-back");
    plan_.root_words = "the replacement of the root that is under way is taken back";
  } else if (situation_.last_operation.empty()) {
    return Error(ErrorCode::kNotFound, "there is no operation to revert");
  } else {
    plan_.reverts_entries = !root_alone;
    if (of_root && situation_.has_retiring) {
      plan_.root.emplace_back("replace-root-back");
      plan_.root_words = situation_.authority + " -> the root before it";
    } else if (root_alone) {
      return Error(ErrorCode::kNotFound, "the root before this one is distrusted: it does not come back");
    }
  }
  plan_.steps = !plan_.root_words.empty();
  if (!plan_.steps) return {};
  for (const PlacedCertificate& placed : situation_.placed) {
    plan_.entries.push_back({placed.entry,
                             CertificateWords{placed.subject, placed.serial, placed.not_after},
                             "what the root before it issued",
                             {}});
  }
  return {};
}

Result<Plan> Planner::Make() {
  if (!situation_.replacement.empty() && inputs_.operation != Operation::kRevert) {
    return Error(ErrorCode::kBusy,
                 "the root is being replaced: go on with that by --resume, or take it back by operation 7");
  }
  const bool issues =
      inputs_.operation == Operation::kMachineSsl || inputs_.operation == Operation::kSolutionUsers;
  if (issues && !situation_.has_authority)
    return Error(ErrorCode::kNotFound, "there is no certificate authority: make one with 'certfs ca init'");
  for (const Certificate& root : inputs_.roots) Trust(root);
  switch (inputs_.operation) {
    case Operation::kMachineSslCustom:
      TRY(CustomMachineSsl());
      break;
    case Operation::kSolutionUsersCustom:
      TRY(CustomUsers());
      break;
    case Operation::kMachineSsl:
      TRY(IssueTo(kMachineSsl));
      break;
    case Operation::kSolutionUsers:
      TRY(IssueToUsers());
      break;
    case Operation::kRootCustom:
    case Operation::kRootNew:
    case Operation::kResetAll:
      TRY(ReplaceRoot());
      break;
    case Operation::kRevert:
      TRY(Revert());
      break;
  }
  return std::move(plan_);
}

}  // namespace

Result<std::string> ConfigForTarget(const Inputs& inputs, const Situation& situation, const Target& target) {
  const std::string name(IsMachine(target) ? std::string_view() : target.alias);
  std::string given = inputs.ConfigFor(target.store, name);
  if (!given.empty()) return given;
  const auto held = situation.held.find(std::string(target.store));
  if (held != situation.held.end() && held->second.certificate) {
    auto taken_over = ConfigOf(*held->second.certificate);
    if (taken_over.has_value()) return taken_over;
    return UsageError(EntryOf(target) + ": " + taken_over.error().message() +
                      ": give a request file, --config " + std::string(target.store) + "=FILE");
  }
  if (!IsMachine(target)) return "Name = " + name + "\n";
  return UsageError(
      EntryOf(target) +
      ": holds no certificate whose names could be taken over: give a request file, --config FILE");
}

Result<Plan> MakePlan(const Inputs& inputs, const Situation& situation) {
  return Planner(inputs, situation).Make();
}

Result<Plan> PlanResumption(const Situation& situation) {
  if (situation.replacement.empty())
    return Error(ErrorCode::kNotFound, "no replacement of the root is under way: there is nothing to resume");
  Plan plan;
  plan.operation = situation.replacement == "reissuing" ? Operation::kRootNew : Operation::kRevert;
  plan.root_words = situation.replacement == "reissuing"
                        ? "the replacement of the root that was interrupted goes on"
                        : "taking back the replacement of the root, which was interrupted, goes on";
  plan.steps = true;
  plan.rolls_back = false;
  for (const PlacedCertificate& placed : situation.placed) {
    plan.entries.push_back({placed.entry,
                            CertificateWords{placed.subject, placed.serial, placed.not_after},
                            "re-issued, unless it was already",
                            {}});
  }
  return plan;
}

}  // namespace certfs
