#include "crypto/signing_request.h"

#include <string>

#include "crypto/openssl/distinguished_names.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/prepared_signatures.h"
#include "crypto/pem.h"

namespace certfs {

namespace {

using RequestHandle = openssl::Handle<X509_REQ, X509_REQ_free>;
using GeneralNameHandle = openssl::Handle<GENERAL_NAME, GENERAL_NAME_free>;
using StringHandle = openssl::Handle<ASN1_STRING, ASN1_STRING_free>;

void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) noexcept {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}
using ExtensionsHandle = openssl::Handle<STACK_OF(X509_EXTENSION), FreeExtensions>;

Error Refused(const std::string& what) {
  return {ErrorCode::kMalformed, "request-config", what + ": " + openssl::TakeReason("OpenSSL refused it")};
}
Error Defect() {
  return {ErrorCode::kInternal, "no request could be made: " + openssl::TakeReason("OpenSSL")};
}

Result<void> AddText(GENERAL_NAMES* names, int type, const std::string& value) {
  GeneralNameHandle name(GENERAL_NAME_new());
  StringHandle text(ASN1_STRING_type_new(V_ASN1_IA5STRING));
  if (!name || !text || ASN1_STRING_set(text.get(), value.data(), static_cast<int>(value.size())) != 1)
    return Defect();
  GENERAL_NAME_set0_value(name.get(), type, text.release());
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return Defect();
  static_cast<void>(name.release());
  return {};
}

Result<void> AddAddress(GENERAL_NAMES* names, const std::string& value) {
  GeneralNameHandle name(GENERAL_NAME_new());
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(value.c_str());
  if (!name || address == nullptr) {
    ASN1_OCTET_STRING_free(address);
    return Refused("'" + value + "'");
  }
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address);
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return Defect();
  static_cast<void>(name.release());
  return {};
}

Result<void> AddAlternativeNames(X509_REQ* request, const AlternativeNames& wanted) {
  if (wanted.size() == 0) return {};
  const openssl::NamesHandle names(GENERAL_NAMES_new());
  if (!names) return Defect();
  for (const std::string& host : wanted.hosts) TRY(AddText(names.get(), GEN_DNS, host));
  for (const std::string& address : wanted.addresses) TRY(AddAddress(names.get(), address));
  for (const std::string& email : wanted.emails) TRY(AddText(names.get(), GEN_EMAIL, email));

  STACK_OF(X509_EXTENSION)* stack = nullptr;
  const int added = X509V3_add1_i2d(&stack, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT);
  const ExtensionsHandle extensions(stack);
  if (added != 1 || X509_REQ_add_extensions(request, extensions.get()) != 1) return Defect();
  return {};
}

}  // namespace

Result<Bytes> MakeSigningRequest(const RequestConfig& config, const PrivateKey& key) {
  return MakeSigningRequest(TRY(SubjectOf(config, TRY(PublicKey::Of(key)))), key);
}

Result<Bytes> MakeSigningRequest(const CertificateSubject& subject, const PrivateKey& key) {
  const openssl::EmptyQueue empty;
  const RequestHandle request(X509_REQ_new());
  const std::uint8_t* at = subject.name.data();
  const openssl::NameHandle name(d2i_X509_NAME(nullptr, &at, static_cast<long>(subject.name.size())));
  if (!request || !name || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_subject_name(request.get(), name.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.handle()) != 1) {
    return Defect();
  }
  TRY(AddAlternativeNames(request.get(), subject.names));
  const auto scheme = openssl::SchemeOf(key.handle());
  const EVP_MD* const digest =
      scheme && scheme->digest != nullptr ? EVP_get_digestbyname(scheme->digest) : nullptr;
  if (X509_REQ_sign(request.get(), key.handle(), digest) <= 0) return Defect();

  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  const openssl::DerHandle owned(der);
  if (size <= 0) return Defect();
  const SecretBytes pem = WritePem("CERTIFICATE REQUEST", {der, static_cast<std::size_t>(size)});
  return Bytes(pem.Reveal().begin(), pem.Reveal().end());
}

}  // namespace certfs
