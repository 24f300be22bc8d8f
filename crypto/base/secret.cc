#include "crypto/base/secret.h"

#include <openssl/crypto.h>

#include <cstdlib>
#include <new>

namespace certfs {

namespace {

// Locked memory is claimed as it is touched, so that the size is a ceiling, not a cost. A hundred writers
// with a certificate chain each need about one MiB; 32 MiB leaves room for files at the 1 MiB limit.
constexpr std::size_t kArenaBytes = std::size_t{32} << 20;
constexpr std::size_t kSmallestBlock = 64;

}  // namespace

// OpenSSL registers its clean-up when it is used first, which a shared library may do while it is loaded:
// then it would run behind all else. Here its generators of random numbers are in the arena, where a leak
// checker does not look: it must find them gone already.
bool LockSecrets() {
  [[maybe_unused]] static const int registered = std::atexit([] { OPENSSL_cleanup(); });
  return CRYPTO_secure_malloc_init(kArenaBytes, kSmallestBlock) == 1;
}

void Wipe(std::span<std::uint8_t> bytes) noexcept { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool EqualSecrets(BytesView a, BytesView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

namespace internal {

void* AllocateSecret(std::size_t size) {
  void* memory = OPENSSL_secure_malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void FreeSecret(void* memory, std::size_t size) noexcept { OPENSSL_secure_clear_free(memory, size); }

}  // namespace internal

SecretBytes SecretBytes::CopyOf(BytesView bytes) {
  SecretBytes copy;
  copy.storage_.assign(bytes.begin(), bytes.end());
  return copy;
}

void SecretBytes::resize(std::size_t size) {
  if (size < storage_.size()) Wipe({storage_.data() + size, storage_.size() - size});
  storage_.resize(size);
}

}  // namespace certfs
