#include "crypto/openssl/pkcs12_bags.h"

#include <openssl/pkcs12.h>

#include <cstring>
#include <optional>
#include <utility>

#include "crypto/base/utf8.h"
#include "crypto/openssl/encrypted_keys.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/pkcs12_decryption.h"
#include "crypto/openssl/words.h"

namespace certfs::openssl {

namespace {

inline void FreeSafes(STACK_OF(PKCS7) * safes) noexcept { sk_PKCS7_pop_free(safes, PKCS7_free); }
inline void FreeBags(STACK_OF(PKCS12_SAFEBAG) * bags) noexcept {
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

using FileHandle = Handle<PKCS12, PKCS12_free>;
using SafesHandle = Handle<STACK_OF(PKCS7), FreeSafes>;
using BagsHandle = Handle<STACK_OF(PKCS12_SAFEBAG), FreeBags>;
using ObjectHandle = Handle<ASN1_OBJECT, ASN1_OBJECT_free>;

constexpr const char* kTrustedKeyUsage = "2.16.840.1.113894.746875.1.1";

Error Damaged(std::string words) {
  return {ErrorCode::kMalformed, "damaged: " + std::move(words) + ": " + TakeReason("bad DER")};
}

// The friendlyName, fit to be shown; empty where there is none.
std::string NameOf(const PKCS12_SAFEBAG* bag) {
  const TextHandle text(PKCS12_get_friendlyname(const_cast<PKCS12_SAFEBAG*>(bag)));
  if (!text || !IsUtf8(text.get())) return {};
  std::string name(text.get());
  if (!HasControl(name)) return name;
  std::string clean;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t length = Utf8Length(std::string_view(name).substr(at));
    const std::string one = name.substr(at, length);
    clean += HasControl(one) ? "?" : one;
    at += length;
  }
  return clean;
}

Bytes LocalKeyIdOf(const PKCS12_SAFEBAG* bag) {
  const ASN1_TYPE* const value = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);
  if (value == nullptr || value->type != V_ASN1_OCTET_STRING) return {};
  const std::uint8_t* const data = ASN1_STRING_get0_data(value->value.octet_string);
  return {data, data + ASN1_STRING_length(value->value.octet_string)};
}

bool IsTrusted(const PKCS12_SAFEBAG* bag) {
  static const ObjectHandle usage(OBJ_txt2obj(kTrustedKeyUsage, 1));
  return X509at_get_attr_by_OBJ(PKCS12_SAFEBAG_get0_attrs(bag), usage.get(), -1) >= 0;
}

std::string Called(const std::string& name) { return name.empty() ? "" : " \"" + Shortened(name) + "\""; }

// Walks through safes and bags. What is encrypted is decrypted on the way.
class Walk {
 public:
  Walk(const SecretBytes& password, const Pkcs12Limits& limits)
      : decryption_(password, limits), limits_(limits) {}

  Result<void> File(PKCS12* file);
  Pkcs12Bags Take() { return std::move(found_); }

 private:
  Result<void> Safe(const PKCS7* safe);
  Result<void> Bags(const STACK_OF(PKCS12_SAFEBAG) * bags);
  Result<void> Bag(const PKCS12_SAFEBAG* bag);
  Result<void> ShroudedKey(const PKCS12_SAFEBAG* bag);
  void TakeCertificate(const PKCS12_SAFEBAG* bag);

  Pkcs12Decryption decryption_;
  const Pkcs12Limits& limits_;
  Pkcs12Bags found_;
  std::size_t bags_ = 0;
};

Result<void> Walk::File(PKCS12* file) {
  // Before anything is decrypted: whether the password is right is best told by what covers all of the file.
  TRY(decryption_.CheckMac(file));
  const SafesHandle safes(PKCS12_unpack_authsafes(file));
  if (!safes) {
    return Error(ErrorCode::kUnsupported,
                 "damaged, or signed by a certificate in the place of a password: " + TakeReason("bad DER"));
  }
  for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) TRY(Safe(sk_PKCS7_value(safes.get(), i)));
  return {};
}

