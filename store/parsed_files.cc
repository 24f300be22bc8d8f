#include "store/parsed_files.h"

#include "crypto/sealing.h"

namespace certfs {

std::size_t ParsedFiles::Parsed::MemoryBytes() const noexcept {
  std::size_t bytes = 0;
  for (const Certificate& each : certificates) bytes += (std::size_t{4} << 10) + 4 * each.der().size();
  return bytes;
}

std::shared_ptr<const PublicKey> ParsedFiles::FindKey(const Digest& sealed) {
  auto half = keys_.Find(sealed);
  return half ? std::shared_ptr<const PublicKey>(half, &half->key) : nullptr;
}

void ParsedFiles::AddKey(const Digest& sealed, const PrivateKey& key) {
  auto half = PublicKey::Of(key);
  if (half.has_value()) keys_.Add(sealed, std::make_shared<const Half>(Half{std::move(half).value()}));
}

std::shared_ptr<const ParsedFiles::Certificates> ParsedFiles::FindCertificates(BytesView text) {
  auto parsed = certificates_.Find(Sha256({text}));
  return parsed ? std::shared_ptr<const Certificates>(parsed, &parsed->certificates) : nullptr;
}

void ParsedFiles::AddCertificates(BytesView text, Certificates certificates) {
  certificates_.Add(Sha256({text}), std::make_shared<const Parsed>(Parsed{std::move(certificates)}));
}

}  // namespace certfs
