#include "tools/certificate_manager/dialogue.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "crypto/request_config.h"
#include "store/name.h"
#include "tools/certificate_manager/subject_config.h"
#include "tools/certificate_manager/targets.h"

namespace certfs {

namespace {

struct Question {
  std::string_view key;
  std::string_view remark;
  bool required;
};
constexpr std::array kQuestions{
    Question{"Country", "", false},
    Question{"Name", "", true},
    Question{"Organization", "", false},
    Question{"OrgUnit", "", false},
    Question{"State", "", false},
    Question{"Locality", "", false},
    Question{"IPAddress", " (Provide comma separated values for multiple IP addresses)", false},
    Question{"Email", "", false},
    Question{"Hostname",
             " (Provide comma separated values for multiple Hostname entries) [Enter valid Fully Qualified "
             "Domain Name(FQDN), For Example : example.domain.com]",
             false},
};

std::string Trimmed(std::string text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// What the certificates of an operation are called in its questions.
std::string_view Subject(Operation operation) {
  if (operation == Operation::kMachineSslCustom || operation == Operation::kMachineSsl) return "Machine SSL";
  if (operation == Operation::kRootCustom) return "Root Signing";
  return "Solution user";
}

}  // namespace

Result<std::string> Dialogue::Line(std::string_view prompt) {
  out_ << prompt << std::flush;
  std::string line;
  if (!std::getline(in_, line)) {
    out_ << "\n";
    return Error(ErrorCode::kCancelled, "nothing was changed");
  }
  return Trimmed(std::move(line));
}

Result<bool> Dialogue::YesOrNo(std::string_view question) {
  for (;;) {
    const std::string answer = FoldName(TRY(Line(std::string(question) + " : Option[Y/N] ? : ")));
    if (answer == "y" || answer == "yes") return true;
    if (answer == "n" || answer == "no") return false;
  }
}

bool Dialogue::Confirm() {
  const auto answer = YesOrNo("Continue operation");
  return answer.has_value() && answer.value();
}

Result<Operation> Dialogue::ChooseOperation() {
  out_ << "\n      *** certificate-manager: the certificates of this machine ***\n\n"
       << "                     -- Select Operation --\n\n";
  for (const OperationRow& row : Operations()) {
    out_ << "  " << static_cast<int>(row.operation) << ". " << row.title << "\n";
  }
  out_ << "\nNote : Use Ctrl-D to exit.\n";
  for (;;) {
    const std::string answer = TRY(Line("Option[1 to 8]: "));
    const auto operation = ParseOperation(answer);
    if (operation.has_value()) return operation.value();
    out_ << "'" << answer << "' is none of them.\n";
  }
}

Result<std::string> Dialogue::File(std::string_view what, bool optional) {
  out_ << "\nPlease provide " << what << (optional ? " (Enter: none)" : "") << "\n";
  for (;;) {
    std::string file = TRY(Line("File : "));
    if (file.empty() && optional) return file;
    if (access(file.c_str(), R_OK) == 0) return file;
    out_ << "'" << file << "' cannot be read.\n";
  }
}

Result<std::string> Dialogue::Value(std::string_view key, std::string_view fallback) {
  const Question* question = nullptr;
  for (const Question& each : kQuestions) {
    if (each.key == key) question = &each;
  }
  std::string prompt = "Enter proper value for '" + std::string(key) + "'" + std::string(question->remark);
  prompt += fallback.empty() ? (question->required ? " : " : " [optional] : ")
                             : " [Default value : " + std::string(fallback) + "] : ";
  for (;;) {
    std::string value = TRY(Line(prompt));
    if (value.empty()) value = fallback;
    if (!value.empty() || !question->required) return value;
  }
}

// The request file called NAME.cfg, asked for value by value until it is right.
Result<std::string> Dialogue::Config(const std::string& name, const std::string& defaults,
                                     const std::string& host) {
  out_ << "\nPlease configure " << name << ".cfg with proper values before proceeding to next step.\n"
       << "Press Enter key to skip optional parameters or use Default value.\n";
  std::map<std::string, std::string> values = ValuesOf(defaults);
  if (values.empty() && name == kMachineSsl.store) values = {{"name", host}, {"hostname", host}};
  if (values.empty() && name == kRootName) values = {{"name", "certfs CA"}};
  for (;;) {
    std::string config = defaults;
    for (const Question& question : kQuestions) {
      std::string& value = values[FoldName(std::string(question.key))];
      value = TRY(Value(question.key, value));
      if (!value.empty()) config = WithValue(config, question.key, value);
    }
    const auto parsed = RequestConfig::Parse(AsBytes(config));
    if (parsed.has_value()) return config;
    out_ << parsed.error().message() << "\n";
  }
}

Result<bool> Dialogue::WantsRequests(std::string_view what, ManagerOptions& options) {
  out_ << "\n  1. Generate Certificate Signing Request(s) and Key(s) for " << what << " certificate\n"
       << "  2. Import custom certificate(s) and key(s) to replace existing " << what << " certificate\n\n";
  for (;;) {
    const std::string answer = TRY(Line("Option [1 or 2]: "));
    if (answer == "2") return false;
    if (answer != "1") continue;
    out_ << "\nPlease provide a directory location to write the CSR(s) and PrivateKey(s) to:\n";
    while (options.requests.empty()) options.requests = TRY(Line("Output directory path: "));
    return true;
  }
}

Result<void> Dialogue::Pair(const std::string& name, std::string_view label, ManagerOptions& options) {
  const std::string what(label);
  options.certificates.push_back(name + "=" + TRY(File("valid custom certificate for " + what + ".", false)));
  options.keys.push_back(name + "=" + TRY(File("valid custom key for " + what + ".", false)));
  return {};
}

Result<void> Dialogue::Custom(Operation operation, ManagerOptions& options) {
  if (operation == Operation::kSolutionUsersCustom) {
    for (const Target& target : kTargets) {
      if (target.store == kMachineSsl.store) continue;
      if (!TRY(YesOrNo("Replace the certificate of " + std::string(target.label)))) continue;
      TRY(Pair(std::string(target.store), target.label, options));
    }
  } else if (operation == Operation::kRootCustom) {
    TRY(Pair(std::string(kRootName), "Root", options));
  } else {
    TRY(Pair(std::string(kMachineSsl.store), kMachineSsl.label, options));
  }
  const std::string root = TRY(File("the signing certificate of what you provided", true));
  if (!root.empty()) options.roots.push_back(root);
  return {};
}

Result<void> Dialogue::Fill(Operation operation, const std::map<std::string, std::string>& defaults,
                            const std::string& host, ManagerOptions& options) {
  const auto ask = [&](const std::string& name) -> Result<void> {
    const auto found = defaults.find(name);
    options.typed_configs[FoldName(name)] =
        TRY(Config(name, found == defaults.end() ? std::string() : found->second, host));
    return {};
  };
  const std::string machine(kMachineSsl.store);
  if (operation == Operation::kRevert) return {};
  if (TakesPairs(operation)) {
    if (!TRY(WantsRequests(Subject(operation), options))) return Custom(operation, options);
    if (operation == Operation::kMachineSslCustom) return ask(machine);
    if (operation == Operation::kRootCustom) return ask(std::string(kRootName));
    return {};
  }
  const bool configures = TRY(YesOrNo("Do you wish to generate all certificates using configuration file"));
  if (ReplacesRoot(operation) && configures) TRY(ask(std::string(kRootName)));
  const bool unknown = defaults.find(machine) == defaults.end();
  if (operation == Operation::kMachineSsl && (configures || unknown)) return ask(machine);
  // A reset gives the machine a certificate, and has to know for which name.
  if (operation == Operation::kResetAll && (configures || unknown)) return ask(machine);
  if (operation == Operation::kRootNew && configures) return ask(machine);
  if (operation == Operation::kSolutionUsers && configures) {
    for (const Target& target : kTargets) {
      if (target.store != machine) TRY(ask(std::string(target.store)));
    }
  }
  return {};
}

}  // namespace certfs
