// certfs ca ocsp: answers OCSP requests on a loopback address, with a key and a certificate of its own.

#include <csignal>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "crypto/ocsp.h"
#include "crypto/pem.h"
#include "crypto/signing_request.h"
#include "crypto/store_file.h"
#include "tools/authority/ocsp_server.h"
#include "tools/authority/part.h"
#include "tools/system.h"
#include "tools/timestamp.h"

namespace certfs::authority {

namespace {

// Short, because whoever asks a responder wants to hear of a revocation soon.
constexpr std::chrono::minutes kAnswerValidity{10};
constexpr std::chrono::seconds kBetweenLooks{30};

struct OcspOptions : PartOptions {
  std::string listen = "127.0.0.1";
  int port = 2560;
};

std::chrono::sys_seconds Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// Responds for the authority as it is now: another one takes another responder.
struct Responder {
  OcspResponder ocsp;
  Bytes chain;                           // ca/chain.pem, by which the authority is known again.
  std::uint64_t authority = 0;           // Its id in the ledger.
  std::chrono::sys_seconds renew_after;  // Half of its certificate's life.
};

Result<Bytes> ReadChain(const Mount& mount) {
  const std::filesystem::path path = TRY(AuthorityOf(mount)) / "chain.pem";
  auto chain = ReadWholeFile(path, kFileBytesMax);
  if (!chain.has_value() && chain.error().code() == ErrorCode::kNotFound)
    return Error(ErrorCode::kNotFound, "there is no authority yet: certfs ca init makes one");
  return chain;
}

Result<std::shared_ptr<const Responder>> MakeResponder(const Mount& mount) {
  const Bytes chain = TRY(ReadChain(mount));
  const Certificate issuer = TRY(ReadCertificateFile(chain)).certificates.front();
  const PrivateKey key = TRY(PrivateKey::Generate(kDefaultKeyType));
  RequestConfig config;
  config.name = "certfs OCSP responder";
  const Json answer = TRY(
      Ask(mount,
          ControlCommand("issue").Option("profile", "ocsp").Payload(TRY(MakeSigningRequest(config, key)))));
  const Certificate certificate =
      TRY(ReadCertificateFile(AsBytes(TextOf(answer, "certificate")))).certificates.front();
  const auto life = certificate.not_after() - certificate.not_before();
  return std::make_shared<const Responder>(Responder{TRY(OcspResponder::Make(issuer, certificate, key)),
                                                     chain, NumberOf(FieldOf(answer, "issued"), "authority"),
                                                     certificate.not_before() + life / 2});
}

Result<CertificateStatus> LookUp(const Mount& mount, const Responder& responder, BytesView serial) {
  CertificateStatus status;
  SerialNumber number{};
  if (serial.size() > number.size()) return status;
  std::copy(serial.begin(), serial.end(), number.end() - static_cast<std::ptrdiff_t>(serial.size()));
  const Json answer = TRY(Ask(mount, ControlCommand("status").Word(ToText(number))));
  const Json& issued = FieldOf(answer, "issued");
  // A serial number names a certificate only together with its issuer.
  if (!issued.is_object() || NumberOf(issued, "authority") != responder.authority) return status;
  status.state = CertificateState::kGood;
  const Json& revoked = FieldOf(issued, "revoked");
  if (!revoked.is_object()) return status;
  status.state = CertificateState::kRevoked;
  status.revoked_at = TRY(ParseTimestamp(TextOf(revoked, "at")));
  status.reason = ParseRevocationReason(TextOf(revoked, "reason")).value_or(RevocationReason::kUnspecified);
  return status;
}

// The responder of the moment, which requests use while another may take its place.
class Current {
 public:
  explicit Current(std::shared_ptr<const Responder> responder) : responder_(std::move(responder)) {}

  std::shared_ptr<const Responder> get() const {
    const std::lock_guard lock(mutex_);
    return responder_;
  }
  void set(std::shared_ptr<const Responder> responder) {
    const std::lock_guard lock(mutex_);
    responder_ = std::move(responder);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Responder> responder_;
};

// A failure is said, and tried again at the next look: until then the old one answers.
void Refresh(const Mount& mount, Current& current) {
  const auto responder = current.get();
  const auto chain = ReadChain(mount);
  if (!chain.has_value()) return;  // Unmounted, perhaps: queries are answered "internalError" meanwhile.
  if (chain.value() == responder->chain && Now() < responder->renew_after) return;
  auto next = MakeResponder(mount);
  if (next.has_value()) {
    current.set(std::move(next).value());
  } else {
    std::cerr << "certfs: the responder's certificate cannot be renewed: " << next.error().message() << "\n";
  }
}

Result<ExitCode> Serve(const OcspOptions& options) {
  ProtectSecrets();
  const Mount mount = TRY(ChooseMount(options.mount));
  sigset_t endings;
  sigemptyset(&endings);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&endings, signal);
  pthread_sigmask(SIG_BLOCK, &endings, nullptr);

  Current current(TRY(MakeResponder(mount)));
  OcspServer server = TRY(OcspServer::Listen(options.listen, options.port, [&](BytesView request) {
    const auto responder = current.get();
    return responder->ocsp.Answer(
        request, [&](BytesView serial) { return LookUp(mount, *responder, serial); }, Now(), kAnswerValidity);
  }));
  const bool v6 = options.listen.find(':') != std::string::npos;
  std::cout << "serving http://" << (v6 ? "[" : "") << options.listen << (v6 ? "]" : "") << ":"
            << server.port() << "/" << std::endl;
  std::thread serving([&] { server.Run(); });
  const timespec patience{kBetweenLooks.count(), 0};
  while (sigtimedwait(&endings, nullptr, &patience) < 0) Refresh(mount, current);
  server.Stop();
  serving.join();
  return ExitCode::kOk;
}

}  // namespace

void AddOcsp(CLI::App& command, Action& action) {
  auto options = std::make_shared<OcspOptions>();
  CLI::App* part =
      AddPart(command, "ocsp", "Answer OCSP requests on a loopback address", *options, Prints::kWords);
  part->add_option("--listen", options->listen, "A loopback address")->capture_default_str();
  part->add_option("--port", options->port, "0: any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  part->footer(
      "It has a key of its own, and a certificate by the profile ocsp, which it renews in time. SIGTERM ends "
      "it.\n\nCheck it: openssl ocsp -url http://127.0.0.1:2560 -issuer MNT/ca/chain.pem -CAfile "
      "MNT/ca/root.pem -cert web.pem");
  part->callback([options, &action] { action = [options] { return Serve(*options); }; });
}

}  // namespace certfs::authority
