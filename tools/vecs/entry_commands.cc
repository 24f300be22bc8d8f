// vecs-cli entry: create, getcert, getkey, delete.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "crypto/store_file.h"
#include "store/name.h"
#include "store/policy.h"
#include "tools/entry_writer.h"
#include "tools/output_file.h"
#include "tools/system.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

// What is to become an entry.
struct Content {
  Bytes certificates;
  SecretBytes key;
};

Result<SecretBytes> ReadSecretFile(const fs::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return SystemError(path, errno);
  SecretBytes bytes = TRY(ReadSecret(file.number(), path, kFileBytesMax));
  if (bytes.size() > kFileBytesMax) return Error(ErrorCode::kTooLarge, path.string() + ": over 1 MiB");
  return bytes;
}

Result<Content> ReadContent(const Options& options) {
  if (options.cert.empty() && options.key.empty())
    return Error(ErrorCode::kInvalidArgument, "A certificate or a key must be specified.");
  if (!options.password.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "--password: a key gets no password of its own here, because the keystore is encrypted");
  }
  Content content;
  if (!options.cert.empty()) content.certificates = TRY(ReadWholeFile(options.cert, kFileBytesMax));
  if (!options.key.empty()) content.key = TRY(ReadSecretFile(options.key));
  if (options.cert.empty() || options.key.empty()) return content;
  // The mount would refuse it as well; but only the number of this refusal is its own.
  const auto key = ReadKeyFile(content.key.Reveal());
  const auto file = ReadCertificateFile(content.certificates);
  if (key.has_value() && file.has_value() && !key.value().key.Matches(file.value().certificates.front()))
    return Error(ErrorCode::kRejected, kKeyMismatch, "Private key does not match certificate");
  return content;
}

// The alias given, or else the SHA-1 of the certificate, as in VECS.
Result<Alias> AliasFor(const Options& options, const Content& content) {
  if (!options.alias.empty()) return Alias::Parse(options.alias);
  if (content.certificates.empty()) return Error(ErrorCode::kInvalidArgument, "a key alone needs an --alias");
  auto file = ReadCertificateFile(content.certificates);
  if (!file.has_value()) return std::move(file).error().Within(options.cert);
  return Alias::Parse(ToHex(Sha1Fingerprint(file.value().certificates.front())));
}

Result<void> Fill(const StorePlace& store, const fs::path& entry, const Content& content) {
  const bool secrets =
      PolicyOf(TRY(StoreName::Parse(store.directory.filename().string()))).holds == Holds::kSecrets;
  if (content.certificates.empty()) {
    return WriteMember(store.mount, entry, secrets ? Member::kSecret : Member::kKey, content.key.Reveal());
  }
  if (content.key.empty()) return WriteMember(store.mount, entry, Member::kCertificate, content.certificates);
  return ThroughNext(entry, [&](const fs::path& next) -> Result<void> {
    TRY(WriteMember(store.mount, next, Member::kKey, content.key.Reveal()));
    return WriteMember(store.mount, next, Member::kCertificate, content.certificates);
  });
}

bool Has(const fs::path& entry, Member member) {
  return access((entry / FileName(member)).c_str(), F_OK) == 0;
}

}  // namespace

Result<void> CreateEntry(const Options& options) {
  const Content content = TRY(ReadContent(options));
  const StorePlace store = TRY(FindStore(options));
  const Alias alias = TRY(AliasFor(options, content));
  if (TRY(FindEntry(store, alias.text()))) {
    return Error(ErrorCode::kAlreadyExists,
                 "Entry with alias [" + alias.text() + "] in store [" + options.store + "] exists already");
  }
  const fs::path entry = store.directory / alias.text();
  const mode_t mask = umask(022);
  const bool made = mkdir(entry.c_str(), 0755) == 0;
  const int error = errno;
  umask(mask);
  if (!made) return WithRefusal(SystemError(entry, error), store.mount, store.directory);
  auto filled = Fill(store, entry, content);
  if (!filled.has_value()) {
    rmdir(entry.c_str());
    return filled;
  }
  std::cout << "Entry with alias [" << alias.text() << "] in store [" << options.store
            << "] was created successfully \n";
  return {};
}

Result<void> GetCertificate(const Options& options) {
  const fs::path entry = TRY(GetEntry(TRY(FindStore(options)), options));
  if (!Has(entry, Member::kCertificate)) {
    return Error(ErrorCode::kInvalidArgument, kWrongType,
                 "No certificates were found for entry [" + options.alias + "] of type [Secret Key]");
  }
  const Bytes pem = TRY(ReadWholeFile(entry / FileName(Member::kCertificate), kFileBytesMax));
  if (options.text) {
    for (const Certificate& certificate : TRY(ReadCertificateFile(pem)).certificates)
      std::cout << FullText(certificate) << "\n";
  }
  if (!options.output.empty()) return WriteOutputFile(options.output, pem, kPrivateMode, Existing::kReplace);
  if (!options.text) std::cout << AsText(pem) << "\n";
  return {};
}

Result<void> GetKey(const Options& options) {
  const fs::path entry = TRY(GetEntry(TRY(FindStore(options)), options));
  const Member member = Has(entry, Member::kSecret) ? Member::kSecret : Member::kKey;
  if (!Has(entry, member)) {
    return Error(ErrorCode::kInvalidArgument, kWrongType,
                 "No key was found for entry [" + options.alias + "] of type [Trusted Cert]");
  }
  const SecretBytes key = TRY(ReadSecretFile(entry / FileName(member)));
  if (options.text && member == Member::kKey)
    std::cout << "Private Key : " << TRY(ReadKeyFile(key.Reveal())).key.Describe() << "\n";
  if (!options.output.empty())
    return WriteOutputFile(options.output, key.Reveal(), kPrivateMode, Existing::kReplace);
  if (!options.text) std::cout << AsText(key.Reveal()) << "\n";
  return {};
}

Result<void> DeleteEntry(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  const fs::path entry = TRY(GetEntry(store, options));
  TRY(AskToContinue(options, "This operation will delete entry [" + options.alias + "] from store [" +
                                 options.store + "]"));
  // An entry is removed whole or not at all: what is staged in it would keep it from going in the end.
  if (rmdir((entry / kNextName).c_str()) != 0 && errno != ENOENT)
    return WithRefusal(SystemError(entry / kNextName, errno), store.mount, entry);
  // The certificate first: a key that cannot be removed then stays, and serves nobody.
  for (const Member member : kMembers) {
    if (unlink((entry / FileName(member)).c_str()) != 0 && errno != ENOENT)
      return WithRefusal(SystemError(entry / FileName(member), errno), store.mount, entry);
  }
  if (rmdir(entry.c_str()) != 0) return WithRefusal(SystemError(entry, errno), store.mount, store.directory);
  std::cout << "Deleted entry with alias [" << options.alias << "] in store [" << options.store
            << "] successfully\n";
  return {};
}

}  // namespace certfs::vecs
