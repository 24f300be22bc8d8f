#include "crypto/issuing/signed_objects.h"

#include <openssl/sha.h>

#include <array>
#include <cstdio>

#include "crypto/openssl/handles.h"

namespace certfs::issuing {

namespace {

constexpr std::uint8_t kUtcTime = 0x17;
constexpr std::uint8_t kGeneralizedTime = 0x18;
constexpr unsigned kExtensions = 3;
constexpr std::uint64_t kVersion3 = 2;
constexpr std::array<std::uint8_t, 1> kNoUnusedBits{0};

void WriteBits(DerWriter<Bytes>& der, BytesView bits) {
  der.Header(kDerBitString, 1 + bits.size());
  der.Raw(kNoUnusedBits);
  der.Raw(bits);
}

}  // namespace

void WriteTime(DerWriter<Bytes>& der, std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const int year = static_cast<int>(date.year());
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02u%02d%02d%02dZ", year,
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  std::string_view digits = text.data();
  const bool utc = year < 2050;
  if (utc) digits.remove_prefix(2);
  der.Primitive(utc ? kUtcTime : kGeneralizedTime, AsBytes(digits));
}

Bytes CertificateBody(const CertificateFields& fields, BytesView extensions) {
  Bytes body;
  body.reserve(256 + fields.issuer.size() + fields.subject.size() + fields.key.size() + extensions.size());
  DerWriter der(body);
  der.Sequence([&] {
    der.Context(0, [&] { der.Integer(kVersion3); });
    der.Integer(BytesView(fields.serial));
    der.Raw(fields.algorithm);
    der.Raw(fields.issuer);
    der.Sequence([&] {
      WriteTime(der, fields.validity.not_before);
      WriteTime(der, fields.validity.not_after);
    });
    der.Raw(fields.subject);
    der.Raw(fields.key);
    der.Context(kExtensions, [&] { der.Sequence([&] { der.Raw(extensions); }); });
  });
  return body;
}

Bytes Signed(BytesView body, BytesView algorithm, BytesView signature) {
  Bytes whole;
  whole.reserve(body.size() + algorithm.size() + signature.size() + 16);
  DerWriter der(whole);
  der.Sequence([&] {
    der.Raw(body);
    der.Raw(algorithm);
    WriteBits(der, signature);
  });
  return whole;
}

Result<Bytes> KeyIdentifier(BytesView key) {
  DerReader reader(key);
  DerReader info = TRY(reader.Enter(kDerSequence));
  TRY(info.Take(kDerSequence));
  const BytesView bits = TRY(info.Take(kDerBitString));
  if (bits.empty()) return Error(ErrorCode::kMalformed, "unreadable", "a key without bits");
  Bytes identifier(SHA_DIGEST_LENGTH);
  SHA1(bits.data() + 1, bits.size() - 1, identifier.data());
  return identifier;
}

}  // namespace certfs::issuing
