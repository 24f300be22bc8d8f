// certfs package import: unpacks what is signed by somebody who is trusted, or whom a person took.

#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tools/interruption.h"
#include "tools/json_text.h"
#include "tools/package/commands.h"
#include "tools/package/contents.h"
#include "tools/package/placement.h"
#include "tools/package/standing.h"
#include "tools/package/trust_dialogue.h"
#include "tools/shown.h"
#include "tools/system.h"
#include "tools/terminal.h"

namespace certfs::package {

namespace {

TrustSource TrustOf(const OpenOptions& options) { return {options.mount, options.roots, options.lists}; }

// Says why nothing is imported; a script tells it by its exit code.
ExitCode RefuseUntrusted(const OpenOptions& options, const MessageSigner& signer, const Standing& standing) {
  std::cout << std::flush;
  std::cerr << "certfs: " << Shown(options.package)
            << ": refused: it is signed by a certificate that the trusted roots do not reach, and there is "
               "no terminal "
               "to ask on; --accept-untrusted takes it all the same\n";
  PrintSigner(std::cerr, signer, standing, "  ");
  return ExitCode::kUntrustedSigner;
}

// What "trust this certificate" does: it counts once a chain reaches it.
Result<void> Trust(const OpenOptions& options, const MessageSigner& signer, const Standing& standing) {
  const Mount mount = TRY(ChooseMount(options.mount));
  const std::string entry = TRY(TrustForGood(mount, standing));
  std::cerr << "trusted for good: " << entry << "\n";
  const Standing now = Judge(signer, TRY(GatherTrust(TrustOf(options))), Now());
  if (now.refusal) return *now.refusal;
  if (!now.trusted)
    return Error(ErrorCode::kRejected,
                 "the package's chain does not reach it; it is in " + entry + " all the same");
  return {};
}

// Whether to go on: nothing for yes, else how the command ends.
Result<std::optional<ExitCode>> Decide(const OpenOptions& options, const MessageSigner& signer) {
  const Standing standing = Judge(signer, TRY(GatherTrust(TrustOf(options))), Now());
  if (standing.refusal) {
    // Not asked about, and not to be overridden.
    Error refusal = *standing.refusal;
    return std::move(refusal).Within(Shown(options.package) + ": the signer is refused");
  }
  if (standing.trusted) return std::optional<ExitCode>();
  if (options.accept_untrusted) {
    std::cerr << "certfs: warning: " << Shown(options.package) << ": signed by "
              << Shown(signer.certificate.subject())
              << ", which the trusted roots do not reach; taken all the same\n";
    return std::optional<ExitCode>();
  }
  if (!HasTerminal()) return std::optional(RefuseUntrusted(options, signer, standing));
  const Answer answer =
      AskWhetherToImport(options.package, signer, standing, [&] { return Trust(options, signer, standing); });
  if (answer == Answer::kCancel) {
    std::cout << "nothing was imported\n";
    return std::optional(ExitCode::kFailed);
  }
  return std::optional<ExitCode>();
}

void Print(const OpenOptions& options, const OpenedPackage& package, const std::vector<Item>& items,
           std::size_t replaced) {
  std::size_t files = 0;
  for (const Item& item : items) files += item.directory ? 0 : 1;
  const std::string subject = package.signer.certificate.subject();
  if (options.json) {
    PrintJson({{"package", options.package},
               {"sha256", package.digest},
               {"directory", options.directory},
               {"files", files},
               {"replaced", replaced},
               {"signer", subject}});
    return;
  }
  std::cout << Shown(options.directory) << ": " << files << (files == 1 ? " file" : " files") << " of "
            << Shown(options.package) << ", signed by " << Shown(subject);
  if (replaced > 0) std::cout << "; " << replaced << " took the place of others";
  std::cout << "\n";
}

}  // namespace

Result<ExitCode> Import(const OpenOptions& options) {
  ProtectSecrets();  // Not the umask: what is unpacked is the caller's.
  const OpenedPackage package =
      TRY(OpenPackage({options.package, options.decrypt_with, options.password_file, options.mount,
                       NearestDirectory(options.directory), options.size_max}));
  auto items = ReadContents(package.tar, options.size_max);
  if (!items.has_value()) return std::move(items).error().Within(Shown(options.package));
  const Placement placement{package.tar, items.value(), options.directory, options.replace,
                            SignalsNoted::Any};
  TRY(CheckPlacement(placement));
  if (const auto end = TRY(Decide(options, package.signer))) return *end;
  // What was begun is taken back before the process ends.
  const SignalsNoted signals;
  const std::size_t replaced = TRY(Place(placement));
  Print(options, package, items.value(), replaced);
  return ExitCode::kOk;
}

}  // namespace certfs::package
