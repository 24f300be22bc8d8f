// certfs ca issue: a certificate for a request, or for a file of certool and a key that is made for it.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>

#include "crypto/pem.h"
#include "crypto/signing_request.h"
#include "tools/authority/part.h"
#include "tools/authority/report.h"
#include "tools/json_text.h"
#include "tools/output_file.h"
#include "tools/request_text.h"
#include "tools/system.h"

namespace certfs::authority {

namespace {

struct IssueOptions : PartOptions {
  std::string file;
  std::string profile;
  unsigned days = 0;
  std::string name;
  std::string out;
  std::string key_out;
};

// What is asked for: a request, and the text of certool's kind that goes before it, if it came from one.
struct Request {
  std::string config;
  Bytes pem;
  SecretBytes key;  // PEM, where one was made.
};

bool IsRequest(BytesView file) {
  constexpr std::uint8_t kSequence = 0x30;  // DER.
  return (!file.empty() && file.front() == kSequence) ||
         AsText(file).find("-----BEGIN") != std::string_view::npos;
}

// The key is made here, so that it is nowhere but in the file that it is for.
Result<Request> MakeRequest(const IssueOptions& options) {
  if (options.key_out.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 options.file + ": no request, so a key is made: say where it goes with --key-out FILE");
  }
  const RequestText text = TRY(RequestText::Read(options.file));
  const RequestConfig config = TRY(text.Parse());
  const PrivateKey key = TRY(PrivateKey::Generate(config.key_type.value_or(kDefaultKeyType)));
  auto request = TRY(MakeSigningRequest(config, key));
  const SecretBytes pkcs8 = TRY(key.ToPkcs8());
  return Request{text.text(), std::move(request), WritePem("PRIVATE KEY", pkcs8.Reveal())};
}

Result<Request> ReadRequest(const IssueOptions& options) {
  auto bytes = ReadWholeFile(options.file, kFileBytesMax);
  if (!bytes.has_value()) return Error(ErrorCode::kInvalidArgument, bytes.error().message());
  Bytes& file = bytes.value();
  if (!IsRequest(file)) return MakeRequest(options);
  if (!options.key_out.empty())
    return Error(ErrorCode::kInvalidArgument,
                 options.file + ": is a request, whose key is there already: --key-out has nothing to take");
  if (AsText(file).find("-----BEGIN") != std::string_view::npos) return Request{{}, std::move(file), {}};
  const SecretBytes pem = WritePem("CERTIFICATE REQUEST", file);
  return Request{{}, Bytes(pem.Reveal().begin(), pem.Reveal().end()), {}};
}

// Takes back the key that was just written; what was no file (/dev/stdout) stays where it is.
void RemoveKey(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) unlink(path.c_str());
}

Result<ExitCode> Issue(const IssueOptions& options) {
  ProtectSecrets();
  const Mount mount = TRY(ChooseMount(options.mount));
  const Request request = TRY(ReadRequest(options));
  ControlCommand command("issue");
  if (!options.profile.empty()) command.Option("profile", options.profile);
  if (options.days != 0) command.Option("days", options.days);
  if (!options.name.empty()) command.Option("name", options.name);
  command.Payload(AsBytes(request.config));
  if (!request.config.empty() && request.config.back() != '\n') command.Payload(AsBytes("\n"));
  command.Payload(request.pem);

  // The key first: a certificate whose key could not be kept would be of no use to anybody.
  if (!request.key.empty())
    TRY(WriteOutputFile(options.key_out, request.key.Reveal(), kPrivateMode, Existing::kRefuse));
  auto answer = Ask(mount, command);
  if (!answer.has_value()) {
    if (!request.key.empty()) RemoveKey(options.key_out);
    return std::move(answer).error();
  }
  const std::string chain = TextOf(answer.value(), "chain");
  if (!options.out.empty())
    TRY(WriteOutputFile(options.out, AsBytes(chain), kPublicMode, Existing::kReplace));
  if (options.json) {
    PrintJson(answer.value());
  } else if (options.out.empty()) {
    std::cout << chain;
  } else {
    WriteIssued(std::cout, FieldOf(answer.value(), "issued"));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddIssue(CLI::App& command, Action& action) {
  auto options = std::make_shared<IssueOptions>();
  CLI::App* part = AddPart(command, "issue", "Issue a certificate", *options, Prints::kData);
  part->add_option("FILE", options->file,
                   "A request (PKCS#10, PEM or DER), or a file of certool's kind, for which a key is made")
      ->required();
  part->add_option("--profile", options->profile,
                   "What kind of certificate (ca/profiles/); server unless said otherwise");
  part->add_option("--days", options->days, "Valid for so long, at most as long as the profile allows")
      ->check(CLI::Range(1U, 36500U));
  part->add_option("--name", options->name, "Show it in ca/issued/ under this name as well");
  part->add_option("--out", options->out, "The certificate and its intermediates; else they are printed");
  part->add_option("--key-out", options->key_out,
                   "The key that is made, 0600; one that is there is never overwritten");
  part->footer("Example: certfs ca issue web.cfg --out web.pem --key-out web.key");
  part->callback([options, &action] { action = [options] { return Issue(*options); }; });
}

}  // namespace certfs::authority
