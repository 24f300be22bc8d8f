#include "tools/package/opening.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "crypto/envelope_reader.h"
#include "crypto/running_digest.h"
#include "tools/bundle_file.h"
#include "tools/mounts.h"
#include "tools/package/contents.h"
#include "tools/package/mount_keys.h"
#include "tools/progress.h"
#include "tools/shown.h"
#include "tools/system.h"

namespace certfs::package {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::size_t kStartBytes = 64;

// The file, readable as often as it takes.
class PackageFile {
 public:
  static Result<PackageFile> Open(const std::string& path) {
    // A FIFO must not be waited for: it is refused.
    Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!file.open() || fstat(file.number(), &status) != 0)
      return Error(ErrorCode::kInvalidArgument, SystemError(path, errno).message());
    if (!S_ISREG(status.st_mode))
      return Error(ErrorCode::kInvalidArgument, path + ": not a plain file, as a package is one");
    return PackageFile(std::move(file), path, static_cast<std::uint64_t>(status.st_size));
  }

  Result<std::size_t> Read(std::uint64_t at, std::span<std::uint8_t> out) const {
    for (;;) {
      const ssize_t got = pread(file_.number(), out.data(), out.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemError(path_, errno);
      return static_cast<std::size_t>(got);
    }
  }

  // Reads it from its start, in large pieces; `seen` hears of each.
  EnvelopeSource Source(std::function<void(BytesView)> seen) const {
    auto piece = std::make_shared<Bytes>(kPieceBytes);
    return [this, piece, seen = std::move(seen), at = std::uint64_t{0},
            rest = BytesView()](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
      if (rest.empty()) {
        const std::size_t got = TRY(Read(at, *piece));
        at += got;
        rest = BytesView(*piece).first(got);
        seen(rest);
      }
      const std::size_t count = std::min(rest.size(), out.size());
      std::copy_n(rest.begin(), count, out.begin());
      rest = rest.subspan(count);
      return count;
    };
  }

  const std::string& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  PackageFile(Descriptor file, std::string path, std::uint64_t bytes)
      : file_(std::move(file)), path_(std::move(path)), bytes_(bytes) {}

  Descriptor file_;
  std::string path_;
  std::uint64_t bytes_;
};

void Unseen(BytesView) {}

struct NamedKey {
  std::string name;
  PrivateKey key;
};

// The keys in a file of them.
Result<std::vector<NamedKey>> ReadKeyFiles(const std::string& file, const std::string& password_file) {
  std::vector<NamedKey> keys;
  Bundle bundle = TRY(ReadBundleFile({file, password_file, "use " + file + ".p12 instead"}));
  for (const Pkcs12Item& item : bundle.items) {
    if (item.pkcs8.empty()) continue;
    PrivateKey key = TRY(PrivateKey::FromDer(item.pkcs8.Reveal()));
    keys.push_back({file, std::move(key)});
  }
  if (keys.empty()) return Error(ErrorCode::kRejected, file + ": there is no private key in it");
  return keys;
}

// The keys that the command line names: a file, where there is one of that name, or an entry.
Result<std::vector<NamedKey>> NamedKeys(const Opening& opening) {
  std::vector<NamedKey> keys;
  for (const std::string& name : opening.keys) {
    if (access(name.c_str(), F_OK) == 0) {
      for (NamedKey& each : TRY(ReadKeyFiles(name, opening.password_file))) keys.push_back(std::move(each));
    } else {
      Pair pair = TRY(ReadPair(TRY(ChooseMount(opening.mount)), name));
      keys.push_back({name, std::move(pair.key)});
    }
  }
  return keys;
}

// The keys of the mount for whose certificates the package is.
Result<std::vector<NamedKey>> KeysOfMount(const Opening& opening, const PackageFile& file) {
  const auto recipients = TRY(ReadEnvelopeRecipients(file.Source(Unseen)));
  auto mount = ChooseMount(opening.mount);
  if (!mount.has_value()) {
    return Error(
        mount.error().code() == ErrorCode::kNotFound ? ErrorCode::kAccessDenied : mount.error().code(),
        "it is encrypted, and there is no mount whose keys might open it: " + mount.error().message() +
            "; name a key with --decrypt-with");
  }
  const auto entries = FindPairs(mount.value(), [&](const Certificate& certificate) {
    return std::ranges::find(recipients, certificate.IssuerAndSerial()) != recipients.end();
  });
  std::string why;
  std::vector<NamedKey> keys;
  for (const std::string& entry : entries) {
    auto pair = ReadPair(mount.value(), entry);
    if (pair.has_value()) {
      keys.push_back({entry, std::move(pair).value().key});
    } else {
      why += "; " + pair.error().message();
    }
  }
  if (keys.empty()) {
    return Error(ErrorCode::kAccessDenied,
                 "it is encrypted to " + std::to_string(recipients.size()) +
                     (recipients.size() == 1 ? " certificate" : " certificates") +
                     ", and no entry of the mount has a key of these that can be read here" + why +
                     "; if the certificate was renewed meanwhile, name its entry with --decrypt-with");
  }
  return keys;
}

// An envelope that was opened, and the key that did it.
struct OpenEnvelope {
  EnvelopeReader reader;
  std::string opened_with;
};
Result<OpenEnvelope> TryKeys(const PackageFile& file, const std::vector<NamedKey>& keys) {
  std::optional<Error> failure;
  for (const NamedKey& each : keys) {
    auto reader = EnvelopeReader::Open(file.Source(Unseen), each.key);
    if (reader.has_value()) return OpenEnvelope{std::move(reader).value(), each.name};
    failure = std::move(reader).error().Within(each.name);
    if (failure->code() != ErrorCode::kAccessDenied) break;
  }
  return *failure;
}

Result<void> CheckKind(MessageKind kind) {
  switch (kind) {
    case MessageKind::kSigned:
    case MessageKind::kEncrypted:
      return {};
    case MessageKind::kPem:
      return Error(
          ErrorCode::kMalformed,
          "it is in PEM, and a package in DER: openssl cms -cmsout -inform PEM -outform DER makes it one");
    case MessageKind::kEncryptedByOthers:
      return Error(ErrorCode::kMalformed,
                   "it is CMS EnvelopedData, which certfs does not make: decrypt it by openssl cms -decrypt "
                   "-binary -inform DER, and open what that gives");
    case MessageKind::kOther:
      break;
  }
  return Error(ErrorCode::kMalformed,
               "it is no package: neither CMS SignedData nor AuthEnvelopedData, in DER");
}

// What the parts of an envelope say of damage is about a keystore elsewhere.
Error AboutPackage(Error error) {
  if (error.code() != ErrorCode::kCorrupt) return error;
  return {ErrorCode::kRejected, "damaged or changed: " + error.message()};
}

Result<OpenedPackage> Open(const PackageFile& file, const Opening& opening) {
  Bytes start(kStartBytes);
  start.resize(TRY(file.Read(0, start)));
  const MessageKind kind = MessageKindOf(start);
  TRY(CheckKind(kind));

  RunningDigest digest;
  Progress progress("verifying", file.bytes());
  const auto seen = [&](BytesView piece) {
    digest.Add(piece);
    progress.Advance(piece.size());
  };
  std::optional<OpenEnvelope> envelope;
  SignedDataSource source = file.Source(seen);
  if (kind == MessageKind::kEncrypted) {
    envelope.emplace(
        TRY(TryKeys(file, TRY(opening.keys.empty() ? KeysOfMount(opening, file) : NamedKeys(opening)))));
    // Anew, because other keys have read of it as well.
    envelope->reader = TRY(EnvelopeReader::OpenAgain(std::move(source), envelope->reader));
    source = [&](std::span<std::uint8_t> out) { return envelope->reader.Read(out); };
  }

  auto reader = TRY(SignedDataReader::Open(source));
  if (reader.message_bytes() > opening.bytes_max) {
    return Error(ErrorCode::kTooLarge, "it holds " + std::to_string(reader.message_bytes()) + " bytes, and " +
                                           std::to_string(opening.bytes_max) +
                                           " are allowed; --max-size allows more");
  }
  Spool tar = TRY(Spool::Make(opening.spool));
  Bytes piece(kPieceBytes);
  for (;;) {
    const std::size_t got = TRY(reader.Read(piece));
    if (got == 0) break;
    TRY(tar.Append(BytesView(piece).first(got)));
  }
  return OpenedPackage{std::move(tar), reader.signer(), ToHex(digest.Finish()), file.bytes(),
                       envelope ? envelope->opened_with : std::string()};
}

}  // namespace

Result<OpenedPackage> OpenPackage(const Opening& opening) {
  const PackageFile file = TRY(PackageFile::Open(opening.file));
  auto opened = Open(file, opening);
  if (!opened.has_value()) return AboutPackage(std::move(opened).error()).Within(Shown(opening.file));
  return opened;
}

}  // namespace certfs::package
