// KeyTransRecipientInfo and KeyAgreeRecipientInfo (RFC 5652, 6.2.1 and 6.2.2).

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/envelope_recipients.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/sealing.h"

namespace certfs::openssl {

namespace {

constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 16384;
constexpr std::size_t kWrappedBytes = kContentKeyBytes + 8;  // RFC 3394.
constexpr std::uint64_t kTransportVersion = 0;               // With issuer and serial number.
constexpr std::uint64_t kAgreementVersion = 3;

using Wrapped = std::array<std::uint8_t, kWrappedBytes>;

Error Failure(const char* what) { return {ErrorCode::kInternal, TakeReason(what)}; }

Error NoRecipient(const Certificate& certificate) {
  return {ErrorCode::kRejected, "envelope-recipient",
          certificate.subject() +
              ": nothing can be encrypted to its key; it takes RSA of at least 2048 bits, or EC on P-256, "
              "P-384 or P-521"};
}

// A key that things are encrypted to or by: how, and how many bytes of it stand in a RecipientInfo.
struct Way {
  bool agreement = false;  // Else transport.
  std::size_t bytes = 0;   // Of the originator's point; of the ciphertext.
};

std::optional<Way> WayOf(const EVP_PKEY* key) {
  const EmptyQueue empty;
  if (key == nullptr) return std::nullopt;
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_is_a(key, "RSA") && bits >= kRsaBitsMin && bits <= kRsaBitsMax)
    return Way{false, static_cast<std::size_t>(EVP_PKEY_get_size(key))};
  std::array<char, 64> group{};
  if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) {
    return std::nullopt;
  }
  switch (OBJ_sn2nid(group.data())) {
    case NID_X9_62_prime256v1:
      return Way{true, 65};
    case NID_secp384r1:
      return Way{true, 97};
    case NID_secp521r1:
      return Way{true, 133};
    default:
      return std::nullopt;
  }
}

void PutIssuerAndSerial(DerWriter<Bytes>& der, const Certificate& certificate) {
  der.Sequence([&] { der.Raw(certificate.IssuerAndSerial()); });
}

Bytes EncodeTransport(const Certificate& certificate, BytesView encrypted) {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] {
    der.Integer(kTransportVersion);
    PutIssuerAndSerial(der, certificate);
    der.Raw(OaepAlgorithm());
    der.OctetString(encrypted);
  });
  return out;
}

Bytes EncodeAgreement(const Certificate& certificate, BytesView point, BytesView wrapped) {
  Bytes out;
  DerWriter der(out);
  der.Constructed(kAgreementTag, [&] {
    der.Integer(kAgreementVersion);
    der.Context(0, [&] {
      der.Context(1, [&] {
        der.Raw(OriginatorAlgorithm());
        der.Header(kDerBitString, 1 + point.size());
        der.Raw(std::array<std::uint8_t, 1>{0});  // No unused bits.
        der.Raw(point);
      });
    });
    der.Raw(AgreementAlgorithm());
    der.Sequence([&] {
      der.Sequence([&] {
        PutIssuerAndSerial(der, certificate);
        der.OctetString(wrapped);
      });
    });
  });
  return out;
}

// --- RSA

Result<KeyContextHandle> OaepContext(EVP_PKEY* key, int (*begin)(EVP_PKEY_CTX*)) {
  KeyContextHandle context(EVP_PKEY_CTX_new(key, nullptr));
  if (!context || begin(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) != 1) {
    return Failure("RSAES-OAEP is not available");
  }
  return context;
}

Result<Bytes> Transport(EVP_PKEY* key, const SecretBytes& content_key, std::size_t bytes) {
  const KeyContextHandle context = TRY(OaepContext(key, EVP_PKEY_encrypt_init));
  Bytes encrypted(bytes);
  std::size_t size = encrypted.size();
  const BytesView text = content_key.Reveal();
  if (EVP_PKEY_encrypt(context.get(), encrypted.data(), &size, text.data(), text.size()) != 1 ||
      size != bytes) {
    return Failure("RSAES-OAEP failed");
  }
  return encrypted;
}

// Nothing, where it was encrypted to another key.
Result<std::optional<SecretBytes>> TakeTransported(EVP_PKEY* key, std::size_t bytes, BytesView encrypted) {
  if (encrypted.size() != bytes) return std::optional<SecretBytes>();
  const KeyContextHandle context = TRY(OaepContext(key, EVP_PKEY_decrypt_init));
  const EmptyQueue empty;
  SecretBytes text(bytes);
  std::size_t size = text.size();
  if (EVP_PKEY_decrypt(context.get(), text.data(), &size, encrypted.data(), encrypted.size()) != 1 ||
      size != kContentKeyBytes) {
    return std::optional<SecretBytes>();
  }
  text.resize(size);
  return std::optional(std::move(text));
}

