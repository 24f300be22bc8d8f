#include "crypto/running_digest.h"

#include <openssl/evp.h>

namespace certfs {

void RunningDigest::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

RunningDigest::RunningDigest() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex2(context_.get(), EVP_sha256(), nullptr);
}
RunningDigest::~RunningDigest() = default;
RunningDigest::RunningDigest(RunningDigest&&) noexcept = default;
RunningDigest& RunningDigest::operator=(RunningDigest&&) noexcept = default;

void RunningDigest::Add(BytesView bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

Digest RunningDigest::Finish() {
  Digest digest{};
  EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
  return digest;
}

}  // namespace certfs
