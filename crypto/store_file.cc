#include "crypto/store_file.h"

#include <algorithm>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/pem.h"

namespace certfs {

namespace {

constexpr std::size_t kCertificatesMax = 32;
constexpr std::uint8_t kDerSequence = 0x30;

// RFC 7468, 2 forbids headers; only keys were ever encrypted by them.
Error PemHeaders() { return {ErrorCode::kMalformed, "pem-headers", "headers in a PEM block"}; }

Error WrongKind(std::string reason) { return {ErrorCode::kMalformed, "wrong-kind", std::move(reason)}; }

bool IsDer(BytesView bytes) { return !bytes.empty() && bytes.front() == kDerSequence; }

Result<void> CheckSize(BytesView bytes) {
  if (bytes.size() > kFileBytesMax)
    return Error(ErrorCode::kTooLarge, "too-large", "a file is at most 1 MiB");
  return {};
}

Bytes PlainPem(std::string_view label, BytesView der) {
  const SecretBytes pem = WritePem(label, der);
  return {pem.Reveal().begin(), pem.Reveal().end()};
}

bool IsCertificateLabel(std::string_view label) {
  return label == "CERTIFICATE" || label == "X509 CERTIFICATE";
}

bool IsKeyLabel(std::string_view label) {
  return label == "PRIVATE KEY" || label == "RSA PRIVATE KEY" || label == "EC PRIVATE KEY" ||
         label == "DSA PRIVATE KEY";
}

// Says whether the subject of `issuer` is the issuer of `certificate`, and their key identifiers do not
// differ.
bool Issued(const Certificate& issuer, const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  return X509_check_issued(issuer.handle(), certificate.handle()) == X509_V_OK;
}

// The order that a chain should have; empty where there is no single leaf.
std::vector<std::size_t> ChainOrder(const std::vector<Certificate>& certificates, const Key* key) {
  const std::size_t count = certificates.size();
  std::vector<std::size_t> leaves;
  for (std::size_t i = 0; i < count; ++i) {
    if (key != nullptr && key->Matches(certificates[i])) {
      leaves = {i};
      break;
    }
    bool issued_another = false;
    for (std::size_t j = 0; j < count; ++j) {
      issued_another = issued_another || (i != j && Issued(certificates[i], certificates[j]));
    }
    if (!issued_another) leaves.push_back(i);
  }
  if (leaves.size() != 1) return {};
  std::vector<std::size_t> order = leaves;
  const auto used = [&](std::size_t i) { return std::find(order.begin(), order.end(), i) != order.end(); };
  for (bool grown = true; grown;) {
    grown = false;
    for (std::size_t i = 0; i < count && !grown; ++i) {
      grown = !used(i) && Issued(certificates[i], certificates[order.back()]);
      if (grown) order.push_back(i);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!used(i)) order.push_back(i);
  }
  return order;
}

}  // namespace

Result<CertificateFile> ReadCertificateFile(BytesView bytes) {
  TRY(CheckSize(bytes));
  CertificateFile file;
  if (IsDer(bytes)) {
    file.certificates.push_back(TRY(Certificate::FromDer(bytes)));
    file.text = PlainPem("CERTIFICATE", bytes);
    TRY(CheckSize(file.text));  // PEM is a third larger, and what is kept.
    return file;
  }
  for (const PemBlock& block : TRY(ReadPem(bytes))) {
    if (!IsCertificateLabel(block.label)) return WrongKind("a " + block.label + " in a certificate's file");
    if (block.encrypted) return PemHeaders();
    if (file.certificates.size() == kCertificatesMax)
      return Error(ErrorCode::kMalformed, "too-many-certificates", "a file holds 32 certificates at most");
    file.certificates.push_back(TRY(Certificate::FromDer(block.body.Reveal())));
  }
  file.text.assign(bytes.begin(), bytes.end());
  return file;
}

void Arrange(CertificateFile& file, const Key* key) {
  if (file.certificates.size() < 2) return;
  const std::vector<std::size_t> order = ChainOrder(file.certificates, key);
  if (order.empty() || std::is_sorted(order.begin(), order.end())) return;
  const auto blocks = ReadPem(file.text);
  if (!blocks.has_value()) return;
  Bytes text;
  std::vector<Certificate> certificates;
  for (const std::size_t i : order) {
    const PemBlock& block = blocks.value()[i];
    text.insert(text.end(), file.text.begin() + static_cast<std::ptrdiff_t>(block.text_at),
                file.text.begin() + static_cast<std::ptrdiff_t>(block.end));
    // The last line of a file may lack its newline; inside a file it needs one.
    if (text.back() != '\n') text.push_back('\n');
    certificates.push_back(file.certificates[i]);
  }
  text.insert(text.end(), file.text.begin() + static_cast<std::ptrdiff_t>(blocks.value().back().end),
              file.text.end());
  file.text = std::move(text);
  file.certificates = std::move(certificates);
  file.rearranged = true;
}

Result<KeyFile> ReadKeyFile(BytesView bytes) {
  TRY(CheckSize(bytes));
  if (IsDer(bytes)) {
    PrivateKey key = TRY(PrivateKey::FromDer(bytes));
    const SecretBytes pkcs8 = TRY(key.ToPkcs8());
    KeyFile file{WritePem("PRIVATE KEY", pkcs8.Reveal()), std::move(key)};
    TRY(CheckSize(file.text.Reveal()));
    return file;
  }
  std::optional<PrivateKey> key;
  for (const PemBlock& block : TRY(ReadPem(bytes))) {
    const bool is_key = IsKeyLabel(block.label);
    if (block.label == "ENCRYPTED PRIVATE KEY" || (is_key && block.encrypted)) {
      return Error(ErrorCode::kPasswordRequired, "encrypted-key",
                   "the key is encrypted, and the mount has no one to ask for its password");
    }
    if (block.label == "EC PARAMETERS" && !key) continue;
    if (!is_key) return WrongKind("a " + block.label + " in a key's file");
    if (key) return WrongKind("more than one key");
    key = TRY(PrivateKey::FromDer(block.body.Reveal()));
  }
  if (!key) return WrongKind("no private key");
  return KeyFile{SecretBytes::CopyOf(bytes), *std::move(key)};
}

Result<RevocationListFile> ReadRevocationListFile(BytesView bytes) {
  TRY(CheckSize(bytes));
  if (IsDer(bytes)) {
    RevocationList list = TRY(RevocationList::FromDer(bytes));
    RevocationListFile file{PlainPem("X509 CRL", bytes), std::move(list)};
    TRY(CheckSize(file.text));
    return file;
  }
  const std::vector<PemBlock> blocks = TRY(ReadPem(bytes));
  for (const PemBlock& block : blocks) {
    if (block.label != "X509 CRL") return WrongKind("a " + block.label + " in a CRL's file");
    if (block.encrypted) return PemHeaders();
  }
  if (blocks.size() != 1) return WrongKind("more than one CRL");
  // Read before anything is made: a TRY that returns from inside braces leaks what stands before it (GCC 12).
  RevocationList list = TRY(RevocationList::FromDer(blocks[0].body.Reveal()));
  return RevocationListFile{Bytes(bytes.begin(), bytes.end()), std::move(list)};
}

}  // namespace certfs
