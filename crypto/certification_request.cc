#include "crypto/certification_request.h"

#include <algorithm>

#include "crypto/der.h"
#include "crypto/host_name.h"
#include "crypto/openssl/distinguished_names.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/general_names.h"
#include "crypto/openssl/key_encodings.h"
#include "crypto/openssl/keyless_parsing.h"
#include "crypto/openssl/request_extensions.h"
#include "crypto/pem.h"

namespace certfs {

namespace {

using openssl::RequestHandle;

bool IsCanonical(X509_REQ* request, BytesView der) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509_REQ(request, &encoded);
  const openssl::DerHandle owner(encoded);
  return size > 0 && std::ranges::equal(BytesView(encoded, static_cast<std::size_t>(size)), der);
}

Result<RequestHandle> FromDer(BytesView der) {
  std::size_t size = 0;
  RequestHandle handle = openssl::ReadRequestWithoutKey(der, size);
  if (!handle) {
    return Error(ErrorCode::kMalformed, "unreadable",
                 "not a certification request: " + openssl::TakeReason("bad DER"));
  }
  if (size != der.size()) return Error(ErrorCode::kMalformed, "trailing-data", "bytes after the request");
  if (!IsCanonical(handle.get(), der)) return Error(ErrorCode::kMalformed, "unreadable", "not in DER");
  return handle;
}

Result<Bytes> DerOf(const X509_NAME* name) {
  const std::uint8_t* der = nullptr;
  std::size_t size = 0;
  if (X509_NAME_get0_der(name, &der, &size) != 1)
    return Error(ErrorCode::kInternal, "a name has no encoding: " + openssl::TakeReason("OpenSSL"));
  return Bytes(der, der + size);
}

std::optional<PublicKey> KeyOf(X509_REQ* request) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &encoded);
  const openssl::DerHandle der(encoded);
  if (size <= 0) return std::nullopt;
  const BytesView given(encoded, static_cast<std::size_t>(size));
  auto key = PublicKey::FromDer(given);
  if (!key.has_value()) return std::nullopt;
  // OpenSSL overlooks what stands for the parameters of an RSA key; a certificate gets none of it.
  const auto plain = openssl::EncodePublicKey(key.value().handle());
  if (plain && !std::ranges::equal(*plain, given)) key = PublicKey::FromDer(*plain);
  if (!key.has_value()) return std::nullopt;
  return std::move(key).value();
}

Error Refused(const Error& error) {
  return {ErrorCode::kMalformed, "request-config", std::string(error.message())};
}

// Returns each of `from` once, as `form` makes it.
template <typename Form>
Result<std::vector<std::string>> Each(const std::vector<std::string>& from, Form form) {
  std::vector<std::string> to;
  for (const std::string& text : from) {
    auto formed = form(text);
    if (!formed.has_value()) return Refused(formed.error());
    if (std::find(to.begin(), to.end(), formed.value()) == to.end()) to.push_back(std::move(formed).value());
  }
  return to;
}

Result<std::string> ToAddress(std::string_view text) {
  const auto octets = AddressOctets(text);
  if (!octets) return Error(ErrorCode::kMalformed, "'" + std::string(text) + "' is not an address");
  return AddressText(*octets);
}

}  // namespace

struct CertificationRequest::State {
  RequestHandle handle;
  Bytes der;
  std::optional<PublicKey> key;
};

Result<CertificationRequest> CertificationRequest::Parse(BytesView file) {
  const openssl::EmptyQueue empty;
  if (file.size() > kFileBytesMax)
    return Error(ErrorCode::kTooLarge, "too-large", "a request is at most 1 MiB");
  Bytes der;
  if (!file.empty() && file.front() == kDerSequence) {
    der.assign(file.begin(), file.end());
  } else {
    const std::vector<PemBlock> blocks = TRY(ReadPem(file));
    const std::string& label = blocks.front().label;
    if (blocks.size() != 1 || (label != "CERTIFICATE REQUEST" && label != "NEW CERTIFICATE REQUEST"))
      return Error(ErrorCode::kMalformed, "wrong-kind", "not one certification request, but " + label);
    const BytesView body = blocks.front().body.Reveal();
    der.assign(body.begin(), body.end());
  }
  RequestHandle handle = TRY(FromDer(der));
  auto key = KeyOf(handle.get());
  State state{std::move(handle), std::move(der), std::move(key)};
  return CertificationRequest(std::make_shared<const State>(std::move(state)));
}

BytesView CertificationRequest::der() const noexcept { return state_->der; }
const PublicKey* CertificationRequest::key() const noexcept { return state_->key ? &*state_->key : nullptr; }
X509_req_st* CertificationRequest::keyless_handle() const noexcept { return state_->handle.get(); }

Result<CertificateSubject> SubjectOf(const CertificationRequest& request, bool authority) {
  const openssl::EmptyQueue empty;
  if (auto refusal = JudgeRequest(request, authority).refusal()) return *std::move(refusal);
  const X509_NAME* const name = X509_REQ_get_subject_name(request.keyless_handle());
  const openssl::RequestedExtensions extensions = openssl::ExtensionsOf(request);
  return CertificateSubject{TRY(DerOf(name)), openssl::CommonNameOf(name),
                            openssl::NamesIn(extensions.names.get()), *request.key()};
}

Result<CertificateSubject> SubjectOf(const RequestConfig& config, const PublicKey& key) {
  AlternativeNames names;
  names.hosts = TRY(Each(config.hosts, ToHost));
  names.addresses = TRY(Each(config.addresses, ToAddress));
  names.emails = TRY(Each(config.emails, ToEmail));
  return CertificateSubject{TRY(DistinguishedName(config)), config.name, std::move(names), key};
}

Result<CertificateSubject> SubjectOf(const Certificate& certificate, const PublicKey* key) {
  const BytesView name = certificate.subject_der();
  PublicKey certified = key != nullptr ? *key : TRY(PublicKey::Of(certificate));
  return CertificateSubject{Bytes(name.begin(), name.end()), certificate.common_name(),
                            certificate.alternative_names(), std::move(certified)};
}

Result<Bytes> DistinguishedName(const RequestConfig& fields) {
  const openssl::EmptyQueue empty;
  const openssl::NameHandle name = TRY(openssl::NameOf(fields));
  if (auto fault = openssl::SubjectFault(name.get()))
    return Error(ErrorCode::kMalformed, "request-config", *std::move(fault));
  return DerOf(name.get());
}

}  // namespace certfs
