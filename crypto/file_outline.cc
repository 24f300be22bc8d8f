#include "crypto/file_outline.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "crypto/der.h"
#include "crypto/pem.h"
#include "crypto/sealing.h"
#include "crypto/store_file.h"

namespace certfs {

namespace {

constexpr ObjectIdentifier kIdRsa("1.2.840.113549.1.1.1");
constexpr ObjectIdentifier kIdEc("1.2.840.10045.2.1");
constexpr std::size_t kCertificatesMax = 32;

Error WrongKind(const char* what) { return {ErrorCode::kMalformed, "wrong-kind", what}; }

Bytes Copy(BytesView bytes) { return {bytes.begin(), bytes.end()}; }

bool IsCertificateLabel(std::string_view label) {
  return label == "CERTIFICATE" || label == "X509 CERTIFICATE";
}

// Certificate (RFC 5280, 4.1).
Result<CertificateOutline> SeeCertificate(BytesView der) {
  CertificateOutline outline;
  DerReader file(der);
  DerReader certificate = TRY(file.Enter(kDerSequence));
  TRY(file.End());
  DerReader body = TRY(certificate.Enter(kDerSequence));
  TRY(certificate.Take(kDerSequence));   // signatureAlgorithm
  TRY(certificate.Take(kDerBitString));  // signatureValue
  TRY(certificate.End());
  TRY(body.TakeIf(DerContext(0)));  // version
  const DerElement serial = TRY(body.Next());
  if (serial.tag != kDerInteger) return WrongKind("no serial number");
  TRY(body.Take(kDerSequence));  // signature
  const DerElement issuer = TRY(body.Next());
  if (issuer.tag != kDerSequence) return WrongKind("no issuer");
  TRY(body.Take(kDerSequence));  // validity
  TRY(body.Take(kDerSequence));  // subject
  const DerElement key = TRY(body.Next());
  if (key.tag != kDerSequence) return WrongKind("no public key");
  outline.issuer = Copy(issuer.encoding);
  outline.serial = Copy(serial.encoding);
  outline.public_key = Copy(key.encoding);
  outline.fingerprint = Sha256({der});
  outline.der = Copy(der);
  return outline;
}

// Certificates of which OpenSSL keeps the encoding, BER inside, were let in as well.
Result<CertificateOutline> ParseCertificate(BytesView der) {
  const Certificate certificate = TRY(Certificate::FromDer(der));
  CertificateOutline outline;
  outline.issuer = Copy(certificate.issuer_der());
  outline.serial = certificate.serial_der();
  outline.public_key = Copy(certificate.key_der());
  if (outline.public_key.empty()) return WrongKind("no public key");
  outline.fingerprint = certificate.fingerprint();
  outline.der = Copy(der);
  return outline;
}

Result<CertificateOutline> OutlineCertificate(BytesView der) {
  auto seen = SeeCertificate(der);
  return seen.has_value() ? std::move(seen) : ParseCertificate(der);
}

// The only block of the file, of one of these labels.
Result<SecretBytes> OnlyBlock(BytesView pem, std::initializer_list<std::string_view> labels) {
  std::vector<PemBlock> blocks = TRY(ReadPem(pem));
  if (blocks.size() != 1 || std::ranges::find(labels, blocks[0].label) == labels.end())
    return WrongKind("not one object of its kind");
  return std::move(blocks[0].body);
}

// A private key as it lies in a file.
struct KeyBlock {
  SecretBytes body;
  std::string label;
};
Result<KeyBlock> FindKey(BytesView pem) {
  std::vector<PemBlock> blocks = TRY(ReadPem(pem));
  if (blocks.size() == 2 && blocks[0].label == "EC PARAMETERS") blocks.erase(blocks.begin());
  const auto is_key = [](const PemBlock& block) {
    return !block.encrypted && (block.label == "PRIVATE KEY" || block.label == "RSA PRIVATE KEY" ||
                                block.label == "EC PRIVATE KEY");
  };
  if (blocks.size() != 1 || !is_key(blocks[0])) return WrongKind("not one private key");
  return KeyBlock{std::move(blocks[0].body), std::move(blocks[0].label)};
}

// The two ways in which public halves are compared; each is nothing where the half does not show.

// RSAPrivateKey (RFC 8017, A.1.2): modulus and exponent.
struct RsaHalf {
  BytesView modulus;
  BytesView exponent;

