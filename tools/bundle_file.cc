#include "tools/bundle_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "tools/system.h"
#include "tools/terminal.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

// The bytes of the file. What may be a key in the clear lies in locked memory; what is too large for that,
// which an encrypted file or a list of authorities may be, is wiped.
class InputFile {
 public:
  InputFile() = default;
  InputFile(InputFile&&) = default;
  InputFile& operator=(InputFile&&) = default;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() { Wipe(large_); }

  static Result<InputFile> Read(const std::string& path) {
    const bool standard_input = path == "-";
    const Descriptor opened(standard_input ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened.open()) return Error(ErrorCode::kInvalidArgument, SystemError(path, errno).message());
    InputFile file;
    auto start = ReadSecret(opened.number(), path, kFileBytesMax);
    if (!start.has_value()) return Error(ErrorCode::kInvalidArgument, start.error().message());
    file.small_ = std::move(start).value();
    if (file.small_.size() <= kFileBytesMax) return file;
    const std::size_t limit = Pkcs12Limits().bytes;
    file.large_.resize(limit + 1);  // At once, so that it never moves and leaves a copy behind.
    std::size_t size = file.small_.size();
    std::copy(file.small_.Reveal().begin(), file.small_.Reveal().end(), file.large_.begin());
    file.small_.clear();
    while (size < file.large_.size()) {
      const ssize_t got = read(opened.number(), file.large_.data() + size, file.large_.size() - size);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Error(ErrorCode::kInvalidArgument, SystemError(path, errno).message());
      if (got == 0) break;
      size += static_cast<std::size_t>(got);
    }
    if (size > limit) {
      return Error(ErrorCode::kTooLarge, path + ": larger than " + std::to_string(limit) + " bytes");
    }
    file.large_.resize(size);
    return file;
  }

  BytesView bytes() const { return large_.empty() ? small_.Reveal() : BytesView(large_); }

 private:
  SecretBytes small_;
  Bytes large_;
};

// A failure to read what is in the file. Its codes mean other things where a keystore is opened.
Error AboutFile(const Error& error, const BundleSource& source) {
  const ErrorCode code =
      error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kInvalidArgument
          ? ErrorCode::kRejected
          : error.code();
  return Error(code, error.message()).Within(source.file);
}

Error JavaKeystore(std::string_view type, const BundleSource& source) {
  return {ErrorCode::kRejected,
          source.file + ": a Java keystore of type " + std::string(type) +
              ", which only Java reads; make PKCS#12 of it, and import that:\n  keytool -importkeystore "
              "-srckeystore '" +
              source.file + "' -srcstoretype " + std::string(type) + " -destkeystore '" + source.file +
              ".p12' -deststoretype PKCS12\n  " + source.again};
}

// Opens the file with the password of the password file; else with none, and asks if it needs one.
Result<Bundle> OpenBundle(BytesView bytes, const BundleSource& source) {
  const std::string_view java = JavaKeystoreType(bytes);
  if (!java.empty()) return JavaKeystore(java, source);
  SecretBytes password;
  if (!source.password_file.empty()) password = TRY(ReadPassphraseFile(source.password_file)).bytes;
  auto bundle = ReadBundle(bytes, password);
  if (!bundle.has_value() && bundle.error().code() == ErrorCode::kPasswordRequired) {
    auto typed = AskPassphrase("Password of " + source.file + ": ");
    if (!typed.has_value()) {
      return Error(ErrorCode::kPasswordRequired, source.file +
                                                     ": needs a password: " + typed.error().message() +
                                                     "; or put it into a file and use --password-file");
    }
    bundle = ReadBundle(bytes, typed.value());
  }
  if (!bundle.has_value()) return AboutFile(bundle.error(), source);
  return bundle;
}

// Adds what certifies the last of `chain`, as far as it is among `others`.
void CompleteChain(std::vector<Certificate>& chain, const std::vector<Certificate>& others) {
  while (!chain.back().IsSelfSigned() && chain.size() <= others.size()) {
    const auto issuer = std::find_if(others.begin(), others.end(), [&](const Certificate& each) {
      return each.subject() == chain.back().issuer() && each.fingerprint() != chain.back().fingerprint();
    });
    if (issuer == others.end()) return;
    chain.push_back(*issuer);
  }
}

}  // namespace

Result<Bundle> ReadBundleFile(const BundleSource& source) {
  const InputFile input = TRY(InputFile::Read(source.file));
  return OpenBundle(input.bytes(), source);
}

Result<SecretBytes> ReadKeyAndChain(const std::vector<std::string>& files, const std::string& password_file) {
  SecretBytes pkcs8;
  std::vector<Certificate> certificates;
  for (const std::string& file : files) {
    Bundle bundle = TRY(ReadBundleFile({file, password_file, "use " + file + ".p12 instead"}));
    for (Pkcs12Item& item : bundle.items) {
      certificates.insert(certificates.end(), item.certificates.begin(), item.certificates.end());
      if (item.pkcs8.empty()) continue;
      if (!pkcs8.empty()) return Error(ErrorCode::kRejected, file + ": a second key; there has to be one");
      pkcs8 = std::move(item.pkcs8);
    }
  }
  const std::string& named = files.front();
  if (pkcs8.empty()) return Error(ErrorCode::kRejected, named + ": there is no private key in it");
  const PrivateKey key = TRY(PrivateKey::FromDer(pkcs8.Reveal()));
  const auto own = std::find_if(certificates.begin(), certificates.end(),
                                [&](const Certificate& each) { return key.Matches(each); });
  if (own == certificates.end())
    return Error(ErrorCode::kRejected, named + ": no certificate there is that of the key");
  std::vector<Certificate> chain{*own};
  CompleteChain(chain, certificates);
  SecretBytes pem = WritePem("PRIVATE KEY", pkcs8.Reveal());
  for (const Certificate& certificate : chain) {
    const SecretBytes block = WritePem("CERTIFICATE", certificate.der());
    pem.insert(pem.end(), block.Reveal().begin(), block.Reveal().end());
  }
  return pem;
}

}  // namespace certfs
