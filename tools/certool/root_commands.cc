// certool, as far as it is about the authority itself: its root, its CRL, whether it is there.

#include <chrono>
#include <iostream>
#include <thread>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "tools/bundle_file.h"
#include "tools/certificate_json.h"
#include "tools/certool/commands.h"
#include "tools/certool/errors.h"
#include "tools/system.h"

namespace certfs::certool {

namespace {

constexpr auto kBetweenTries = std::chrono::seconds(1);
constexpr int kTriesPerDot = 10;
constexpr int kWaitMinutesMax = 7 * 24 * 60;
constexpr std::string_view kMultipleNames = "multiplesan";
constexpr auto kStep = "50";

// Names the option that gets over it.
Error AboutRoot(Error error) {
  if (error.code() != ErrorCode::kAlreadyExists) return error;
  return {ErrorCode::kAlreadyExists, kRootExists, error.message()};
}

// Re-issues under the new root what the old one issued, to the end.
Result<void> RunReplacement(const Mount& mount, const ControlCommand& command) {
  Json state = FieldOf(TRY(Ask(mount, command)), "replacement");
  while (state.is_object()) {
    Json next = FieldOf(TRY(Ask(mount, ControlCommand("replace-root-step").Word(kStep))), "replacement");
    if (next == state)
      return Error(ErrorCode::kCancelled, "it gets no further; see certfs ca replace-root --status");
    state = std::move(next);
  }
  return {};
}

Result<Bytes> ReadPublic(const Mount& mount, const char* name) {
  const std::filesystem::path path = TRY(AuthorityOf(mount)) / name;
  auto bytes = ReadWholeFile(path, kFileBytesMax);
  if (!bytes.has_value() && bytes.error().code() == ErrorCode::kNotFound)
    return Error(ErrorCode::kNotFound, "no-authority", "certool --selfca or certfs ca init makes one");
  return bytes;
}

}  // namespace

Result<void> CreateRoot(const Options& options) {
  if (options.predate_given)
    std::cerr << "certool: warning: --predate: ignored: the authority chooses when its root begins\n";
  const RequestText request = TRY(options.ReadConfig());
  TRY(request.Parse());
  const Mount mount = TRY(options.ChooseAuthority());
  ControlCommand init("init");
  auto made = Ask(mount, init.Payload(AsBytes(request.text())));
  if (made.has_value()) return {};
  if (made.error().code() != ErrorCode::kAlreadyExists || !options.force)
    return AboutRoot(std::move(made).error());
  return RunReplacement(mount, ControlCommand("replace-root").Payload(AsBytes(request.text())));
}

Result<void> InstallRoot(const Options& options) {
  const SecretBytes pem = TRY(ReadKeyAndChain({options.cert, options.privkey}, {}));
  ControlCommand command("import");
  if (options.force) command.Flag("replace");
  auto made = Ask(TRY(options.ChooseAuthority()), command.Payload(pem.Reveal()));
  if (!made.has_value()) return AboutRoot(std::move(made).error());
  return {};
}

Result<void> GetRoot(const Options& options) {
  const Bytes chain = TRY(ReadPublic(TRY(options.ChooseAuthority()), "chain.pem"));
  const CertificateFile file = TRY(ReadCertificateFile(chain));
  if (!options.cert.empty()) TRY(WriteOutputFile(options.cert, chain, kPublicMode, Existing::kReplace));
  if (options.object != nullptr) {
    Json& object = *options.object;
    for (const Certificate& certificate : file.certificates)
      object["certificates"].push_back(ToJson(certificate));
    object["pem"] = AsText(chain);
    if (!options.cert.empty()) object["output"] = options.cert;
    return {};
  }
  for (const Certificate& certificate : file.certificates) std::cout << FullText(certificate) << "\n";
  if (!options.cert.empty()) std::cout << "Certificate written to file : " << options.cert << "\n";
  return {};
}

Result<void> GetCrl(const Options& options) {
  const Bytes crl = TRY(ReadPublic(TRY(options.ChooseAuthority()), "crl.pem"));
  if (!options.currcrl.empty()) {
    const auto current = ReadWholeFile(options.currcrl, kFileBytesMax);
    const bool same = current.has_value() && current.value() == crl;
    if (options.object != nullptr) {
      (*options.object)["current"] = same;
    } else if (same) {
      std::cout << "The CRL is the one that is there already\n";
    }
  }
  return WriteOutputFile(options.crl, crl, kPublicMode, Existing::kReplace);
}

Result<void> GenerateCrl(const Options& options) {
  TRY(Ask(TRY(options.ChooseAuthority()), ControlCommand("crl").Flag("force")));
  return {};
}

Result<void> PublishRoots(const Options& options) {
  TRY(ReadPublic(TRY(options.ChooseAuthority()), "root.pem"));
  if (options.object != nullptr) return {};
  std::cout << "Root and CRL are in TRUSTED_ROOTS and TRUSTED_ROOTS_CRLS from the moment they are made\n";
  return {};
}

Result<void> WaitForAuthority(const Options& options) {
  if (options.wait <= 0 || options.wait > kWaitMinutesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 "--wait is a number of minutes, at most " + std::to_string(kWaitMinutesMax));
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(options.wait);
  for (int tries = 1; std::chrono::steady_clock::now() < end; ++tries) {
    const auto mount = options.ChooseAuthority();
    if (mount.has_value() && ReadPublic(mount.value(), "root.pem").has_value()) return {};
    if (tries % kTriesPerDot == 0 && options.object == nullptr) std::cout << "." << std::flush;
    std::this_thread::sleep_for(kBetweenTries);
  }
  return Error(ErrorCode::kBusy, kTimedOut,
               "there is no authority after " + std::to_string(options.wait) + " minutes");
}

Result<void> EnableOption(const Options& options) {
  if (options.option == kMultipleNames) return {};  // It always is.
  return Error(ErrorCode::kInvalidArgument, options.option + ": the only option is multiplesan");
}

Result<void> DisableOption(const Options& options) {
  return Error(ErrorCode::kUnsupported, kUnsupportedHere,
               options.option + ": what may be certified is said in ca/profiles/");
}

Result<void> ShowOptions(const Options& options) {
  if (options.object != nullptr) {
    (*options.object)["options"] = {kMultipleNames};
  } else {
    std::cout << kMultipleNames << "\n";
  }
  return {};
}

Result<void> SayUnsupported(const Options&) {
  return Error(ErrorCode::kUnsupported, kUnsupportedHere, "certfs belongs to no directory domain");
}

}  // namespace certfs::certool
