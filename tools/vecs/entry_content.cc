#include "tools/vecs/entry_content.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "crypto/description.h"
#include "crypto/encrypted_key.h"
#include "crypto/pem.h"
#include "tools/system.h"
#include "tools/terminal.h"
#include "tools/unlock.h"
#include "tools/vecs/errors.h"

namespace certfs::vecs {

namespace {

Result<SecretBytes> PasswordFor(const Options& options) {
  if (!options.password_file.empty()) return TRY(ReadPassphraseFile(options.password_file)).bytes;
  auto typed = AskPassphrase("Enter PEM pass phrase of " + options.key + ": ");
  if (typed.has_value()) return typed;
  return Error(
      ErrorCode::kPasswordRequired,
      options.key +
          ": the key is encrypted, and there is no terminal to ask for its password on; put it into a "
          "file and use --password-file");
}

// An encrypted key is decrypted on the way in: the mount has nobody to ask, and seals what it keeps.
Result<void> Decrypt(const Options& options, Content& content) {
  const SecretBytes password = TRY(PasswordFor(options));
  auto key = DecryptKeyFile(content.key.Reveal(), password);
  if (!key.has_value()) {
    if (key.error().code() == ErrorCode::kAccessDenied)
      return Error(ErrorCode::kAccessDenied, kWrongPassword, options.key + ": " + key.error().message());
    return std::move(key).error().Within(options.key);
  }
  content.key = WritePem("PRIVATE KEY", TRY(key.value().ToPkcs8()).Reveal());
  content.private_key = std::move(key).value();
  return {};
}

Result<void> ReadKey(const Options& options, Content& content) {
  auto bytes = ReadSecretFile(options.key);
  if (!bytes.has_value()) return AboutFile(bytes.error());
  content.key = std::move(bytes).value();
  if (content.key_member == Member::kSecret) return {};
  auto file = ReadKeyFile(content.key.Reveal());
  if (file.has_value()) {
    content.private_key = std::move(file).value().key;
    return {};
  }
  if (file.error().code() == ErrorCode::kPasswordRequired) return Decrypt(options, content);
  return std::move(file).error().Within(options.key);
}

Result<void> ReadCertificate(const Options& options, Content& content) {
  auto bytes = ReadWholeFile(options.cert, kFileBytesMax);
  if (!bytes.has_value()) return AboutFile(bytes.error());
  content.certificates = std::move(bytes).value();
  auto file = ReadCertificateFile(content.certificates);
  if (!file.has_value()) return std::move(file).error().Within(options.cert);
  content.file = std::move(file).value();
  return {};
}

}  // namespace

std::string_view Content::type() const {
  if (key.empty()) return "Trusted Cert";
  return file ? "Private Key" : "Secret Key";
}

std::optional<Bytes> Content::PublicKeyInfo() const {
  if (private_key) {
    auto info = certfs::PublicKeyInfo(*private_key);
    return info.has_value() ? std::optional(std::move(info).value()) : std::nullopt;
  }
  if (file) return certfs::PublicKeyInfo(file->certificates.front());
  return std::nullopt;
}

Result<Content> ReadContent(const Options& options, Holds holds) {
  if (options.cert.empty() && options.key.empty())
    return Error(ErrorCode::kInvalidArgument, "A certificate or a key must be specified.");
  if (!options.password.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "--password: everybody on this machine can read a command line, and a key needs no password "
                 "of its own, because the keystore is encrypted as a whole; for a key file that is encrypted "
                 "use --password-file FILE");
  }
  Content content;
  if (holds == Holds::kSecrets) content.key_member = Member::kSecret;
  if (!options.cert.empty()) TRY(ReadCertificate(options, content));
  if (!options.key.empty()) TRY(ReadKey(options, content));
  if (!content.file) return content;
  Arrange(*content.file, content.private_key ? &*content.private_key : nullptr);
  // The mount would refuse it as well; but only the number of this refusal is its own.
  if (content.private_key && !content.private_key->Matches(content.file->certificates.front()))
    return Error(ErrorCode::kRejected, kKeyMismatch, "Private key does not match certificate");
  return content;
}

Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return SystemError(path, errno);
  SecretBytes bytes = TRY(ReadSecret(file.number(), path, kFileBytesMax));
  if (bytes.size() > kFileBytesMax) return Error(ErrorCode::kTooLarge, path.string() + ": over 1 MiB");
  return bytes;
}

}  // namespace certfs::vecs
