#include "crypto/signer.h"

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/prepared_signatures.h"

namespace certfs {

namespace {

class MemorySigner : public Signer {
 public:
  MemorySigner(PublicKey key, BytesView algorithm, openssl::PreparedSigning signing)
      : key_(std::move(key)), algorithm_(algorithm), signing_(std::move(signing)) {}

  const PublicKey& key() const noexcept override { return key_; }
  BytesView algorithm() const noexcept override { return algorithm_; }
  Result<Bytes> Sign(BytesView message) const override { return signing_.Sign(message); }

 private:
  PublicKey key_;
  BytesView algorithm_;
  openssl::PreparedSigning signing_;
};

}  // namespace

Result<std::unique_ptr<Signer>> MakeSigner(PrivateKey key) {
  const openssl::EmptyQueue empty;
  const auto scheme = openssl::SchemeOf(key.handle());
  if (!scheme)
    return Error(ErrorCode::kUnsupported, "a key of the kind " + key.Describe() + " signs no certificates");
  std::unique_ptr<Signer> signer = std::make_unique<MemorySigner>(
      TRY(PublicKey::Of(key)), scheme->algorithm, TRY(openssl::PreparedSigning::Make(key.handle())));
  return signer;
}

}  // namespace certfs