  friend bool operator==(const RsaHalf& a, const RsaHalf& b) {
    return std::ranges::equal(a.modulus, b.modulus) && std::ranges::equal(a.exponent, b.exponent);
  }
};
Result<RsaHalf> RsaOf(BytesView der, bool private_key) {
  DerReader file(der);
  DerReader key = TRY(file.Enter(kDerSequence));
  if (private_key) TRY(key.Integer());  // version
  const BytesView modulus = TRY(key.Take(kDerInteger));
  return RsaHalf{modulus, TRY(key.Take(kDerInteger))};
}

// ECPrivateKey (RFC 5915, 3): the BIT STRING of its public key.
Result<std::optional<BytesView>> EcOf(BytesView der) {
  DerReader file(der);
  DerReader key = TRY(file.Enter(kDerSequence));
  if (TRY(key.Integer()) != 1) return WrongKind("not an EC key");
  TRY(key.Take(kDerOctetString));
  TRY(key.TakeIf(DerContext(0)));  // parameters
  if (key.tag() != DerContext(1)) return std::optional<BytesView>();
  DerReader half = TRY(key.Enter(DerContext(1)));
  return std::optional(TRY(half.Take(kDerBitString)));
}

// What a SubjectPublicKeyInfo says.
struct PublicHalf {
  BytesView algorithm;
  BytesView bits;
};
Result<PublicHalf> HalfOf(const CertificateOutline& certificate) {
  DerReader file(certificate.public_key);
  DerReader info = TRY(file.Enter(kDerSequence));
  DerReader algorithm = TRY(info.Enter(kDerSequence));
  const BytesView identifier = TRY(algorithm.Take(kDerObjectIdentifier));
  return PublicHalf{identifier, TRY(info.Take(kDerBitString))};
}

// Compares by sight; nothing where that cannot tell.
Result<std::optional<bool>> Compare(BytesView key, std::string_view label, const PublicHalf& half) {
  BytesView body = key;
  bool rsa = label == "RSA PRIVATE KEY";
  bool ec = label == "EC PRIVATE KEY";
  if (!rsa && !ec) {  // PrivateKeyInfo (RFC 5958, 2).
    DerReader file(key);
    DerReader info = TRY(file.Enter(kDerSequence));
    TRY(info.Integer());
    DerReader algorithm = TRY(info.Enter(kDerSequence));
    const BytesView identifier = TRY(algorithm.Take(kDerObjectIdentifier));
    rsa = kIdRsa.Is(identifier);
    ec = kIdEc.Is(identifier);
    body = TRY(info.Take(kDerOctetString));
  }
  if (rsa && kIdRsa.Is(half.algorithm) && !half.bits.empty())
    return std::optional(TRY(RsaOf(body, true)) == TRY(RsaOf(half.bits.subspan(1), false)));
  if (!ec || !kIdEc.Is(half.algorithm)) return std::optional<bool>();
  const std::optional<BytesView> shown = TRY(EcOf(body));
  if (!shown || shown->size() != half.bits.size()) return std::optional<bool>();
  return std::optional(std::ranges::equal(*shown, half.bits));
}

// Says whether they are seen to match; where they are not, parsing them may still say that they do.
Result<bool> SeenToMatch(BytesView key_pem, const CertificateOutline& certificate) {
  const KeyBlock key = TRY(FindKey(key_pem));
  const PublicHalf half = TRY(HalfOf(certificate));
  const std::optional<bool> seen = TRY(Compare(key.body.Reveal(), key.label, half));
  return seen.value_or(false);
}

Result<void> SeeKey(BytesView pem) {
  const KeyBlock key = TRY(FindKey(pem));
  DerReader file(key.body.Reveal());
  TRY(file.Enter(kDerSequence));
  return file.End();
}

Result<void> SeeRevocationList(BytesView pem) {
  const SecretBytes body = TRY(OnlyBlock(pem, {"X509 CRL"}));
  DerReader file(body.Reveal());
  DerReader list = TRY(file.Enter(kDerSequence));
  TRY(file.End());
  TRY(list.Take(kDerSequence));   // tbsCertList
  TRY(list.Take(kDerSequence));   // signatureAlgorithm
  TRY(list.Take(kDerBitString));  // signatureValue
  return list.End();
}

}  // namespace

Result<std::vector<CertificateOutline>> OutlineCertificates(BytesView pem) {
  std::vector<CertificateOutline> outlines;
  const std::vector<PemBlock> blocks = TRY(ReadPem(pem));
  if (blocks.size() > kCertificatesMax) return WrongKind("too many certificates");
  for (const PemBlock& block : blocks) {
    if (!IsCertificateLabel(block.label) || block.encrypted) return WrongKind("not only certificates");
    outlines.push_back(TRY(OutlineCertificate(block.body.Reveal())));
  }
  return outlines;
}

Result<bool> OutlineMatches(BytesView key_pem, const CertificateOutline& certificate) {
  const auto seen = SeenToMatch(key_pem, certificate);
  if (seen.has_value() && seen.value()) return true;
  const auto parsed = ReadKeyFile(key_pem);
  if (!parsed.has_value()) return WrongKind("not one private key");
  return parsed.value().key.Matches(TRY(Certificate::FromDer(certificate.der)));
}

Result<void> OutlineKey(BytesView pem) {
  if (SeeKey(pem).has_value() || ReadKeyFile(pem).has_value()) return {};
  return WrongKind("not one private key");
}

Result<void> OutlineRevocationList(BytesView pem) {
  if (SeeRevocationList(pem).has_value() || ReadRevocationListFile(pem).has_value()) return {};
  return WrongKind("not one CRL");
}

// The keystore makes all requests itself, in DER.
Result<void> OutlineSigningRequest(BytesView pem) {
  const SecretBytes body = TRY(OnlyBlock(pem, {"CERTIFICATE REQUEST"}));
  DerReader file(body.Reveal());
  TRY(file.Enter(kDerSequence));
  return file.End();
}

}  // namespace certfs
