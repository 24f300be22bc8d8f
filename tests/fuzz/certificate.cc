#include "crypto/certificate.h"

#include "crypto/description.h"
#include "crypto/file_outline.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

namespace {

bool IsText(const std::string& text) { return IsUtf8(text) && !HasControl(text); }

// Everything that a certificate tells of itself.
void AskAll(const Certificate& certificate) {
  PROPERTY(IsText(certificate.subject()) && IsText(certificate.issuer()) && IsText(certificate.serial()));
  PROPERTY(IsUtf8(certificate.common_name()));
  static_cast<void>(certificate.not_before());
  static_cast<void>(certificate.not_after());
  static_cast<void>(certificate.IsSelfSigned());
  static_cast<void>(certificate.IsAuthority());
  static_cast<void>(certificate.alternative_names());
  static_cast<void>(SubjectAltNames(certificate));
  static_cast<void>(CertifiedKey(certificate));
  static_cast<void>(SignatureAlgorithm(certificate));
  static_cast<void>(FullText(certificate));
  PROPERTY(SubjectHash(certificate).size() == 8);
  PROPERTY(certificate.IssuerAndSerial().size() ==
           certificate.issuer_der().size() + certificate.serial_der().size());
  const auto again = Certificate::FromDer(certificate.der());
  PROPERTY(again.has_value() && again.value().fingerprint() == certificate.fingerprint());
}

void ReadAsFile(BytesView input) {
  auto file = ReadCertificateFile(input);
  if (!file.has_value()) return;
  const auto again = ReadCertificateFile(file.value().text);
  PROPERTY(again.has_value() && again.value().text == file.value().text);
  // A backup takes apart by hand what was accepted once.
  const auto outlines = OutlineCertificates(file.value().text);
  PROPERTY(outlines.has_value() && outlines.value().size() == file.value().certificates.size());
  for (std::size_t i = 0; i < outlines.value().size(); ++i) {
    const Certificate& certificate = file.value().certificates[i];
    const CertificateOutline& outline = outlines.value()[i];
    PROPERTY(outline.fingerprint == certificate.fingerprint());
    PROPERTY(AsText(outline.issuer) == AsText(certificate.issuer_der()));
    PROPERTY(outline.serial == certificate.serial_der());
    // One shows the key as it stands there, the other in DER: bits that pad it may differ.
    PROPERTY(outline.public_key.size() == certificate.key_der().size());
  }
  for (const RuleSet rules : {RuleSet::kGeneral, RuleSet::kServer, RuleSet::kTrust})
    Tell(JudgeCertificates(file.value(), nullptr, Ask(rules)));
  NoteRead();
  // In order it stays in order.
  Arrange(file.value(), nullptr);
  auto arranged = Have(ReadCertificateFile(file.value().text));
  Arrange(arranged, nullptr);
  PROPERTY(!arranged.rearranged && arranged.text == file.value().text);
}

}  // namespace

int FuzzCertificate(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  const auto certificate = Certificate::FromDer(input);
  if (certificate.has_value()) {
    PROPERTY(AsText(certificate.value().der()) == AsText(input));
    AskAll(certificate.value());
  }
  ReadAsFile(input);
  return 0;
}

}  // namespace certfs::fuzz
