#include "tools/certificate_manager/requests.h"

#include <system_error>
#include <utility>

#include "crypto/pem.h"
#include "crypto/request_config.h"
#include "crypto/signing_request.h"
#include "tools/certificate_manager/plan.h"
#include "tools/output_file.h"
#include "tools/system.h"

namespace certfs {

namespace {

struct Request {
  std::string name;
  SecretBytes key;  // PEM, as
  Bytes request;    // this.
};

Result<Request> MakeRequest(std::string name, const std::string& text) {
  auto config = RequestConfig::Parse(AsBytes(text));
  if (!config.has_value()) return std::move(config).error().Within(name + ".cfg");
  const PrivateKey key = TRY(PrivateKey::Generate(config.value().key_type.value_or(kDefaultKeyType)));
  Bytes request = TRY(MakeSigningRequest(config.value(), key));
  const SecretBytes pkcs8 = TRY(key.ToPkcs8());
  return Request{std::move(name), WritePem("PRIVATE KEY", pkcs8.Reveal()), std::move(request)};
}

Result<std::string> RootConfig(const Inputs& inputs) {
  std::string config = inputs.ConfigFor(kRootName, {});
  if (!config.empty()) return config;
  return Error(ErrorCode::kInvalidArgument, "say what the root is to be called: --config root=FILE");
}

Result<std::vector<Request>> MakeRequests(const Inputs& inputs, const Situation& situation) {
  std::vector<Request> requests;
  if (inputs.operation == Operation::kRootCustom) {
    requests.push_back(TRY(MakeRequest(std::string(kRootName), TRY(RootConfig(inputs)))));
    return requests;
  }
  const bool machine = inputs.operation == Operation::kMachineSslCustom;
  for (const Target& target : kTargets) {
    if ((target.store == kMachineSsl.store) != machine) continue;
    if (!machine && !inputs.Wants(target.store)) continue;
    requests.push_back(
        TRY(MakeRequest(std::string(target.store), TRY(ConfigForTarget(inputs, situation, target)))));
  }
  return requests;
}

}  // namespace

Result<std::vector<std::filesystem::path>> WriteRequests(const Inputs& inputs, const Situation& situation,
                                                         const std::filesystem::path& directory) {
  const std::vector<Request> requests = TRY(MakeRequests(inputs, situation));
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) return SystemError(directory, failure.value());
  std::vector<std::filesystem::path> paths;
  for (const Request& request : requests) {
    // The key first: a request without its key is of no use.
    const std::filesystem::path key = directory / (request.name + ".key");
    TRY(WriteOutputFile(key, request.key.Reveal(), kPrivateMode, Existing::kRefuse));
    paths.push_back(key);
    const std::filesystem::path csr = directory / (request.name + ".csr");
    TRY(WriteOutputFile(csr, request.request, kPublicMode, Existing::kReplace));
    paths.push_back(csr);
  }
  return paths;
}

}  // namespace certfs
