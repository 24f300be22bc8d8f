#include "crypto/revocation_list.h"

#include "crypto/description.h"
#include "crypto/file_outline.h"
#include "crypto/pem.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// A CRL is kept as it was read, tells what it revokes, and is younger or older than any other, never both.
int FuzzCrl(const std::uint8_t* data, std::size_t size) {
  static const RevocationList other = Have(ReadRevocationListFile(TestFile("vectors/pki/crl-5.pem"))).list;
  static const Certificate issuer =
      Have(ReadCertificateFile(TestFile("vectors/pki/issuing.pem"))).certificates.front();
  const BytesView input(data, size);
  const auto list = RevocationList::FromDer(input);
  if (list.has_value()) PROPERTY(AsText(list.value().der()) == AsText(input));
  const auto file = ReadRevocationListFile(input);
  if (!file.has_value()) {
    PROPERTY(!list.has_value() || size > kFileBytesMax);
    return 0;
  }
  const RevocationList& found = file.value().list;
  PROPERTY(found.revoked().size() <= RevokedCount(found));
  PROPERTY(IsUtf8(found.issuer()));
  static_cast<void>(found.next_update());
  static_cast<void>(found.SignedBy(issuer));
  static_cast<void>(found.Revokes(issuer));
  static_cast<void>(FullText(found));
  static_cast<void>(ListNumber(found));
  PROPERTY(IssuerHash(found).size() == 8);
  const bool older = found.CompareAge(other) < 0;
  PROPERTY(older == (other.CompareAge(found) > 0));
  PROPERTY(found.SameAuthority(other) == other.SameAuthority(found));
  const auto again = ReadRevocationListFile(file.value().text);
  PROPERTY(again.has_value() && again.value().text == file.value().text);
  PROPERTY(again.value().list.fingerprint() == found.fingerprint());
  PROPERTY(OutlineRevocationList(file.value().text).has_value());
  Tell(JudgeRevocationList(file.value(), nullptr, Ask(RuleSet::kTrust)));
  Tell(JudgeRevocationList(file.value(), &other, Ask(RuleSet::kTrust)));
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