// --- EC

// The key that wraps: the shared secret through the KDF of ANSI X9.63 (SEC 1, 3.6.1), of which one block is
// enough, over ECC-CMS-SharedInfo (RFC 5753, 7.2).
Result<SecretBytes> AgreedKey(EVP_PKEY* own, EVP_PKEY* peer) {
  const KeyContextHandle context(EVP_PKEY_CTX_new(own, nullptr));
  std::size_t size = 0;
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1) {
    return Failure("ECDH failed");
  }
  SecretBytes shared(size);
  if (EVP_PKEY_derive(context.get(), shared.data(), &size) != 1) return Failure("ECDH failed");
  shared.resize(size);

  static constexpr std::array<std::uint8_t, 4> kFirstBlock{0, 0, 0, 1};
  static constexpr std::array<std::uint8_t, 4> kKeyBits{0, 0, 1, 0};  // 256.
  Bytes info;
  DerWriter der(info);
  der.Sequence([&] {
    der.Raw(WrapAlgorithm());
    der.Context(2, [&] { der.OctetString(kKeyBits); });
  });
  Digest digest = Sha256({shared.Reveal(), kFirstBlock, info});
  SecretBytes key = SecretBytes::CopyOf(digest);
  Wipe(digest);
  return key;
}

// AES key wrap (RFC 3394), either way.
bool KeyWrap(int encrypt, const SecretBytes& key, BytesView in, std::uint8_t* out, std::size_t out_bytes) {
  const CipherContextHandle context(EVP_CIPHER_CTX_new());
  if (!context) return false;
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  int produced = 0;
  return EVP_CipherInit_ex2(context.get(), EVP_aes_256_wrap(), key.Reveal().data(), nullptr, encrypt,
                            nullptr) == 1 &&
         EVP_CipherUpdate(context.get(), out, &produced, in.data(), static_cast<int>(in.size())) == 1 &&
         produced == static_cast<int>(out_bytes);
}

// Returns `bytes` of the public point of a new key on the curve of `recipient`, and what wraps for it.
struct Agreement {
  Bytes point;
  SecretBytes key;
};
Result<Agreement> Agree(EVP_PKEY* recipient, std::size_t bytes) {
  const KeyContextHandle context(EVP_PKEY_CTX_new(recipient, nullptr));
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_keygen_init(context.get()) != 1 || EVP_PKEY_generate(context.get(), &made) != 1)
    return Failure("an EC key cannot be made");
  const KeyHandle originator(made);
  std::uint8_t* encoded = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(originator.get(), &encoded);
  const DerHandle owner(encoded);
  if (size != bytes) return Failure("an EC key cannot be encoded");
  SecretBytes agreed = TRY(AgreedKey(originator.get(), recipient));
  return Agreement{Bytes(encoded, encoded + size), std::move(agreed)};
}

// Nothing, where it was wrapped for another key.
Result<std::optional<SecretBytes>> TakeAgreed(EVP_PKEY* key, std::size_t bytes, BytesView point,
                                              BytesView wrapped) {
  if (point.size() != bytes || wrapped.size() != kWrappedBytes) return std::optional<SecretBytes>();
  const EmptyQueue empty;
  const KeyHandle originator(EVP_PKEY_new());
  if (!originator || EVP_PKEY_copy_parameters(originator.get(), key) != 1)
    return Failure("an EC key cannot be made");
  // A point that is not on this curve was meant for another.
  if (EVP_PKEY_set1_encoded_public_key(originator.get(), point.data(), point.size()) != 1)
    return std::optional<SecretBytes>();
  const SecretBytes kek = TRY(AgreedKey(key, originator.get()));
  SecretBytes text(kContentKeyBytes);
  if (!KeyWrap(0, kek, wrapped, text.data(), text.size())) return std::optional<SecretBytes>();
  return std::optional(std::move(text));
}

// --- Reading. Whose key it is, is found by trying: both ways tell right from wrong by themselves.

Result<void> ExpectRaw(DerReader& reader, const Bytes& encoding) {
  if (!std::ranges::equal(TRY(reader.Next()).encoding, encoding))
    return Error(ErrorCode::kMalformed, "another algorithm");
  return {};
}

struct TransportView {
  BytesView certificate;  // Issuer and serial number.
  BytesView encrypted;
};
Result<TransportView> ReadTransport(BytesView content) {
  DerReader reader(content);
  if (TRY(reader.Integer()) != kTransportVersion) return Error(ErrorCode::kMalformed, "another version");
  const BytesView certificate = TRY(reader.Take(kDerSequence));
  TRY(ExpectRaw(reader, OaepAlgorithm()));
  const BytesView encrypted = TRY(reader.Take(kDerOctetString));
  TRY(reader.End());
  return TransportView{certificate, encrypted};
}

