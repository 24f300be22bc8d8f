#include "tools/certificate_manager/inputs.h"

#include <algorithm>
#include <utility>

#include "crypto/pem.h"
#include "crypto/request_config.h"
#include "store/name.h"
#include "tools/bundle_file.h"
#include "tools/certificate_manager/subject_config.h"
#include "tools/certificate_manager/targets.h"
#include "tools/exit_code.h"
#include "tools/system.h"

namespace certfs {

namespace {

constexpr std::size_t kConfigBytes = std::size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsName(const std::string& folded) {
  if (folded == kRootName) return true;
  return std::any_of(kTargets.begin(), kTargets.end(),
                     [&](const Target& target) { return FoldName(std::string(target.store)) == folded; });
}

bool IsSolutionUser(const std::string& folded) {
  return IsName(folded) && folded != kRootName && folded != FoldName(std::string(kMachineSsl.store));
}

struct NamedFile {
  std::string name;  // Folded; empty where none was given.
  std::string file;
};

// "vpxd=certs/vpxd.pem", or a path that may well hold an "=" of its own.
NamedFile ReadNamed(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {"", text};
  const std::string name = FoldName(text.substr(0, equals));
  if (!IsName(name)) return {"", text};
  return {name, text.substr(equals + 1)};
}

// What a custom certificate is for if its file was given without a name.
Result<std::string> PairName(const NamedFile& named, const Inputs& inputs) {
  const std::string machine = FoldName(std::string(kMachineSsl.store));
  switch (inputs.operation) {
    case Operation::kMachineSslCustom:
      if (!named.name.empty() && named.name != machine)
        return UsageError("operation 1 is about MACHINE_SSL_CERT, not about " + named.name);
      return machine;
    case Operation::kRootCustom:
      if (!named.name.empty() && named.name != kRootName)
        return UsageError("operation 2 takes the root's certificate and key, not those of " + named.name);
      return std::string(kRootName);
    default:
      break;
  }
  if (IsSolutionUser(named.name)) return named.name;
  if (named.name.empty() && inputs.users.size() == 1) return *inputs.users.begin();
  return UsageError(named.file + ": say which solution user it is for: vpxd=" + named.file);
}

Result<void> ReadConfigs(const ManagerOptions& options, Inputs& inputs) {
  inputs.configs = options.typed_configs;
  for (const std::string& text : options.configs) {
    const NamedFile named = ReadNamed(text);
    const auto bytes = ReadWholeFile(named.file, kConfigBytes);
    if (!bytes.has_value()) return UsageError(bytes.error().message());
    auto config = RequestConfig::Parse(bytes.value());
    if (!config.has_value()) return std::move(config).error().Within(named.file);
    std::string_view text_of_file = AsText(bytes.value());
    // It is going to stand in the middle of what is sent.
    if (text_of_file.starts_with(kByteOrderMark)) text_of_file.remove_prefix(kByteOrderMark.size());
    const bool fresh = inputs.configs.emplace(named.name, text_of_file).second;
    if (!fresh) return UsageError(named.file + ": a second request file for the same");
  }
  return {};
}

Result<void> ReadPairs(const ManagerOptions& options, Inputs& inputs) {
  std::map<std::string, std::vector<std::string>> files;
  for (const std::vector<std::string>* list : {&options.certificates, &options.keys}) {
    for (const std::string& text : *list) {
      const NamedFile named = ReadNamed(text);
      files[TRY(PairName(named, inputs))].push_back(named.file);
    }
  }
  for (auto& [name, named] : files) {
    // A signing certificate brings its chain up to its root, which may lie in a file of its own.
    if (inputs.operation == Operation::kRootCustom)
      named.insert(named.end(), options.roots.begin(), options.roots.end());
    inputs.pairs.emplace(name, TRY(ReadKeyAndChain(named, options.password_file)));
  }
  return {};
}

Result<void> ReadRoots(const ManagerOptions& options, Inputs& inputs) {
  if (inputs.operation == Operation::kRootCustom) return {};
  for (const std::string& file : options.roots) {
    const Bundle bundle = TRY(ReadBundleFile({file, options.password_file, {}}));
    const std::size_t before = inputs.roots.size();
    for (const Pkcs12Item& item : bundle.items) {
      if (!item.pkcs8.empty()) return UsageError(file + ": holds a key; --root takes certificates");
      inputs.roots.insert(inputs.roots.end(), item.certificates.begin(), item.certificates.end());
    }
    if (inputs.roots.size() == before) return UsageError(file + ": holds no certificate");
  }
  return {};
}

Result<void> ReadUsers(const ManagerOptions& options, Inputs& inputs) {
  for (const std::string& user : options.users) {
    if (!IsSolutionUser(FoldName(user))) return UsageError("'" + user + "' is no solution user");
    inputs.users.insert(FoldName(user));
  }
  return {};
}

// What was given, and goes with another operation, was a mistake: nothing is left out silently.
Result<void> CheckUsage(const ManagerOptions& options, Operation operation) {
  const std::string number = "operation " + std::to_string(static_cast<int>(operation));
  const bool pairs = !options.certificates.empty() || !options.keys.empty();
  if (pairs && !TakesPairs(operation)) return UsageError(number + " takes no --cert and no --key");
  if (!options.roots.empty() && !TakesPairs(operation)) return UsageError(number + " takes no --root");
  if (TakesPairs(operation) && !pairs && options.requests.empty())
    return UsageError(number + " takes --cert FILE and --key FILE");
  const bool issues = ReplacesRoot(operation) || operation == Operation::kMachineSsl ||
                      operation == Operation::kSolutionUsers || !options.requests.empty();
  if (!options.configs.empty() && !issues) return UsageError(number + " takes no --config");
  const bool users = operation == Operation::kSolutionUsers || operation == Operation::kSolutionUsersCustom ||
                     operation == Operation::kResetAll;
  if (!options.users.empty() && !users) return UsageError(number + " takes no --user");
  if (!options.requests.empty() && !TakesPairs(operation))
    return UsageError("--requests goes with operations 1, 2 and 5");
  if (options.rekey && !ReplacesRoot(operation)) return UsageError(number + " takes no --rekey");
  const bool makes_root = operation == Operation::kRootNew || operation == Operation::kResetAll;
  if (!options.key_type.empty() && !makes_root) return UsageError(number + " takes no --root-key");
  return {};
}

}  // namespace

std::string Inputs::ConfigFor(std::string_view store, std::string_view name) const {
  const auto own = configs.find(FoldName(std::string(store)));
  if (own != configs.end()) return own->second;
  const auto base = configs.find("");
  if (base == configs.end()) return {};
  return name.empty() ? base->second : WithValue(base->second, "Name", name);
}

bool Inputs::Wants(std::string_view store) const {
  return users.empty() || users.count(FoldName(std::string(store))) != 0;
}

Result<Inputs> ReadInputs(const ManagerOptions& options, Operation operation) {
  TRY(CheckUsage(options, operation));
  Inputs inputs;
  inputs.operation = operation;
  inputs.key_type = options.key_type;
  // A reset leaves nothing of what was.
  inputs.rekey = options.rekey || operation == Operation::kResetAll;
  TRY(ReadUsers(options, inputs));
  TRY(ReadConfigs(options, inputs));
  if (options.requests.empty()) {
    TRY(ReadPairs(options, inputs));
    TRY(ReadRoots(options, inputs));
  }
  return inputs;
}

}  // namespace certfs
