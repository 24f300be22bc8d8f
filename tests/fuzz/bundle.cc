#include "crypto/bundle.h"

#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// A file that somebody brings keys and certificates in: PEM in any order, or one object in DER. PKCS#12 has a
// target of its own, with smaller limits.
int FuzzBundle(const std::uint8_t* data, std::size_t size) {
  static const SecretBytes password = SecretBytes::CopyOf(AsBytes("secret"));
  const BytesView input(data, size);
  static_cast<void>(JavaKeystoreType(input));
  if (MayBePkcs12(input)) return -1;
  const auto bundle = ReadBundle(input, password);
  if (!bundle.has_value()) return 0;
  NoteRead();
  PROPERTY(bundle.value().format == "PEM" || bundle.value().format == "DER");
  for (const Pkcs12Item& item : bundle.value().items) {
    PROPERTY(IsUtf8(NameOf(item)) && !HasControl(NameOf(item)));
    PROPERTY(!item.pkcs8.empty() || item.certificates.size() == 1);
    if (!item.pkcs8.empty()) PROPERTY(PrivateKey::FromDer(item.pkcs8.Reveal()).has_value());
  }
  for (const RevocationList& list : bundle.value().lists) PROPERTY(IsUtf8(CommonNameOf(list)));
  return 0;
}

}  // namespace certfs::fuzz
