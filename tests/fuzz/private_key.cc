#include "crypto/private_key.h"

#include "crypto/encrypted_key.h"
#include "crypto/file_outline.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

namespace {

// A key is written as one form, which reads as the same key.
void Check(const PrivateKey& key) {
  static_cast<void>(key.Describe());
  static_cast<void>(KeyTypeOf(key));
  const auto encoded = key.ToPkcs8();
  if (!encoded.has_value()) return;
  const auto again = PrivateKey::FromDer(encoded.value().Reveal());
  PROPERTY(again.has_value());
  PROPERTY(EqualSecrets(Have(again.value().ToPkcs8()).Reveal(), encoded.value().Reveal()));
  const auto half = PublicKey::Of(key);
  if (!half.has_value()) return;
  const auto read = PublicKey::FromDer(half.value().der());
  PROPERTY(!read.has_value() || AsText(read.value().der()) == AsText(half.value().der()));
}

}  // namespace

int FuzzPrivateKey(const std::uint8_t* data, std::size_t size) {
  // That of tests/vectors; what it opens not is a wrong passphrase.
  static const SecretBytes passphrase = SecretBytes::CopyOf(AsBytes("secret"));
  const BytesView input(data, size);
  const auto der = PrivateKey::FromDer(input);
  if (der.has_value()) Check(der.value());
  const auto file = ReadKeyFile(input);
  if (file.has_value()) {
    PROPERTY(OutlineKey(file.value().text.Reveal()).has_value());
    const auto again = ReadKeyFile(file.value().text.Reveal());
    PROPERTY(again.has_value());
    PROPERTY(EqualSecrets(again.value().text.Reveal(), file.value().text.Reveal()));
    Check(file.value().key);
    Tell(JudgeKey(file.value(), nullptr, Ask(RuleSet::kGeneral)));
  }
  const auto opened = DecryptKeyFile(input, passphrase);
  if (opened.has_value()) {
    Check(opened.value());
    NoteRead();
  }
  PROPERTY(!file.has_value() || opened.has_value());
  return 0;
}

}  // namespace certfs::fuzz
