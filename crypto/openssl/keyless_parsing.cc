#include "crypto/openssl/keyless_parsing.h"

#include <openssl/provider.h>

namespace certfs::openssl {

namespace {

// Lives as long as the process. Without the null provider it would load the default one when first asked.
OSSL_LIB_CTX* EmptyContext() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
    if (made != nullptr) static_cast<void>(OSSL_PROVIDER_load(made, "null"));
    return made;
  }();
  return context;
}

}  // namespace

CertificateHandle ReadCertificateWithoutKey(BytesView der, std::size_t& size) {
  X509* certificate = X509_new_ex(EmptyContext(), nullptr);
  const std::uint8_t* at = der.data();
  // A failure frees what it was given, and says so by a null pointer there.
  const bool read =
      certificate != nullptr && d2i_X509(&certificate, &at, static_cast<long>(der.size())) != nullptr;
  CertificateHandle handle(certificate);
  size = static_cast<std::size_t>(at - der.data());
  return read ? std::move(handle) : nullptr;
}

RequestHandle ReadRequestWithoutKey(BytesView der, std::size_t& size) {
  X509_REQ* request = X509_REQ_new_ex(EmptyContext(), nullptr);
  const std::uint8_t* at = der.data();
  const bool read =
      request != nullptr && d2i_X509_REQ(&request, &at, static_cast<long>(der.size())) != nullptr;
  RequestHandle handle(request);
  size = static_cast<std::size_t>(at - der.data());
  return read ? std::move(handle) : nullptr;
}

}  // namespace certfs::openssl
