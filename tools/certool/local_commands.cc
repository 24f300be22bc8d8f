// certool, as far as it needs no authority: keys, requests, and looking at things.

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>

#include "crypto/description.h"
#include "crypto/issuing.h"
#include "crypto/pem.h"
#include "crypto/signing_request.h"
#include "crypto/store_file.h"
#include "tools/certificate_json.h"
#include "tools/certool/commands.h"
#include "tools/certool/errors.h"
#include "tools/system.h"

namespace certfs::certool {

namespace {

constexpr int kPredateMinutesMax = 7 * 24 * 60;

struct KeyWord {
  std::string_view word;
  KeyType type;
};
constexpr KeyWord kKeyTypes[] = {
    {"ec-p256", KeyType::kEcP256},
    {"ec-p384", KeyType::kEcP384},
    {"rsa-3072", KeyType::kRsa3072},
    {"rsa-4096", KeyType::kRsa4096},
};

// What --KeyType says; else what the config says; else RSA, as consumers of such keys expect, but longer than
// 2048 bits, which are not good for as long as a key may be used.
Result<PrivateKey> MakeKey(const Options& options, std::optional<KeyType> configured) {
  if (options.key_type.empty()) return PrivateKey::Generate(configured.value_or(KeyType::kRsa3072));
  for (const KeyWord& known : kKeyTypes) {
    if (known.word == options.key_type) return PrivateKey::Generate(known.type);
  }
  return Error(ErrorCode::kInvalidArgument, "--KeyType is ec-p256, ec-p384, rsa-3072 or rsa-4096");
}

Result<void> WriteKey(const std::string& path, const PrivateKey& key, Existing existing) {
  const SecretBytes pem = WritePem("PRIVATE KEY", TRY(key.ToPkcs8()).Reveal());
  return WriteOutputFile(path, pem.Reveal(), kPrivateMode, existing);
}

Result<void> WritePublicKey(const std::string& path, const PrivateKey& key) {
  const SecretBytes pem = WritePem("PUBLIC KEY", TRY(PublicKeyInfo(key)));
  return WriteOutputFile(path, pem.Reveal(), kPublicMode, Existing::kReplace);
}

Result<Bytes> ReadFile(const std::string& path) {
  auto bytes = ReadWholeFile(path, kFileBytesMax);
  if (!bytes.has_value()) return Error(ErrorCode::kIo, bytes.error().message());
  return bytes;
}

}  // namespace

Result<PrivateKey> ReadKey(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return Error(ErrorCode::kIo, SystemError(path, errno).message());
  auto key = ReadKeyFile(TRY(ReadSecret(file.number(), path, kFileBytesMax)).Reveal());
  if (!key.has_value())
    return Error(ErrorCode::kMalformed, kKeyUnreadable, path + ": " + key.error().message());
  return key.value().key;
}

Result<Certificate> ReadOneCertificate(const std::string& path) {
  auto file = ReadCertificateFile(TRY(ReadFile(path)));
  if (!file.has_value()) return std::move(file).error().Within(path);
  return file.value().certificates.front();
}

Result<void> GenerateKey(const Options& options) {
  const PrivateKey key = TRY(MakeKey(options, std::nullopt));
  TRY(WriteKey(options.privkey, key, options.existing()));
  return WritePublicKey(options.pubkey, key);
}

Result<void> GenerateRequest(const Options& options) {
  const RequestConfig config = TRY(TRY(options.ReadConfig()).Parse());
  const PrivateKey key = TRY(MakeKey(options, config.key_type));
  const Bytes request = TRY(MakeSigningRequest(config, key));
  TRY(WriteKey(options.privkey, key, options.existing()));
  TRY(WritePublicKey(options.pubkey, key));
  return WriteOutputFile(options.csrfile, request, kPublicMode, Existing::kReplace);
}

Result<void> GenerateSelfSigned(const Options& options) {
  if (options.predate < 0 || options.predate > kPredateMinutesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 "--predate is between 0 and " + std::to_string(kPredateMinutesMax) + " minutes");
  }
  const RequestConfig config = TRY(TRY(options.ReadConfig()).Parse());
  RootOptions root;
  root.name = TRY(DistinguishedName(config));
  const PrivateKey key = TRY(MakeKey(options, config.key_type));
  const auto signer = TRY(MakeSigner(key));
  const auto from = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) -
                    std::chrono::minutes(options.predate);
  const Certificate certificate = TRY(MakeRoot(root, TRY(RandomSerialNumber()), from, *signer));
  TRY(WriteKey(options.outprivkey, key, options.existing()));
  return WriteOutputFile(options.outcert, WritePem("CERTIFICATE", certificate.der()).Reveal(), kPublicMode,
                         Existing::kReplace);
}

Result<void> GenerateRequestFromCertificate(const Options& options) {
  const Certificate certificate = TRY(ReadOneCertificate(options.cert));
  const PrivateKey key = TRY(ReadKey(options.privkey));
  const PublicKey half = TRY(PublicKey::Of(key));
  const CertificateSubject subject = TRY(SubjectOf(certificate, &half));
  return WriteOutputFile(options.csrfile, TRY(MakeSigningRequest(subject, key)), kPublicMode,
                         Existing::kReplace);
}

Result<void> ViewCertificate(const Options& options) {
  const Certificate certificate = TRY(ReadOneCertificate(options.cert));
  if (options.object != nullptr) {
    (*options.object)["certificate"] = ToJson(certificate);
  } else {
    std::cout << FullText(certificate) << "\n";
  }
  return {};
}

Result<void> ViewCrl(const Options& options) {
  auto file = ReadRevocationListFile(TRY(ReadFile(options.crl)));
  if (!file.has_value())
    return Error(ErrorCode::kMalformed, kCrlUnreadable, options.crl + ": " + file.error().message());
  if (options.object != nullptr) {
    (*options.object)["crl"] = ToJson(file.value().list);
  } else {
    std::cout << "CRL Info : \n" << FullText(file.value().list) << "\n";
  }
  return {};
}

Result<void> ViewError(const Options& options) {
  const CodeRow* row = FindCode(options.error_number);
  if (row == nullptr)
    return Error(ErrorCode::kInvalidArgument,
                 std::to_string(options.error_number) + ": certool never answers with this number");
  if (options.object != nullptr) {
    options.object->update({{"number", row->number}, {"name", row->name}, {"text", row->text}});
  } else {
    std::cout << "Short Error : " << row->name << "\n" << row->text << "\n";
  }
  return {};
}

}  // namespace certfs::certool
