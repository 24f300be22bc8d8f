// certool, as far as it is about certificates of the authority: issuing, revoking, asking, listing.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iostream>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/signing_request.h"
#include "crypto/store_file.h"
#include "store/name.h"
#include "tools/certool/commands.h"
#include "tools/certool/errors.h"
#include "tools/entry_writer.h"
#include "tools/system.h"

namespace certfs::certool {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kPage = 200;

// Has the authority certify `key` as `request` says, by the profile that this names where `profile` is empty;
// returns the certificate and its intermediates, PEM.
Result<std::string> Issue(const Mount& mount, const RequestText& request, const PrivateKey& key,
                          const std::string& profile) {
  const RequestConfig config = TRY(request.Parse());
  ControlCommand command("issue");
  if (!profile.empty()) command.Option("profile", profile);
  command.Payload(AsBytes(request.text()));
  if (!request.text().ends_with('\n')) command.Payload(AsBytes("\n"));
  command.Payload(TRY(MakeSigningRequest(config, key)));
  return TextOf(TRY(Ask(mount, command)), "chain");
}

Result<void> WriteChain(const std::string& path, const std::string& chain) {
  return WriteOutputFile(path, AsBytes(chain), kPublicMode, Existing::kReplace);
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : std::string();
}

// What tells this machine from others: systemd's id; its name where it has none.
std::string MachineId() {
  std::string id;
  if (const auto text = ReadWholeFile("/etc/machine-id", 256); text.has_value()) id = AsText(text.value());
  while (!id.empty() && (id.back() == '\n' || id.back() == ' ')) id.pop_back();
  return id.empty() ? HostName() : id;
}

// What follows the first label of this host's name; empty where there is nothing.
std::string DomainOfHost() {
  const std::string host = HostName();
  const std::size_t dot = host.find('.');
  return dot == std::string::npos ? std::string() : host.substr(dot + 1);
}

// A solution user's subject: CN=NAME, OU=mID-MACHINE, DC=DOMAIN.
Result<RequestText> SolutionUserRequest(const Options& options, const std::string& name) {
  RequestText request;
  if (options.config_given) request = TRY(options.ReadConfig());
  for (std::size_t i = 0; i < kRequestKeys.size(); ++i) {
    if (!options.fields[i].empty())
      request.Set(kRequestKeys[i], options.fields[i], "--" + std::string(kRequestKeys[i]));
  }
  request.Set("Name", name, "--Name");
  const std::string unit = "mID-" + MachineId();
  request.Set("OrgUnit", unit, "OrgUnit");
  const std::string domain = DomainOfHost();
  if (!domain.empty()) request.Set("DomainComponent", domain, "DomainComponent");
  if (!options.fqdn.empty()) request.Set("Hostname", options.fqdn, "--FQDN");
  return request;
}

Result<void> AddToStore(const Mount& mount, const fs::path& entry, const PrivateKey& key,
                        const std::string& chain) {
  if (mkdir(entry.parent_path().c_str(), 0755) != 0 && errno != EEXIST)
    return WithRefusal(SystemError(entry.parent_path(), errno), mount, entry.parent_path());
  if (mkdir(entry.c_str(), 0755) != 0)
    return WithRefusal(SystemError(entry, errno), mount, entry.parent_path());
  const SecretBytes pem = WritePem("PRIVATE KEY", TRY(key.ToPkcs8()).Reveal());
  auto written = ThroughNext(entry, [&](const fs::path& next) -> Result<void> {
    TRY(WriteMember(mount, next, Member::kKey, pem.Reveal()));
    return WriteMember(mount, next, Member::kCertificate, AsBytes(chain));
  });
  if (!written.has_value()) rmdir(entry.c_str());
  return written;
}

Result<void> ShowIssued(const Options& options, const Mount& mount, const std::string& serial,
                        std::uint64_t index) {
  Json answer = TRY(Ask(mount, ControlCommand("show-certificate").Word(serial)));
  if (options.object != nullptr) {
    (*options.object)["certificates"].push_back(std::move(answer));
    return {};
  }
  const std::string pem = TextOf(answer, "certificate");
  auto file = ReadCertificateFile(AsBytes(pem));
  if (!file.has_value()) return std::move(file).error().Within(serial);
  std::cout << "Cert \n" << pem << "\n" << std::flush;
  std::cerr << index << "\n";
  std::cout << FullText(file.value().certificates.front()) << "\n";
  return {};
}

}  // namespace

Result<void> GenerateCertificate(const Options& options) {
  const PrivateKey key = TRY(ReadKey(options.privkey));
  const RequestText request = TRY(options.ReadConfig());
  const Mount mount = TRY(options.ChooseAuthority());
  return WriteChain(options.cert, TRY(Issue(mount, request, key, "")));
}

Result<void> GenerateSolutionUser(const Options& options) {
  const PrivateKey key = TRY(ReadKey(options.privkey));
  const std::string& name = options.fields[1];
  const StoreName store = TRY(StoreName::Parse(name));
  const Mount mount = TRY(options.ChooseAuthority());
  const fs::path entry = StoresOf(mount) / store.text() / TRY(Alias::Parse(name)).text();
  // Before anything is issued: a certificate that nobody serves would be one too many.
  if (access(entry.c_str(), F_OK) == 0) {
    return Error(ErrorCode::kAlreadyExists, kEntryExists,
                 entry.string() + ": delete the entry first, or renew it: certfs renew " + name + "/" + name);
  }
  const std::string chain = TRY(Issue(mount, TRY(SolutionUserRequest(options, name)), key, "solution-user"));
  TRY(WriteChain(options.cert, chain));
  auto added = AddToStore(mount, entry, key, chain);
  if (!added.has_value())
    return std::move(added).error().Within(options.cert + " is issued, but not in the store");
  return {};
}

Result<void> RevokeCertificate(const Options& options) {
  const Certificate certificate = TRY(ReadOneCertificate(options.cert));
  ControlCommand command("revoke");
  command.Payload(WritePem("CERTIFICATE", certificate.der()).Reveal());
  TRY(Ask(TRY(options.ChooseAuthority()), command));
  return {};
}

Result<void> ShowStatus(const Options& options) {
  const Certificate certificate = TRY(ReadOneCertificate(options.cert));
  ControlCommand command("status");
  command.Payload(WritePem("CERTIFICATE", certificate.der()).Reveal());
  std::string state = TextOf(TRY(Ask(TRY(options.ChooseAuthority()), command)), "state");
  for (char& c : state) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  if (options.object != nullptr) {
    (*options.object)["state"] = state;
  } else {
    std::cout << "Certificate : " << state << "\n";
  }
  return {};
}

Result<void> EnumerateCertificates(const Options& options) {
  constexpr std::array<std::string_view, 4> kFilters{"all", "active", "revoked", "expired"};
  if (std::find(kFilters.begin(), kFilters.end(), options.filter) == kFilters.end())
    return Error(ErrorCode::kInvalidArgument, "--filter is all, active, revoked or expired");
  const Mount mount = TRY(options.ChooseAuthority());
  if (options.object != nullptr) (*options.object)["certificates"] = Json::array();
  std::uint64_t index = 0;
  std::string after;
  do {
    ControlCommand command("list");
    command.Option("state", options.filter).Option("limit", kPage);
    if (!after.empty()) command.Option("after", after);
    const Json page = TRY(Ask(mount, command));
    for (const Json& issued : FieldOf(page, "issued"))
      TRY(ShowIssued(options, mount, TextOf(issued, "serial"), index++));
    after = TextOf(page, "next");
  } while (!after.empty());
  return {};
}

}  // namespace certfs::certool
