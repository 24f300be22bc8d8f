#include "crypto/openssl/hmac.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "crypto/base/secret.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

namespace {

constexpr std::uint8_t kInnerPad = 0x36;
constexpr std::uint8_t kOuterPad = 0x5C;
constexpr std::size_t kBlockBytesMax = 128;
constexpr std::size_t kHashBytesMax = 64;

// Fetched once for the process.
const EVP_MD* MethodOf(Hash hash) {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  return hash == Hash::kSha256 ? sha256 : sha512;
}

// The key with a pad over it: the first block of both hashes.
class PaddedKey {
 public:
  PaddedKey(BytesView key, std::size_t block) : size_(block) {
    std::copy(key.begin(), key.end(), bytes_.begin());
  }
  ~PaddedKey() { Wipe(bytes_); }
  PaddedKey(const PaddedKey&) = delete;
  PaddedKey& operator=(const PaddedKey&) = delete;

  // Puts `pad` over it in place of `before`, 0 for none.
  BytesView With(std::uint8_t pad, std::uint8_t before) {
    for (std::size_t i = 0; i < size_; ++i) bytes_[i] = static_cast<std::uint8_t>(bytes_[i] ^ pad ^ before);
    return BytesView(bytes_).first(size_);
  }

 private:
  std::array<std::uint8_t, kBlockBytesMax> bytes_{};
  std::size_t size_;
};

bool HashOf(EVP_MD_CTX* context, const EVP_MD* method, BytesView first,
            std::initializer_list<BytesView> parts, std::uint8_t* out) {
  bool done = EVP_DigestInit_ex2(context, method, nullptr) == 1 &&
              EVP_DigestUpdate(context, first.data(), first.size()) == 1;
  for (const BytesView part : parts) done = done && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  return done && EVP_DigestFinal_ex(context, out, nullptr) == 1;
}

}  // namespace

bool Hmac(Hash hash, BytesView key, std::initializer_list<BytesView> parts, std::span<std::uint8_t> out) {
  thread_local const DigestContextHandle context(EVP_MD_CTX_new());
  const EVP_MD* const method = MethodOf(hash);
  const std::size_t block = hash == Hash::kSha256 ? 64 : kBlockBytesMax;
  const std::size_t size = hash == Hash::kSha256 ? 32 : kHashBytesMax;
  if (!context || method == nullptr || out.size() != size) return false;

  std::array<std::uint8_t, kHashBytesMax> digest{};
  const BytesView value = BytesView(digest).first(size);
  bool done = true;
  if (key.size() > block) {  // RFC 2104, 2: a key longer than a block is hashed first.
    done = HashOf(context.get(), method, key, {}, digest.data());
    key = value;
  }
  PaddedKey padded(key, block);
  done = done && HashOf(context.get(), method, padded.With(kInnerPad, 0), parts, digest.data()) &&
         HashOf(context.get(), method, padded.With(kOuterPad, kInnerPad), {value}, out.data());
  EVP_MD_CTX_reset(context.get());  // Wipes what the hash kept of the key.
  Wipe(digest);
  if (!done) ERR_clear_error();
  return done;
}

}  // namespace certfs::openssl
