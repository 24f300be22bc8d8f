#include "crypto/openssl/distinguished_names.h"

#include <algorithm>
#include <array>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/utf8.h"
#include "crypto/openssl/error_queue.h"

namespace certfs::openssl {

namespace {

Result<void> Add(X509_NAME* name, int attribute, const std::string& value) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(value.data());
  // Each in a set of its own, behind those before it.
  if (X509_NAME_add_entry_by_NID(name, attribute, MBSTRING_UTF8, bytes, static_cast<int>(value.size()), -1,
                                 0) == 1) {
    return {};
  }
  return Error(ErrorCode::kMalformed, "request-config",
               "'" + value + "': " + TakeReason("OpenSSL refused it"));
}

// How many characters a value may have (RFC 5280, A.1).
std::size_t CharactersMax(int attribute) {
  switch (attribute) {
    case NID_countryName:
      return 2;
    case NID_commonName:
    case NID_organizationName:
    case NID_organizationalUnitName:
    case NID_serialNumber:
    case NID_title:
      return 64;
    case NID_localityName:
    case NID_stateOrProvinceName:
      return 128;
    default:
      return 256;
  }
}

std::optional<std::string> ValueFault(int attribute, const ASN1_STRING* value) {
  const int type = ASN1_STRING_type(value);
  if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_UTF8STRING && type != V_ASN1_IA5STRING)
    return "neither PrintableString, UTF8String nor IA5String";
  const std::string_view text =
      AsText({ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))});
  if (text.empty()) return "an empty value";
  if (!IsUtf8(text)) return "a value that is not UTF-8";
  if (HasControl(text)) return "a control character";
  if (type != V_ASN1_UTF8STRING) {
    for (const char c : text) {
      if (static_cast<unsigned char>(c) >= 0x80) return "a character that its type does not have";
    }
  }
  std::size_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  const std::size_t most = CharactersMax(attribute);
  if (characters > most) return "a value of over " + std::to_string(most) + " characters";
  return std::nullopt;
}

}  // namespace

Result<NameHandle> NameOf(const RequestConfig& config) {
  NameHandle name(X509_NAME_new());
  if (!name) return Error(ErrorCode::kInternal, "no name could be made: " + TakeReason("OpenSSL"));
  for (auto component = config.domain_components.rbegin(); component != config.domain_components.rend();
       ++component)
    TRY(Add(name.get(), NID_domainComponent, *component));
  const struct {
    int attribute;
    const std::vector<std::string>& values;
  } lists[] = {
      {NID_countryName, config.countries},        {NID_stateOrProvinceName, config.states},
      {NID_localityName, config.localities},      {NID_organizationName, config.organizations},
      {NID_organizationalUnitName, config.units},
  };
  for (const auto& [attribute, values] : lists) {
    for (const std::string& value : values) TRY(Add(name.get(), attribute, value));
  }
  if (!config.name.empty()) TRY(Add(name.get(), NID_commonName, config.name));
  return name;
}

std::optional<std::string> SubjectFault(const X509_NAME* subject) {
  if (X509_NAME_entry_count(subject) > kAttributesMax)
    return "more than " + std::to_string(kAttributesMax) + " values";
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(subject, i);
    const int attribute = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (auto fault = ValueFault(attribute, X509_NAME_ENTRY_get_data(entry))) {
      const char* const word = attribute == NID_undef ? "an attribute" : OBJ_nid2sn(attribute);
      return std::string(word) + ": " + *fault;
    }
  }
  return std::nullopt;
}

std::vector<std::string> EmailsOf(BytesView name) {
  // 1.2.840.113549.1.9.1. Few names have it, and taking one apart takes long.
  constexpr std::array<std::uint8_t, 9> kEmailAddress{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01};
  std::vector<std::string> emails;
  if (std::search(name.begin(), name.end(), std::begin(kEmailAddress), std::end(kEmailAddress)) == name.end())
    return emails;
  const EmptyQueue empty;
  const std::uint8_t* at = name.data();
  const NameHandle parsed(d2i_X509_NAME(nullptr, &at, static_cast<long>(name.size())));
  if (!parsed) return emails;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(parsed.get(), NID_pkcs9_emailAddress, i)) >= 0;) {
    const ASN1_STRING* const value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(parsed.get(), i));
    emails.emplace_back(
        AsText({ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))}));
  }
  return emails;
}

}  // namespace certfs::openssl
