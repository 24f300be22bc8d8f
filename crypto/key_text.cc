#include "crypto/key_text.h"

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs {

Result<SecretBytes> FullText(const PrivateKey& key) {
  const openssl::EmptyQueue empty;
  // OpenSSL grows this kind in its own secure memory, and wipes it. On the way there its printer has the
  // numbers of an RSA key in ordinary memory, one at a time in hexadecimal, and frees them as they are.
  const openssl::BioHandle out(BIO_new(BIO_s_secmem()));
  if (!out || EVP_PKEY_print_private(out.get(), key.handle(), 0, nullptr) != 1)
    return Error(ErrorCode::kInternal, "the key cannot be printed");
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return SecretBytes::CopyOf(
      BytesView(reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)));
}

}  // namespace certfs
