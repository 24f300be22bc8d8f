// certfs package create: a tar, signed by a pair of the mount, and encrypted where that is asked for.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "crypto/envelope_writer.h"
#include "crypto/running_digest.h"
#include "crypto/signed_data_writer.h"
#include "crypto/trust_set.h"
#include "tools/json_text.h"
#include "tools/output_file.h"
#include "tools/package/commands.h"
#include "tools/package/mount_keys.h"
#include "tools/package/sources.h"
#include "tools/package/standing.h"
#include "tools/package_ledger.h"
#include "tools/progress.h"
#include "tools/shown.h"
#include "tools/system.h"
#include "tools/trust_files.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

void Warn(const std::string& words) { std::cerr << "certfs: warning: " << words << "\n"; }

struct SigningPair {
  Pair pair;
  std::vector<Certificate> chain;  // What is attached: up to the root, as far as that is known here.
};

// A signer whom nobody could take is told so now; that its own roots do not reach it is only pointed out.
Result<SigningPair> ReadSigner(const Mount& mount, const CreateOptions& options) {
  Pair pair = TRY(ReadPair(mount, options.sign_with));
  MessageSigner signer{pair.certificates.front(), {}, std::nullopt, {}};
  signer.others.assign(pair.certificates.begin() + 1, pair.certificates.end());
  const TrustFiles trust = TRY(ReadTrustOf(mount));
  Standing standing = Judge(signer, trust, Now());
  if (standing.refusal) return std::move(*standing.refusal).Within(options.sign_with);
  if (!standing.trusted) {
    Warn(options.sign_with +
         ": its chain reaches no certificate of TRUSTED_ROOTS; whoever imports the package is "
         "asked about it, unless they trust it");
  }
  std::vector<Certificate> chain = std::move(standing.chain);
  for (const Certificate& each : pair.certificates) {
    const bool there = std::ranges::any_of(
        chain, [&](const Certificate& link) { return link.fingerprint() == each.fingerprint(); });
    if (!there) chain.push_back(each);
  }
  return SigningPair{std::move(pair), std::move(chain)};
}

// The certificate that a word of the command line means: a file, where there is one of that name, or an
// entry.
Result<std::vector<Certificate>> ReadRecipients(const Mount& mount, const CreateOptions& options) {
  std::vector<Certificate> recipients;
  for (const std::string& name : options.encrypt_to) {
    const bool file = access(name.c_str(), F_OK) == 0;
    auto read = file ? ReadCertificates(name) : ReadCertificatesOf(mount, name);
    if (!read.has_value()) return Error(ErrorCode::kInvalidArgument, read.error().message());
    const Certificate& certificate = read.value().front();
    auto checked = CheckEnvelopeRecipient(certificate);
    if (!checked.has_value()) return std::move(checked).error().Within(name);
    if (certificate.not_after() < Now()) Warn(name + ": the certificate has expired");
    const bool twice = std::ranges::any_of(
        recipients, [&](const Certificate& each) { return each.fingerprint() == certificate.fingerprint(); });
    if (!twice) recipients.push_back(certificate);
  }
  return recipients;
}

// What was packed and signed, and is not yet in a file.
struct SignedTar {
  Spool tar;
  SignedMessageEnds ends;

  std::uint64_t bytes() const { return ends.head.size() + tar.size() + ends.tail.size(); }
  Result<void> Give(const std::function<Result<void>(BytesView)>& sink) const {
    TRY(sink(ends.head));
    TRY(tar.ForEachPiece(sink));
    return sink(ends.tail);
  }
};

Result<SignedTar> Pack(const std::vector<Source>& sources, SigningPair signer, const fs::path& directory) {
  Spool tar = TRY(Spool::Make(directory));
  auto begun = SignedDataWriter::Begin(std::move(signer.chain), std::move(signer.pair.key), Now());
  if (!begun.has_value())
    return Error(ErrorCode::kRejected, signer.pair.entry + ": " + begun.error().message());
  SignedDataWriter writer = std::move(begun).value();
  Progress progress("packing", BytesOf(sources));
  TRY(WriteTar(
      sources,
      [&](BytesView piece) {
        writer.Add(piece);
        return tar.Append(piece);
      },
      [&](std::uint64_t bytes) { progress.Advance(bytes); }));
  SignedMessageEnds ends = TRY(writer.Finish());
  return SignedTar{std::move(tar), std::move(ends)};
}

