#include "crypto/pkcs12_reader.h"

#include "crypto/bundle.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// A PKCS#12 file by its password: what is in it are keys and certificates that read by themselves.
int FuzzPkcs12(const std::uint8_t* data, std::size_t size) {
  static const SecretBytes password = SecretBytes::CopyOf(AsBytes("geheim"));
  static const SecretBytes none;
  // As many as take a moment under the sanitizers.
  const Pkcs12Limits limits{.bytes = 1 << 20, .bags = 1000, .iterations = 20'000, .work = 100'000};
  const BytesView input(data, size);
  for (const SecretBytes* const each : {&password, &none}) {
    const auto contents = ReadPkcs12(input, *each, limits);
    if (!contents.has_value()) continue;
    NoteRead();
    PROPERTY(MayBePkcs12(input));
    for (const Pkcs12Item& item : contents.value().items) {
      PROPERTY(IsUtf8(NameOf(item)) && !HasControl(NameOf(item)));
      PROPERTY(!item.pkcs8.empty() || item.certificates.size() == 1);
      if (item.pkcs8.empty()) continue;
      const auto key = PrivateKey::FromDer(item.pkcs8.Reveal());
      if (key.has_value() && !item.certificates.empty())
        static_cast<void>(key.value().Matches(item.certificates.front()));
    }
  }
  return 0;
}

}  // namespace certfs::fuzz
