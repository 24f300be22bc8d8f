#include "crypto/certificate.h"

#include <algorithm>
#include <mutex>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/general_names.h"
#include "crypto/openssl/keyless_parsing.h"
#include "crypto/openssl/words.h"
#include "crypto/sealing.h"

namespace certfs {

namespace {

bool IsCanonical(X509* certificate, BytesView der) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509(certificate, &encoded);
  const openssl::DerHandle owner(encoded);
  return size > 0 && std::ranges::equal(BytesView(encoded, static_cast<std::size_t>(size)), der);
}

Bytes KeyOf(X509* certificate) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
  const openssl::DerHandle owner(encoded);
  return size > 0 ? Bytes(encoded, encoded + size) : Bytes();
}

// Parses and keeps the extensions now, so that the object never changes again whoever reads it.
void CacheExtensions(X509* certificate) { static_cast<void>(X509_check_purpose(certificate, -1, 0)); }

BytesView DerOf(const X509_NAME* name) {
  const std::uint8_t* der = nullptr;
  std::size_t size = 0;
  // The encoding was made when the certificate was parsed, and nothing here ever changes the name.
  if (X509_NAME_get0_der(name, &der, &size) != 1) return {};
  return {der, size};
}

}  // namespace

struct Certificate::State {
  State(openssl::CertificateHandle keyless_certificate, BytesView bytes, BytesView key_bytes)
      : keyless(std::move(keyless_certificate)),
        der(bytes.begin(), bytes.end()),
        key_der(key_bytes.begin(), key_bytes.end()),
        fingerprint(Sha256({bytes})) {}

  // The certificate with its key. Where OpenSSL refuses it on account of the key, that is a certificate with
  // a key that cannot be read.
  X509* Whole() const {
    std::call_once(once, [&] {
      const openssl::EmptyQueue empty;
      const std::uint8_t* at = der.data();
      whole.reset(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
      if (!whole && X509_up_ref(keyless.get()) == 1) whole.reset(keyless.get());
      CacheExtensions(whole.get());
    });
    return whole.get();
  }

  openssl::CertificateHandle keyless;
  Bytes der;
  Bytes key_der;
  Digest fingerprint;
  mutable std::once_flag once;
  mutable openssl::CertificateHandle whole;  // Null until it is asked for.
};

Result<Certificate> Certificate::FromDer(BytesView der) {
  const openssl::EmptyQueue empty;
  std::size_t size = 0;
  openssl::CertificateHandle handle = openssl::ReadCertificateWithoutKey(der, size);
  if (!handle) {
    return Error(ErrorCode::kMalformed, "unreadable",
                 "not an X.509 certificate: " + openssl::TakeReason("bad DER"));
  }
  if (size != der.size()) {
    return Error(ErrorCode::kMalformed, "trailing-data", "bytes after the certificate");
  }
  // Two encodings of one certificate would have two fingerprints: only DER, the canonical one, is let in.
  if (!IsCanonical(handle.get(), der)) return Error(ErrorCode::kMalformed, "unreadable", "not in DER");
  if (!openssl::IsTime(X509_get0_notBefore(handle.get())) ||
      !openssl::IsTime(X509_get0_notAfter(handle.get()))) {
    return Error(ErrorCode::kMalformed, "unreadable", "a date of the certificate's validity is none");
  }
  CacheExtensions(handle.get());
  const Bytes key = KeyOf(handle.get());
  return Certificate(std::make_shared<const State>(std::move(handle), der, key));
}

BytesView Certificate::der() const noexcept { return state_->der; }
BytesView Certificate::key_der() const noexcept { return state_->key_der; }
const Digest& Certificate::fingerprint() const noexcept { return state_->fingerprint; }
x509_st* Certificate::handle() const noexcept { return state_->Whole(); }
x509_st* Certificate::keyless_handle() const noexcept { return state_->keyless.get(); }

std::string Certificate::subject() const {
  return openssl::NameText(X509_get_subject_name(keyless_handle()));
}
std::string Certificate::issuer() const { return openssl::NameText(X509_get_issuer_name(keyless_handle())); }
std::string Certificate::serial() const {
  return openssl::NumberText(X509_get0_serialNumber(keyless_handle()));
}

std::chrono::sys_seconds Certificate::not_before() const {
  return openssl::TimeValue(X509_get0_notBefore(keyless_handle()));
}
std::chrono::sys_seconds Certificate::not_after() const {
  return openssl::TimeValue(X509_get0_notAfter(keyless_handle()));
}

bool Certificate::IsSelfSigned() const {
  const openssl::EmptyQueue empty;
  return X509_self_signed(handle(), 1) == 1;
}

bool Certificate::IsAuthority() const {
  return (X509_get_extension_flags(keyless_handle()) & (EXFLAG_BCONS | EXFLAG_CA)) ==
         (EXFLAG_BCONS | EXFLAG_CA);
}

BytesView Certificate::issuer_der() const noexcept { return DerOf(X509_get_issuer_name(keyless_handle())); }
BytesView Certificate::subject_der() const noexcept { return DerOf(X509_get_subject_name(keyless_handle())); }

std::string Certificate::common_name() const {
  const openssl::EmptyQueue empty;
  return openssl::CommonNameOf(X509_get_subject_name(keyless_handle()));
}

AlternativeNames Certificate::alternative_names() const {
  const openssl::EmptyQueue empty;
  const openssl::NamesHandle names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(keyless_handle(), NID_subject_alt_name, nullptr, nullptr)));
  return openssl::NamesIn(names.get());
}

BytesView Certificate::subject_key_identifier() const noexcept {
  const ASN1_OCTET_STRING* const identifier = X509_get0_subject_key_id(keyless_handle());
  if (identifier == nullptr) return {};
  return {ASN1_STRING_get0_data(identifier), static_cast<std::size_t>(ASN1_STRING_length(identifier))};
}

Bytes Certificate::serial_der() const {
  const openssl::EmptyQueue empty;
  const ASN1_INTEGER* const number = X509_get0_serialNumber(keyless_handle());
  const int size = i2d_ASN1_INTEGER(number, nullptr);
  if (size <= 0) return {};
  Bytes der(static_cast<std::size_t>(size));
  std::uint8_t* at = der.data();
  i2d_ASN1_INTEGER(number, &at);
  return der;
}

Bytes Certificate::IssuerAndSerial() const {
  const BytesView name = issuer_der();
  const Bytes number = serial_der();
  Bytes bytes(name.begin(), name.end());
  bytes.insert(bytes.end(), number.begin(), number.end());
  return bytes;
}

}  // namespace certfs
