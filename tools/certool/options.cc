#include "tools/certool/options.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tools/certool/commands.h"
#include "tools/mounts.h"

namespace certfs::certool {

namespace {

bool IsThisHost(const std::string& server) {
  constexpr std::array<std::string_view, 3> kSelf{"localhost", "127.0.0.1", "::1"};
  if (std::find(kSelf.begin(), kSelf.end(), server) != kSelf.end()) return true;
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 && server == name.data();
}

}  // namespace

Result<RequestText> Options::ReadConfig() const {
  RequestText request;
  const bool says_something =
      std::any_of(fields.begin(), fields.end(), [](const std::string& value) { return !value.empty(); });
  if (config_given || !says_something || access(config.c_str(), F_OK) == 0) {
    auto read = RequestText::Read(config);
    if (!read.has_value()) return std::move(read).error().Within("Failed to open config file");
    request = std::move(read).value();
  }
  for (std::size_t i = 0; i < kRequestKeys.size(); ++i) {
    if (!fields[i].empty()) request.Set(kRequestKeys[i], fields[i], "--" + std::string(kRequestKeys[i]));
  }
  return request;
}

Result<Mount> Options::ChooseAuthority() const {
  if (!IsThisHost(server)) {
    return Error(ErrorCode::kInvalidArgument,
                 "--server " + server + ": certool asks the authority that is mounted on this machine");
  }
  return ChooseMount(mount);
}

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands{
      {"selfca", "init", "make a root; with --force in the place of one that is there", {}, CreateRoot},
      {"rootca",
       "init",
       "take a CA from elsewhere; --cert has its whole chain",
       {"cert", "privkey"},
       InstallRoot},
      {"gencsr", "init", "make a key and a request", {"privkey", "pubkey", "csrfile"}, GenerateRequest},
      {"initcsr", "init", "the same; deprecated", {"privkey", "pubkey", "csrfile"}, GenerateRequest},
      {"getdc", "init", "not supported: there is no domain", {}, SayUnsupported},
      {"WaitVMCA", "init", "wait until there is an authority, --wait minutes", {}, WaitForAuthority},
      {"WaitVMDIR", "init", "not supported: there is no directory", {}, SayUnsupported},
      {"publish-roots", "init", "nothing: roots are published as they are made", {}, PublishRoots},
      {"enableserveroption", "init", "multiplesan, which is always on", {"option"}, EnableOption},
      {"disableserveroption", "init", "not supported: see ca/profiles/", {"option"}, DisableOption},
      {"getserveroption", "init", "show the options that are on", {}, ShowOptions},
      {"genkey", "functions", "make a key, and write its public half", {"privkey", "pubkey"}, GenerateKey},
      {"gencert", "functions", "have a key certified", {"privkey", "cert"}, GenerateCertificate},
      {"genselfcacert",
       "functions",
       "make a self-signed CA, without the authority",
       {"outprivkey", "outcert"},
       GenerateSelfSigned},
      {"gencsrfromcert",
       "functions",
       "make the request that would give a certificate again",
       {"cert", "privkey", "csrfile"},
       GenerateRequestFromCertificate},
      {"genCIScert",
       "functions",
       "have a solution user's key certified, and put both into the store NAME",
       {"privkey", "cert", "Name"},
       GenerateSolutionUser},
      {"revokecert", "functions", "revoke, for good", {"cert"}, RevokeCertificate},
      {"status", "functions", "ACTIVE, REVOKED, EXPIRED or UNKNOWN", {"cert"}, ShowStatus},
      {"viewcert", "functions", "show a certificate", {"cert"}, ViewCertificate},
      {"enumcert", "functions", "show all that was issued", {"filter"}, EnumerateCertificates},
      {"getrootca", "functions", "show the root and its chain; --cert saves it", {}, GetRoot},
      {"getcrl", "functions", "save the current CRL", {"crl"}, GetCrl},
      {"gencrl", "functions", "sign the CRL anew", {}, GenerateCrl},
      {"viewcrl", "functions", "show a CRL", {"crl"}, ViewCrl},
  };
  return commands;
}

}  // namespace certfs::certool
