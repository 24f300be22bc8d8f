// PasswordRecipientInfo (RFC 5652, 6.2.4) and the key wrapping of RFC 3211, 2.3.

#include <algorithm>
#include <array>
#include <optional>

#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/envelope_recipients.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/sealing.h"

namespace certfs::openssl {

namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kBlockBytes = 16;
constexpr std::size_t kCheckBytes = 3;
// One byte of length, three that check it, the key, and padding to whole blocks.
constexpr std::size_t kWrappedBytes = 48;

using Block = std::array<std::uint8_t, kBlockBytes>;
using Wrapped = std::array<std::uint8_t, kWrappedBytes>;

// What stands in a PasswordRecipientInfo.
struct PasswordInfo {
  std::array<std::uint8_t, kSaltBytes> salt{};
  std::uint32_t rounds = 0;
  Block iv{};
  Wrapped wrapped{};
};

Error Failure() { return {ErrorCode::kInternal, TakeReason("AES-256-CBC is not available")}; }

Bytes Encode(const PasswordInfo& info) {
  Bytes out;
  DerWriter der(out);
  der.Constructed(kPasswordTag, [&] {
    der.Integer(0);
    der.Context(0, [&] {
      der.Identifier(kIdPbkdf2);
      der.Sequence([&] {
        der.OctetString(info.salt);
        der.Integer(info.rounds);
        PutHash(der, kIdHmacSha256);
      });
    });
    der.Sequence([&] {
      der.Identifier(kIdPasswordKek);
      der.Sequence([&] {
        der.Identifier(kIdAes256Cbc);
        der.OctetString(info.iv);
      });
    });
    der.OctetString(info.wrapped);
  });
  return out;
}

template <std::size_t N>
Result<void> Fill(DerReader& reader, std::array<std::uint8_t, N>& out) {
  const BytesView bytes = TRY(reader.Take(kDerOctetString));
  if (bytes.size() != N) return Error(ErrorCode::kMalformed, "a string of another length");
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return {};
}

// Reads the content of a PasswordRecipientInfo; only what Encode writes.
Result<PasswordInfo> Decode(BytesView content) {
  DerReader reader(content);
  PasswordInfo info;
  if (TRY(reader.Integer()) != 0) return Error(ErrorCode::kMalformed, "another version");
  DerReader derivation = TRY(reader.Enter(DerContext(0)));
  TRY(derivation.Expect(kIdPbkdf2));
  DerReader parameters = TRY(derivation.Enter(kDerSequence));
  TRY(Fill(parameters, info.salt));
  const std::uint64_t rounds = TRY(parameters.Integer());
  if (rounds == 0 || rounds > kStretchRoundsMax)
    return Error(ErrorCode::kMalformed, std::to_string(rounds) + " rounds of PBKDF2 are out of bounds");
  info.rounds = static_cast<std::uint32_t>(rounds);
  DerReader wrapping = TRY(reader.Enter(kDerSequence));
  TRY(wrapping.Expect(kIdPasswordKek));
  DerReader cipher = TRY(wrapping.Enter(kDerSequence));
  TRY(cipher.Expect(kIdAes256Cbc));
  TRY(Fill(cipher, info.iv));
  TRY(Fill(reader, info.wrapped));
  const Bytes again = Encode(info);
  if (!std::ranges::equal(TRY(DerReader(again).Next()).content, content))
    return Error(ErrorCode::kMalformed, "another form of a recipient");
  return info;
}

Result<SecretBytes> Stretch(const SecretBytes& password, const PasswordInfo& info) {
  SecretBytes key(32);
  const BytesView text = password.Reveal();
  if (PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(text.data()), static_cast<int>(text.size()),
                        info.salt.data(), static_cast<int>(info.salt.size()), static_cast<int>(info.rounds),
                        EVP_sha256(), static_cast<int>(key.size()), key.data()) != 1) {
    return Failure();
  }
  return key;
}

// Runs whole blocks through AES-256-CBC.
Result<void> Cbc(int encrypt, const SecretBytes& key, BytesView iv, BytesView in, std::uint8_t* out) {
  const CipherContextHandle context(EVP_CIPHER_CTX_new());
  int produced = 0;
  if (!context ||
      EVP_CipherInit_ex2(context.get(), EVP_aes_256_cbc(), key.Reveal().data(), iv.data(), encrypt,
                         nullptr) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
      EVP_CipherUpdate(context.get(), out, &produced, in.data(), static_cast<int>(in.size())) != 1 ||
      produced != static_cast<int>(in.size())) {
    return Failure();
  }
  return {};
}

}  // namespace

Result<Bytes> SealForPassword(const SecretBytes& password, std::uint32_t rounds,
                              const SecretBytes& content_key) {
  PasswordInfo info;
  info.rounds = rounds;
  TRY(FillRandom(info.salt));
  TRY(FillRandom(info.iv));
  const SecretBytes kek = TRY(Stretch(password, info));

  SecretBytes block(kWrappedBytes);
  const BytesView key = content_key.Reveal();
  block.data()[0] = kContentKeyBytes;
  for (std::size_t i = 0; i < kCheckBytes; ++i) block.data()[1 + i] = static_cast<std::uint8_t>(~key[i]);
  std::copy(key.begin(), key.end(), block.data() + 1 + kCheckBytes);
  const std::size_t padding = 1 + kCheckBytes + key.size();
  TRY(FillRandom({block.data() + padding, kWrappedBytes - padding}));

  // Twice, the second time with the last block of the first for an IV: each byte depends on all others.
  Wrapped once{};
  TRY(Cbc(1, kek, info.iv, block.Reveal(), once.data()));
  TRY(Cbc(1, kek, BytesView(once).last(kBlockBytes), once, info.wrapped.data()));
  return Encode(info);
}

std::size_t PasswordRecipientBytes(std::uint32_t rounds) {
  PasswordInfo info;
  info.rounds = rounds;
  return Encode(info).size();
}

Result<SecretBytes> OpenWithPassword(BytesView recipients, const SecretBytes& password) {
  std::optional<PasswordInfo> info;
  for (DerReader reader(recipients); !reader.empty();) {
    const DerElement element = TRY(reader.Next());
    if (element.tag != kPasswordTag) continue;
    // More than one would be more work than whoever opens it has asked for.
    if (info) return Error(ErrorCode::kMalformed, "more than one password's recipient");
    info = TRY(Decode(element.content));
  }
  if (!info) return Error(ErrorCode::kAccessDenied, "it is not encrypted for a password");
  const SecretBytes kek = TRY(Stretch(password, *info));

  // The last block of the inner ciphertext, which is the outer one's IV, comes first.
  const BytesView outer = info->wrapped;
  Block last{};
  TRY(Cbc(0, kek, outer.subspan(kWrappedBytes - 2 * kBlockBytes, kBlockBytes), outer.last(kBlockBytes),
          last.data()));
  Wrapped once{};
  TRY(Cbc(0, kek, last, outer, once.data()));
  SecretBytes block(kWrappedBytes);
  TRY(Cbc(0, kek, info->iv, once, block.data()));

  const BytesView text = block.Reveal();
  const BytesView key = text.subspan(1 + kCheckBytes, kContentKeyBytes);
  // All of the check in one value: how far it got would tell something of the key.
  unsigned wrong = text[0] ^ kContentKeyBytes;
  for (std::size_t i = 0; i < kCheckBytes; ++i) wrong |= 0xFFU ^ (text[1 + i] ^ key[i]);
  if (wrong != 0) return Error(ErrorCode::kAccessDenied, "this is not its password");
  return SecretBytes::CopyOf(key);
}

}  // namespace certfs::openssl
