#include "tools/package/trust_dialogue.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <optional>
#include <system_error>
#include <utility>

#include "crypto/bundle.h"
#include "crypto/pem.h"
#include "store/policy.h"
#include "tools/entry_writer.h"
#include "tools/import_plan.h"
#include "tools/package/contents.h"
#include "tools/shown.h"
#include "tools/system.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

// An alias after the certificate that no entry has yet.
Result<std::string> FreeAlias(const fs::path& store, const Certificate& certificate) {
  std::vector<std::string> taken;
  std::error_code failure;
  for (fs::directory_iterator at(store, failure), end; !failure && at != end; at.increment(failure))
    taken.push_back(FoldName(at->path().filename().string()));
  if (failure) return SystemError(store, failure.value());
  const std::string name = CommonNameOf(certificate);
  return TakeAlias(MakeAlias(name.empty() ? ToHex(certificate.fingerprint()).substr(0, 16) : name), taken)
      .text();
}

// Why the end of the chain cannot go into TRUSTED_ROOTS; nothing where it can.
std::optional<std::string> ObstacleTo(const Standing& standing) {
  const Certificate& top = standing.chain.back();
  if (top.IsAuthority()) return std::nullopt;
  std::string words = Shown(top.subject()) + " is no CA certificate, and TRUSTED_ROOTS holds those alone";
  if (standing.chain.size() == 1 && !top.IsSelfSigned()) {
    words +=
        "; that of its issuer, " + Shown(top.issuer()) + ", does not come along: get it, and put it there";
  }
  return words;
}

}  // namespace

Result<std::string> TrustForGood(const Mount& mount, const Standing& standing) {
  const Certificate& top = standing.chain.back();
  if (const auto obstacle = ObstacleTo(standing)) return Error(ErrorCode::kRejected, *obstacle);
  const fs::path store = StoresOf(mount) / kTrustedRoots;
  const std::string alias = TRY(FreeAlias(store, top));
  const fs::path entry = store / alias;
  if (mkdir(entry.c_str(), 0777) != 0) return WithRefusal(SystemError(entry, errno), mount, entry);
  const SecretBytes pem = WritePem("CERTIFICATE", top.der());
  auto written = WriteMember(mount, entry, Member::kCertificate, pem.Reveal());
  if (!written.has_value()) {
    rmdir(entry.c_str());
    return std::move(written).error();
  }
  return std::string(kTrustedRoots) + "/" + alias;
}

Answer AskWhetherToImport(const std::string& package, const MessageSigner& signer, const Standing& standing,
                          const std::function<Result<void>()>& trust) {
  std::cout << std::flush;
  std::cerr << Shown(package) << " is signed by a certificate that TRUSTED_ROOTS does not reach:\n";
  PrintSigner(std::cerr, signer, standing, "  ");
  std::cerr << "Compare the fingerprint with one that you got another way.\n";
  const auto obstacle = ObstacleTo(standing);
  if (obstacle) std::cerr << "It cannot be trusted for good: " << *obstacle << ".\n";
  // Not the signer, who is shown above, but whoever vouches for the signer, and for others.
  const std::string choice = obstacle
                                 ? ""
                                 : "[t] trust this certificate: " + Shown(standing.chain.back().subject()) +
                                       " (CA), and all that it issues, ";
  for (;;) {
    std::cerr << "[i] import anyway, " << choice << "[c] cancel? " << std::flush;
    std::string answer;
    if (!std::getline(std::cin, answer)) {
      std::cerr << "\n";
      return Answer::kCancel;
    }
    if (answer == "i" || answer == "import anyway") return Answer::kImport;
    if (answer == "c" || answer == "cancel") return Answer::kCancel;
    const bool trusts = answer == "t" || answer == "trust this certificate";
    if (obstacle || !trusts) {
      std::cerr << (obstacle ? "Answer i or c.\n" : "Answer i, t or c.\n");
      continue;
    }
    const auto trusted = trust();
    if (trusted.has_value()) return Answer::kTrusted;
    std::cerr << "It cannot be trusted for good: " << trusted.error().message() << "\n";
  }
}

}  // namespace certfs::package
