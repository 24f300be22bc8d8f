#include "crypto/openssl/key_encodings.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include <array>
#include <string_view>

#include "crypto/der.h"

namespace certfs::openssl {

namespace {

using Pkcs8Handle = Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using X509PublicKeyHandle = Handle<X509_PUBKEY, X509_PUBKEY_free>;
using SecretNumberHandle = Handle<BIGNUM, BN_clear_free>;

constexpr ObjectIdentifier kEcPublicKey("1.2.840.10045.2.1");
constexpr std::uint8_t kUncompressed = 4;
constexpr std::size_t kPointBytesMax = 1 + 2 * 66;

struct Curve {
  const char* name;  // As OpenSSL calls the group.
  ObjectIdentifier id;
  std::size_t field_bytes;

  std::size_t PointBytes() const { return 1 + 2 * field_bytes; }
};
constexpr std::array kCurves{Curve{"prime256v1", ObjectIdentifier("1.2.840.10045.3.1.7"), 32},
                             Curve{"secp384r1", ObjectIdentifier("1.3.132.0.34"), 48},
                             Curve{"secp521r1", ObjectIdentifier("1.3.132.0.35"), 66}};

// A key on one of the curves, by name and with an uncompressed point.
struct CurveKey {
  const Curve* curve = nullptr;
  std::array<std::uint8_t, kPointBytesMax> point{};

  BytesView Point() const { return BytesView(point).first(curve->PointBytes()); }
};

std::optional<CurveKey> CurveKeyOf(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
  std::array<char, 64> group{};
  std::size_t size = 0;
  int by_parameters = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1 ||
      (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &by_parameters) == 1 &&
       by_parameters != 0)) {
    return std::nullopt;
  }
  CurveKey found;
  for (const Curve& curve : kCurves) {
    if (curve.name == std::string_view(group.data())) found.curve = &curve;
  }
  if (found.curve == nullptr ||
      EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, found.point.data(), found.point.size(),
                                      &size) != 1 ||
      size != found.curve->PointBytes() || found.point[0] != kUncompressed) {
    return std::nullopt;
  }
  return found;
}

template <typename Container>
void WriteAlgorithm(DerWriter<Container>& der, const Curve& curve) {
  der.Sequence([&] {
    der.Identifier(kEcPublicKey);
    der.Identifier(curve.id);
  });
}

template <typename Container>
void WriteBits(DerWriter<Container>& der, BytesView bits) {
  der.Constructed(kDerBitString, [&] {
    constexpr std::array<std::uint8_t, 1> kNoUnusedBits{0};
    der.Raw(kNoUnusedBits);
    der.Raw(bits);
  });
}

// Takes a key on one of the curves apart; null for any other, and for a point that is not on its curve.
KeyHandle DecodeCurveKey(BytesView der) {
  DerReader reader(der);
  auto info = reader.Enter(kDerSequence);
  if (!info.has_value() || !reader.empty()) return nullptr;
  auto algorithm = info.value().Enter(kDerSequence);
  if (!algorithm.has_value() || !algorithm.value().Expect(kEcPublicKey).has_value()) return nullptr;
  const auto id = algorithm.value().Take(kDerObjectIdentifier);
  const auto bits = info.value().Take(kDerBitString);
  if (!id.has_value() || !algorithm.value().empty() || !bits.has_value() || !info.value().empty())
    return nullptr;
  for (const Curve& curve : kCurves) {
    if (!curve.id.Is(id.value())) continue;
    const BytesView octets = bits.value();
    if (octets.size() != 1 + curve.PointBytes() || octets[0] != 0 || octets[1] != kUncompressed)
      return nullptr;
    auto* const point = const_cast<std::uint8_t*>(octets.data() + 1);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curve.name), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, octets.size() - 1),
        OSSL_PARAM_construct_end()};
    const KeyContextHandle context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* key = nullptr;
    if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters)) !=
            1) {
      return nullptr;
    }
    return KeyHandle(key);
  }
  return nullptr;
}

std::optional<SecretBytes> EncodeCurveKey(EVP_PKEY* key, const CurveKey& half) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &raw) != 1) return std::nullopt;
  const SecretNumberHandle number(raw);
  SecretBytes octets(half.curve->field_bytes);
  if (BN_bn2binpad(number.get(), octets.data(), static_cast<int>(octets.size())) < 0) return std::nullopt;
  SecretBytes out;
  DerWriter<SecretBytes> der(out);
  der.Sequence([&] {
    der.Integer(std::uint64_t{0});
    WriteAlgorithm(der, *half.curve);
    der.OctetStringOf([&] {
      der.Sequence([&] {
        der.Integer(std::uint64_t{1});
        der.OctetString(octets.Reveal());
        der.Context(1, [&] { WriteBits(der, half.Point()); });
      });
    });
  });
  return out;
}

}  // namespace

std::optional<Bytes> EncodePublicKey(EVP_PKEY* key) {
  if (const auto half = CurveKeyOf(key)) {
    Bytes out;
    DerWriter<Bytes> der(out);
    der.Sequence([&] {
      WriteAlgorithm(der, *half->curve);
      WriteBits(der, half->Point());
    });
    return out;
  }
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  const DerHandle owner(encoded);
  if (size <= 0) return std::nullopt;
  return Bytes(encoded, encoded + size);
}

KeyHandle DecodePublicKey(BytesView der) {
  if (KeyHandle key = DecodeCurveKey(der)) return key;
  const std::uint8_t* at = der.data();
  const X509PublicKeyHandle info(d2i_X509_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!info || at != der.data() + der.size()) return nullptr;
  return KeyHandle(X509_PUBKEY_get(info.get()));
}

std::optional<SecretBytes> EncodePrivateKey(EVP_PKEY* key) {
  if (const auto half = CurveKeyOf(key)) {
    if (auto encoded = EncodeCurveKey(key, *half)) return encoded;
  }
  const Pkcs8Handle info(EVP_PKEY2PKCS8(key));
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : -1;
  if (size <= 0) return std::nullopt;
  SecretBytes out(static_cast<std::size_t>(size));
  std::uint8_t* at = out.data();
  i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at);
  return out;
}

}  // namespace certfs::openssl