Result<void> Walk::Safe(const PKCS7* safe) {
  switch (OBJ_obj2nid(safe->type)) {
    case NID_pkcs7_data: {
      const BagsHandle bags(PKCS12_unpack_p7data(const_cast<PKCS7*>(safe)));
      if (!bags) return Damaged("a safe");
      return Bags(bags.get());
    }
    case NID_pkcs7_encrypted: {
      const PKCS7_ENCRYPT* const content = safe->d.encrypted;
      if (content == nullptr || content->enc_data == nullptr || content->enc_data->enc_data == nullptr ||
          content->enc_data->algorithm == nullptr) {
        return Damaged("an encrypted safe");
      }
      BagsHandle bags;
      TRY(decryption_.Decrypt(content->enc_data->algorithm, content->enc_data->enc_data, [&](BytesView der) {
        const std::uint8_t* at = der.data();
        bags.reset(reinterpret_cast<STACK_OF(PKCS12_SAFEBAG)*>(
            ASN1_item_d2i(nullptr, &at, static_cast<long>(der.size()), ASN1_ITEM_rptr(PKCS12_SAFEBAGS))));
        return bags != nullptr;
      }));
      return Bags(bags.get());
    }
    case NID_pkcs7_enveloped:
      return Error(ErrorCode::kUnsupported, "a part of it is encrypted for a certificate, not by a password");
    default:
      found_.skipped.emplace_back("a safe of an unknown kind");
      return {};
  }
}

Result<void> Walk::Bags(const STACK_OF(PKCS12_SAFEBAG) * bags) {
  for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
    if (++bags_ > limits_.bags) {
      return Error(ErrorCode::kTooLarge,
                   "more than " + std::to_string(limits_.bags) + " keys and certificates");
    }
    TRY(Bag(sk_PKCS12_SAFEBAG_value(bags, i)));
  }
  return {};
}

Result<void> Walk::Bag(const PKCS12_SAFEBAG* bag) {
  switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_keyBag:
      found_.keys.push_back({NameOf(bag), LocalKeyIdOf(bag), EncodedPkcs8(PKCS12_SAFEBAG_get0_p8inf(bag))});
      return {};
    case NID_pkcs8ShroudedKeyBag:
      return ShroudedKey(bag);
    case NID_certBag:
      TakeCertificate(bag);
      return {};
    case NID_safeContentsBag:  // The parser bounds how deep they lie in each other.
      return Bags(PKCS12_SAFEBAG_get0_safes(bag));
    default:
      found_.skipped.push_back("something" + Called(NameOf(bag)) + " that is neither key nor certificate");
      return {};
  }
}

Result<void> Walk::ShroudedKey(const PKCS12_SAFEBAG* bag) {
  auto pkcs8 = DecryptKey(PKCS12_SAFEBAG_get0_pkcs8(bag), decryption_);
  if (!pkcs8.has_value()) return std::move(pkcs8).error().Within("key" + Called(NameOf(bag)));
  found_.keys.push_back({NameOf(bag), LocalKeyIdOf(bag), std::move(pkcs8).value()});
  return {};
}

void Walk::TakeCertificate(const PKCS12_SAFEBAG* bag) {
  const auto skip = [&](const std::string& why) {
    found_.skipped.push_back("certificate" + Called(NameOf(bag)) + ": " + why);
  };
  if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) return skip("not an X.509 certificate");
  const CertificateHandle handle(PKCS12_SAFEBAG_get1_cert(bag));
  std::uint8_t* encoded = nullptr;
  const int size = handle ? i2d_X509(handle.get(), &encoded) : -1;
  const DerHandle der(encoded);
  if (size <= 0) return skip(TakeReason("unreadable"));
  auto certificate = Certificate::FromDer({encoded, static_cast<std::size_t>(size)});
  if (!certificate.has_value()) return skip(certificate.error().message());
  found_.certificates.push_back(
      {NameOf(bag), LocalKeyIdOf(bag), std::move(certificate).value(), IsTrusted(bag)});
}

}  // namespace

Result<Pkcs12Bags> ReadBags(BytesView file, const SecretBytes& password, const Pkcs12Limits& limits) {
  const EmptyQueue empty;
  if (file.size() > limits.bytes) {
    return Error(ErrorCode::kTooLarge, "more than " + std::to_string(limits.bytes) + " bytes");
  }
  const std::uint8_t* at = file.data();
  const FileHandle parsed(d2i_PKCS12(nullptr, &at, static_cast<long>(file.size())));
  if (!parsed) return Error(ErrorCode::kMalformed, "not PKCS#12, or damaged: " + TakeReason("bad DER"));
  if (at != file.data() + file.size())
    return Error(ErrorCode::kMalformed, "bytes after the PKCS#12 structure");
  Walk walk(password, limits);
  TRY(walk.File(parsed.get()));
  return walk.Take();
}

}  // namespace certfs::openssl
