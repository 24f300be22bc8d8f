#include "crypto/signing_request.h"

#include <string>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/pem.h"

namespace certfs {

namespace {

using RequestHandle = openssl::Handle<X509_REQ, X509_REQ_free>;
using NameHandle = openssl::Handle<X509_NAME, X509_NAME_free>;
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

Result<void> AddToName(X509_NAME* name, int attribute, const std::string& value) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(value.data());
  // Each in a set of its own, behind those before it.
  if (X509_NAME_add_entry_by_NID(name, attribute, MBSTRING_UTF8, bytes, static_cast<int>(value.size()), -1,
                                 0) != 1)
    return Refused("'" + value + "'");
  return {};
}

// The general attributes first, the common name last, as directories and certool order them.
Result<NameHandle> SubjectOf(const RequestConfig& config) {
  NameHandle name(X509_NAME_new());
  if (!name) return Defect();
  for (auto component = config.domain_components.rbegin(); component != config.domain_components.rend();
       ++component)
    TRY(AddToName(name.get(), NID_domainComponent, *component));
  const struct {
    int attribute;
    const std::vector<std::string>& values;
  } lists[] = {
      {NID_countryName, config.countries},        {NID_stateOrProvinceName, config.states},
      {NID_localityName, config.localities},      {NID_organizationName, config.organizations},
      {NID_organizationalUnitName, config.units},
  };
  for (const auto& [attribute, values] : lists) {
    for (const std::string& value : values) TRY(AddToName(name.get(), attribute, value));
  }
  if (!config.name.empty()) TRY(AddToName(name.get(), NID_commonName, config.name));
  return name;
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

Result<void> AddAlternativeNames(X509_REQ* request, const RequestConfig& config) {
  if (config.hosts.empty() && config.addresses.empty() && config.emails.empty()) return {};
  const openssl::NamesHandle names(GENERAL_NAMES_new());
  if (!names) return Defect();
  for (const std::string& host : config.hosts) TRY(AddText(names.get(), GEN_DNS, host));
  for (const std::string& address : config.addresses) TRY(AddAddress(names.get(), address));
  for (const std::string& email : config.emails) TRY(AddText(names.get(), GEN_EMAIL, email));

  STACK_OF(X509_EXTENSION)* stack = nullptr;
  const int added = X509V3_add1_i2d(&stack, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT);
  const ExtensionsHandle extensions(stack);
  if (added != 1 || X509_REQ_add_extensions(request, extensions.get()) != 1) return Defect();
  return {};
}

}  // namespace

Result<Bytes> MakeSigningRequest(const RequestConfig& config, const PrivateKey& key) {
  const openssl::EmptyQueue empty;
  const RequestHandle request(X509_REQ_new());
  if (!request) return Defect();
  const NameHandle subject = TRY(SubjectOf(config));
  if (X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_subject_name(request.get(), subject.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.handle()) != 1) {
    return Defect();
  }
  TRY(AddAlternativeNames(request.get(), config));
  // Ed25519 and Ed448 have their digest built in (RFC 8410).
  const bool edwards =
      EVP_PKEY_is_a(key.handle(), "ED25519") == 1 || EVP_PKEY_is_a(key.handle(), "ED448") == 1;
  const bool p384 = key.Is(KeyType::kEcP384);
  const EVP_MD* const digest = edwards ? nullptr : p384 ? EVP_sha384() : EVP_sha256();
  if (X509_REQ_sign(request.get(), key.handle(), digest) <= 0) return Defect();

  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  const openssl::DerHandle owned(der);
  if (size <= 0) return Defect();
  const SecretBytes pem = WritePem("CERTIFICATE REQUEST", {der, static_cast<std::size_t>(size)});
  return Bytes(pem.Reveal().begin(), pem.Reveal().end());
}

}  // namespace certfs
