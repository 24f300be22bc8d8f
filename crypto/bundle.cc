#include "crypto/bundle.h"

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "crypto/base/utf8.h"
#include "crypto/openssl/encrypted_keys.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/key_chains.h"
#include "crypto/private_key.h"

namespace certfs {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::array<std::uint8_t, 4> kJksMagic{0xFE, 0xED, 0xFE, 0xED};
constexpr std::array<std::uint8_t, 4> kJceksMagic{0xCE, 0xCE, 0xCE, 0xCE};

// Gathers the objects of a file that is no PKCS#12.
class Gatherer {
 public:
  explicit Gatherer(const SecretBytes& password)
      : password_(password), decryption_(password, Pkcs12Limits()) {}

  Result<void> Block(const PemBlock& block, BytesView text);
  Result<void> Der(BytesView der);
  Bundle Finish(std::string_view format);

 private:
  Result<void> Key(BytesView der);
  Result<void> KeyOf(SecretBytes pkcs8);
  void TakeCertificate(BytesView der);
  void TakeList(BytesView der);

  const SecretBytes& password_;
  openssl::Pkcs12Decryption decryption_;
  openssl::Pkcs12Bags bags_;
  std::vector<RevocationList> lists_;
};

Result<void> Gatherer::Block(const PemBlock& block, BytesView text) {
  const BytesView der = block.body.Reveal();
  if (block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE") {
    TakeCertificate(der);
    return {};
  }
  if (block.label == "X509 CRL") {
    TakeList(der);
    return {};
  }
  if (block.label == "EC PARAMETERS") return {};
  if (block.label == "ENCRYPTED PRIVATE KEY")
    return Key(TRY(openssl::DecryptPkcs8(der, decryption_)).Reveal());
  if (block.label == "PRIVATE KEY" || block.label == "RSA PRIVATE KEY" || block.label == "EC PRIVATE KEY") {
    if (block.encrypted) return Key(TRY(openssl::DecryptTraditional(text, password_)).Reveal());
    return Key(der);
  }
  bags_.skipped.push_back("a PEM block that is neither certificate, key nor CRL: " + block.label);
  return {};
}

Result<void> Gatherer::Der(BytesView der) {
  auto certificate = Certificate::FromDer(der);
  if (certificate.has_value()) {
    TakeCertificate(der);
    return {};
  }
  auto list = RevocationList::FromDer(der);
  if (list.has_value()) {
    lists_.push_back(std::move(list).value());
    return {};
  }
  auto key = Key(der);
  if (key.has_value() || key.error().code() != ErrorCode::kMalformed) return key;
  return Error(ErrorCode::kMalformed, "neither PKCS#12, nor PEM, nor a certificate, key or CRL in DER");
}

Result<void> Gatherer::Key(BytesView der) {
  auto key = PrivateKey::FromDer(der);
  if (key.has_value()) return KeyOf(TRY(key.value().ToPkcs8()));
  if (key.error().code() == ErrorCode::kPasswordRequired) {
    // What was encrypted begins as a key that is not: it does not come here again.
    return Key(TRY(openssl::DecryptPkcs8(der, decryption_)).Reveal());
  }
  if (key.error().code() != ErrorCode::kRejected) return std::move(key).error();
  bags_.skipped.push_back("a key of a kind that no store takes: " + key.error().message());
  return {};
}

Result<void> Gatherer::KeyOf(SecretBytes pkcs8) {
  bags_.keys.push_back({{}, {}, std::move(pkcs8)});
  return {};
}

void Gatherer::TakeCertificate(BytesView der) {
  auto certificate = Certificate::FromDer(der);
  if (!certificate.has_value()) {
    bags_.skipped.push_back("certificate " + std::to_string(bags_.certificates.size() + 1) + ": " +
                            certificate.error().message());
    return;
  }
  bags_.certificates.push_back({{}, {}, std::move(certificate).value(), false});
}

void Gatherer::TakeList(BytesView der) {
  auto list = RevocationList::FromDer(der);
  if (list.has_value()) {
    lists_.push_back(std::move(list).value());
  } else {
    bags_.skipped.push_back("CRL: " + list.error().message());
  }
}

Bundle Gatherer::Finish(std::string_view format) {
  Pkcs12Contents contents = openssl::Join(std::move(bags_));
  return {format, std::move(contents.items), std::move(lists_), std::move(contents.skipped)};
}

// The last common name: the innermost, where there are several.
std::string CommonName(const X509_NAME* name) {
  const openssl::EmptyQueue empty;
  int at = -1;
  for (int next = at; (next = X509_NAME_get_index_by_NID(name, NID_commonName, next)) >= 0;) at = next;
  if (at < 0) return {};
  std::uint8_t* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  const openssl::DerHandle owner(text);
  if (size <= 0) return {};
  std::string common(AsText({text, static_cast<std::size_t>(size)}));
  return IsUtf8(common) && !HasControl(common) ? common : std::string();
}

}  // namespace

Result<void> ForEachPemBlock(BytesView bytes, const std::function<Result<void>(PemBlock, BytesView)>& use) {
  const std::string_view text = AsText(bytes);
  std::size_t begin = text.find(kBegin);
  if (begin == std::string_view::npos) return Error(ErrorCode::kMalformed, "holds no PEM block");
  while (begin != std::string_view::npos) {
    std::size_t end = text.find(kEnd, begin);
    if (end != std::string_view::npos) end = text.find('\n', end);
    if (end != std::string_view::npos) ++end;
    const std::size_t size = end == std::string_view::npos ? end : end - begin;
    const BytesView block = AsBytes(text.substr(begin, size));
    for (PemBlock& found : TRY(ReadPem(block))) TRY(use(std::move(found), block));
    begin = end == std::string_view::npos ? end : text.find(kBegin, end);
  }
  return {};
}

Result<Bundle> ReadBundle(BytesView file, const SecretBytes& password) {
  const openssl::EmptyQueue empty;
  if (const std::string_view type = JavaKeystoreType(file); !type.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "a Java keystore (" + std::string(type) + "), which only Java reads");
  }
  if (MayBePkcs12(file)) {
    Pkcs12Contents contents = TRY(ReadPkcs12(file, password));
    return Bundle{"PKCS#12", std::move(contents.items), {}, std::move(contents.skipped)};
  }
  if (file.size() > Pkcs12Limits().bytes) {
    return Error(ErrorCode::kTooLarge, "more than " + std::to_string(Pkcs12Limits().bytes) + " bytes");
  }
  Gatherer gatherer(password);
  if (AsText(file).find(kBegin) == std::string_view::npos) {
    TRY(gatherer.Der(file));
    return gatherer.Finish("DER");
  }
  TRY(ForEachPemBlock(file,
                      [&](const PemBlock& block, BytesView text) { return gatherer.Block(block, text); }));
  return gatherer.Finish("PEM");
}

std::string_view JavaKeystoreType(BytesView file) noexcept {
  const auto begins = [&](BytesView magic) {
    return file.size() >= magic.size() && std::ranges::equal(file.first(magic.size()), magic);
  };
  return begins(kJksMagic) ? "JKS" : begins(kJceksMagic) ? "JCEKS" : "";
}

std::string NameOf(const Pkcs12Item& item) {
  if (!item.name.empty() || item.certificates.empty()) return item.name;
  return CommonNameOf(item.certificates.front());
}

std::string CommonNameOf(const Certificate& certificate) {
  return CommonName(X509_get_subject_name(certificate.handle()));
}

std::string CommonNameOf(const RevocationList& list) {
  return CommonName(X509_CRL_get_issuer(list.handle()));
}

}  // namespace certfs