// Writes the package, and returns its SHA-256.
Result<std::string> Write(const SignedTar& content, const std::vector<Certificate>& recipients,
                          const CreateOptions& options) {
  std::string digest;
  const auto fill = [&](int file) -> Result<void> {
    RunningDigest running;
    Progress progress("writing", content.bytes());
    const auto sink = [&](BytesView piece) -> Result<void> {
      running.Add(piece);
      progress.Advance(piece.size());
      return WriteAll(file, piece, options.output);
    };
    if (recipients.empty()) {
      TRY(content.Give(sink));
    } else {
      EnvelopeRecipients to;
      to.certificates = recipients;
      SealedRecipients sealed = TRY(SealRecipients(to));
      auto envelope = TRY(EnvelopeWriter::Begin(std::move(sealed), content.bytes(), sink));
      TRY(content.Give([&](BytesView piece) { return envelope.Write(piece); }));
      TRY(envelope.Finish());
    }
    digest = ToHex(running.Finish());
    return {};
  };
  TRY(WriteOutputFileBy(options.output, fill, kPublicMode,
                        options.force ? Existing::kReplace : Existing::kRefuse));
  return digest;
}

// Puts the package on record for each of `recipients` whose key is in the mount. It is there whatever comes
// of this.
std::vector<std::string> Record(const Mount& mount, const std::vector<Certificate>& recipients,
                                const CreateOptions& options, const std::string& digest) {
  std::vector<std::string> recorded;
  const EncryptedPackage record{
      fs::path(options.output).filename().string(), FormatTimestamp(Now()), digest, {}, true};
  for (const Certificate& recipient : recipients) {
    const auto entries = FindPairs(mount, [&](const Certificate& each) {
      return std::ranges::equal(each.key_der(), recipient.key_der());
    });
    if (entries.empty()) continue;
    auto done = RecordPackage(mount, recipient.key_der(), record);
    if (done.has_value()) {
      recorded.push_back(entries.front());
    } else {
      Warn("that the package is encrypted to the key of " + entries.front() +
           " could not be put on record, so that nobody is warned before that key is deleted: " +
           done.error().message());
    }
  }
  return recorded;
}

fs::path DirectoryOf(const std::string& output) {
  const fs::path parent = TidyPath(output).parent_path();
  return access(parent.c_str(), W_OK) == 0 ? parent : TemporaryDirectory();
}

Result<void> CheckOutput(const CreateOptions& options) {
  struct stat status {};
  if (options.force || lstat(options.output.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return Error(ErrorCode::kAlreadyExists,
               Shown(options.output) + ": is there already, and is not overwritten; --force replaces it");
}

}  // namespace

Result<ExitCode> Create(const CreateOptions& options) {
  ProtectSecrets();
  TRY(CheckOutput(options));
  const Mount mount = TRY(ChooseMount(options.mount));
  const std::vector<Certificate> recipients = TRY(ReadRecipients(mount, options));
  const std::vector<Source> sources = TRY(FindSources(options.paths));
  SigningPair signer = TRY(ReadSigner(mount, options));
  const std::string subject = signer.pair.certificates.front().subject();
  const SignedTar content = TRY(Pack(sources, std::move(signer), DirectoryOf(options.output)));
  const std::string digest = TRY(Write(content, recipients, options));
  const auto recorded = Record(mount, recipients, options, digest);
  const auto files = std::ranges::count_if(sources, [](const Source& each) { return !each.item.directory; });
  if (options.json) {
    PrintJson({{"package", options.output},
               {"sha256", digest},
               {"files", files},
               {"bytes", BytesOf(sources)},
               {"signer", subject},
               {"recipients", recipients.size()},
               {"recorded_for", recorded}});
    return ExitCode::kOk;
  }
  std::cout << Shown(options.output) << ": " << files << (files == 1 ? " file, " : " files, ")
            << BytesOf(sources) << " bytes, signed by " << Shown(subject);
  if (!recipients.empty())
    std::cout << ", encrypted to " << recipients.size()
              << (recipients.size() == 1 ? " certificate" : " certificates");
  std::cout << "\nSHA-256 " << digest << "\n";
  return ExitCode::kOk;
}

}  // namespace certfs::package
