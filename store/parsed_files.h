// What was parsed lately of files as they are stored. A renewal is judged by the live key and takes the live
// certificate's place: parsing these anew each time costs more than everything else that it computes. Private
// to store/.
//
// Of a key it keeps the public half alone: there is no secret in it.
//
// Thread-safety: any thread.

#pragma once

#include <memory>
#include <vector>

#include "crypto/private_key.h"
#include "store/node_cache.h"

namespace certfs {

class ParsedFiles {
 public:
  // The public half of the key that `sealed`, which is File::digest, stands for; null if it is not at hand.
  std::shared_ptr<const PublicKey> FindKey(const Digest& sealed);
  void AddKey(const Digest& sealed, const PrivateKey& key);

  // The certificates of a cert.pem of these bytes; null if they are not at hand.
  using Certificates = std::vector<Certificate>;
  std::shared_ptr<const Certificates> FindCertificates(BytesView text);
  void AddCertificates(BytesView text, Certificates certificates);

 private:
  // What OpenSSL makes of a key or a certificate takes several times the size of its encoding.
  struct Half {
    PublicKey key;
    std::size_t MemoryBytes() const noexcept { return std::size_t{4} << 10; }
  };
  struct Parsed {
    Certificates certificates;
    std::size_t MemoryBytes() const noexcept;
  };
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;

  DigestCache<Half> keys_{kBytesMax};
  DigestCache<Parsed> certificates_{kBytesMax};
};

}  // namespace certfs
