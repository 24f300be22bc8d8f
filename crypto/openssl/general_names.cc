#include "crypto/openssl/general_names.h"

#include <algorithm>
#include <utility>

#include "crypto/base/bytes.h"
#include "crypto/host_name.h"
#include "crypto/openssl/words.h"

namespace certfs::openssl {

namespace {

BytesView View(const ASN1_STRING* text) {
  return {ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

void AddOnce(std::vector<std::string>& list, std::string name) {
  if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(std::move(name));
}

std::optional<std::string> AddHost(BytesView octets, AlternativeNames& names) {
  const std::string_view text = AsText(octets);
  // What is to be certified stands in a request as DNS has it: an IA5String cannot hold anything else.
  const bool ascii = std::all_of(octets.begin(), octets.end(), [](std::uint8_t c) { return c < 0x80; });
  auto host = ascii ? ToHost(text) : Result<std::string>(Error(ErrorCode::kMalformed, "is not ASCII"));
  if (!host.has_value()) return Shortened("a DNS name: " + PrintableText(text));
  AddOnce(names.hosts, std::move(host).value());
  return std::nullopt;
}

}  // namespace

std::optional<std::string> AddName(const GENERAL_NAME* name, AlternativeNames& names) {
  switch (name->type) {
    case GEN_DNS:
      return AddHost(View(name->d.dNSName), names);
    case GEN_IPADD: {
      const BytesView octets = View(name->d.iPAddress);
      if (octets.size() != 4 && octets.size() != 16)
        return "an address of " + std::to_string(octets.size()) + " octets";
      AddOnce(names.addresses, AddressText(octets));
      return std::nullopt;
    }
    case GEN_EMAIL: {
      const std::string_view text = AsText(View(name->d.rfc822Name));
      if (!IsEmail(text)) return Shortened("an e-mail address: " + PrintableText(text));
      auto email = ToEmail(text);
      if (!email.has_value()) return Shortened("an e-mail address: " + PrintableText(text));
      AddOnce(names.emails, std::move(email).value());
      return std::nullopt;
    }
    case GEN_URI:
      return "a URI";
    case GEN_DIRNAME:
      return "a directoryName";
    case GEN_OTHERNAME:
      return "an otherName";
    default:
      return "a name of kind " + std::to_string(name->type);
  }
}

AlternativeNames NamesIn(const GENERAL_NAMES* list) {
  AlternativeNames names;
  for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
    static_cast<void>(AddName(sk_GENERAL_NAME_value(list, i), names));
  }
  return names;
}

std::vector<std::string> CommonNamesOf(const X509_NAME* subject) {
  std::vector<std::string> names;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    const DerHandle owner(raw);
    names.push_back(size > 0 ? std::string(raw, raw + size) : std::string());
  }
  return names;
}

std::string CommonNameOf(const X509_NAME* subject) {
  std::vector<std::string> names = CommonNamesOf(subject);
  return names.empty() ? std::string() : std::move(names.back());
}

}  // namespace certfs::openssl
