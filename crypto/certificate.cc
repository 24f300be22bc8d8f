#include "crypto/certificate.h"

#include <algorithm>

#include "crypto/openssl/error_queue.h"
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

}  // namespace

struct Certificate::State {
  openssl::CertificateHandle handle;
  Bytes der;
  Digest fingerprint;
};

Result<Certificate> Certificate::FromDer(BytesView der) {
  const openssl::EmptyQueue empty;
  const std::uint8_t* at = der.data();
  openssl::CertificateHandle handle(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!handle) {
    return Error(ErrorCode::kMalformed, "unreadable",
                 "not an X.509 certificate: " + openssl::TakeReason("bad DER"));
  }
  if (at != der.data() + der.size()) {
    return Error(ErrorCode::kMalformed, "trailing-data", "bytes after the certificate");
  }
  // Two encodings of one certificate would have two fingerprints: only DER, the canonical one, is let in.
  if (!IsCanonical(handle.get(), der)) return Error(ErrorCode::kMalformed, "unreadable", "not in DER");
  if (!openssl::IsTime(X509_get0_notBefore(handle.get())) ||
      !openssl::IsTime(X509_get0_notAfter(handle.get()))) {
    return Error(ErrorCode::kMalformed, "unreadable", "a date of the certificate's validity is none");
  }
  // Parses and caches the extensions now, so that the object never changes again whoever reads it.
  static_cast<void>(X509_check_purpose(handle.get(), -1, 0));
  State state{std::move(handle), Bytes(der.begin(), der.end()), Sha256({der})};
  return Certificate(std::make_shared<const State>(std::move(state)));
}

BytesView Certificate::der() const noexcept { return state_->der; }
const Digest& Certificate::fingerprint() const noexcept { return state_->fingerprint; }
x509_st* Certificate::handle() const noexcept { return state_->handle.get(); }

std::string Certificate::subject() const { return openssl::NameText(X509_get_subject_name(handle())); }
std::string Certificate::issuer() const { return openssl::NameText(X509_get_issuer_name(handle())); }
std::string Certificate::serial() const { return openssl::NumberText(X509_get0_serialNumber(handle())); }

std::chrono::sys_seconds Certificate::not_before() const {
  return openssl::TimeValue(X509_get0_notBefore(handle()));
}
std::chrono::sys_seconds Certificate::not_after() const {
  return openssl::TimeValue(X509_get0_notAfter(handle()));
}

bool Certificate::IsSelfSigned() const {
  const openssl::EmptyQueue empty;
  return X509_self_signed(handle(), 1) == 1;
}

bool Certificate::IsAuthority() const {
  return (X509_get_extension_flags(handle()) & (EXFLAG_BCONS | EXFLAG_CA)) == (EXFLAG_BCONS | EXFLAG_CA);
}

BytesView Certificate::issuer_der() const noexcept {
  const std::uint8_t* name = nullptr;
  std::size_t size = 0;
  // The encoding was made when the certificate was parsed, and nothing here ever changes the name.
  if (X509_NAME_get0_der(X509_get_issuer_name(handle()), &name, &size) != 1) return {};
  return {name, size};
}

Bytes Certificate::serial_der() const {
  const openssl::EmptyQueue empty;
  const ASN1_INTEGER* const number = X509_get0_serialNumber(handle());
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