struct AgreementView {
  BytesView certificate;  // Issuer and serial number.
  BytesView point;
  BytesView wrapped;
};
Result<AgreementView> ReadAgreement(BytesView content) {
  DerReader reader(content);
  if (TRY(reader.Integer()) != kAgreementVersion) return Error(ErrorCode::kMalformed, "another version");
  DerReader originator = TRY(reader.Enter(DerContext(0)));
  DerReader key = TRY(originator.Enter(DerContext(1)));
  TRY(originator.End());
  TRY(ExpectRaw(key, OriginatorAlgorithm()));
  const BytesView bits = TRY(key.Take(kDerBitString));
  TRY(key.End());
  if (bits.empty() || bits[0] != 0) return Error(ErrorCode::kMalformed, "unused bits in a point");
  TRY(ExpectRaw(reader, AgreementAlgorithm()));
  DerReader keys = TRY(reader.Enter(kDerSequence));
  DerReader recipient = TRY(keys.Enter(kDerSequence));
  const BytesView certificate = TRY(recipient.Take(kDerSequence));
  const BytesView wrapped = TRY(recipient.Take(kDerOctetString));
  TRY(recipient.End());
  TRY(keys.End());
  TRY(reader.End());
  return AgreementView{certificate, bits.subspan(1), wrapped};
}

}  // namespace

Result<Bytes> SealForCertificate(const Certificate& certificate, const SecretBytes& content_key) {
  EVP_PKEY* const key = X509_get0_pubkey(certificate.handle());
  const std::optional<Way> way = WayOf(key);
  if (!way) return NoRecipient(certificate);
  if (!way->agreement) return EncodeTransport(certificate, TRY(Transport(key, content_key, way->bytes)));
  const Agreement agreement = TRY(Agree(key, way->bytes));
  Wrapped wrapped{};
  if (!KeyWrap(1, agreement.key, content_key.Reveal(), wrapped.data(), wrapped.size()))
    return Failure("AES key wrap is not available");
  return EncodeAgreement(certificate, agreement.point, wrapped);
}

Result<std::size_t> CertificateRecipientBytes(const Certificate& certificate) {
  const std::optional<Way> way = WayOf(X509_get0_pubkey(certificate.handle()));
  if (!way) return NoRecipient(certificate);
  const Bytes zeros(way->bytes);
  return way->agreement ? EncodeAgreement(certificate, zeros, Wrapped{}).size()
                        : EncodeTransport(certificate, zeros).size();
}

Result<SecretBytes> OpenWithKey(BytesView recipients, const PrivateKey& key) {
  const std::optional<Way> way = WayOf(key.handle());
  if (!way) {
    return Error(ErrorCode::kAccessDenied,
                 "nothing is encrypted to a key like this one (" + key.Describe() + ")");
  }
  for (DerReader reader(recipients); !reader.empty();) {
    const DerElement element = TRY(reader.Next());
    std::optional<SecretBytes> found;
    if (element.tag == kDerSequence) {
      const TransportView transport = TRY(ReadTransport(element.content));
      if (!way->agreement) found = TRY(TakeTransported(key.handle(), way->bytes, transport.encrypted));
    } else if (element.tag == kAgreementTag) {
      const AgreementView agreement = TRY(ReadAgreement(element.content));
      if (way->agreement)
        found = TRY(TakeAgreed(key.handle(), way->bytes, agreement.point, agreement.wrapped));
    } else if (element.tag != kPasswordTag) {
      return Error(ErrorCode::kMalformed, "a recipient of another kind");
    }
    if (found) return *std::move(found);
  }
  return Error(ErrorCode::kAccessDenied, "it is not encrypted for this key");
}

Result<std::vector<Bytes>> CertificatesAmong(BytesView recipients) {
  std::vector<Bytes> found;
  for (DerReader reader(recipients); !reader.empty();) {
    const DerElement element = TRY(reader.Next());
    if (element.tag == kPasswordTag) continue;
    BytesView certificate;
    if (element.tag == kDerSequence) {
      certificate = TRY(ReadTransport(element.content)).certificate;
    } else if (element.tag == kAgreementTag) {
      certificate = TRY(ReadAgreement(element.content)).certificate;
    } else {
      return Error(ErrorCode::kMalformed, "a recipient of another kind");
    }
    found.emplace_back(certificate.begin(), certificate.end());
  }
  return found;
}

}  // namespace certfs::openssl
