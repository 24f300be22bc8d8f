#include "crypto/issuing/extensions.h"

#include "crypto/host_name.h"

namespace certfs::issuing {

namespace {

constexpr ObjectIdentifier kSubjectKeyIdentifier("2.5.29.14");
constexpr ObjectIdentifier kKeyUsage("2.5.29.15");
constexpr ObjectIdentifier kSubjectAltName("2.5.29.17");
constexpr ObjectIdentifier kBasicConstraints("2.5.29.19");
constexpr ObjectIdentifier kCrlNumber("2.5.29.20");
constexpr ObjectIdentifier kNameConstraints("2.5.29.30");
constexpr ObjectIdentifier kCrlDistributionPoints("2.5.29.31");
constexpr ObjectIdentifier kAuthorityKeyIdentifier("2.5.29.35");
constexpr ObjectIdentifier kExtendedKeyUsage("2.5.29.37");
constexpr ObjectIdentifier kAuthorityInfoAccess("1.3.6.1.5.5.7.1.1");
constexpr ObjectIdentifier kOcsp("1.3.6.1.5.5.7.48.1");
constexpr ObjectIdentifier kOcspNoCheck("1.3.6.1.5.5.7.48.1.5");
constexpr ObjectIdentifier kCaIssuers("1.3.6.1.5.5.7.48.2");

// The tags of a GeneralName (4.2.1.6).
constexpr unsigned kEmail = 1;
constexpr unsigned kHost = 2;
constexpr unsigned kUrl = 6;
constexpr unsigned kAddress = 7;

template <typename Fill>
void Extension(Der& der, const ObjectIdentifier& id, bool critical, Fill fill) {
  der.Sequence([&] {
    der.Identifier(id);
    // FALSE is the default, which DER leaves out.
    if (critical) der.Boolean(true);
    der.OctetStringOf(fill);
  });
}

void Name(Der& der, unsigned kind, std::string_view text) {
  der.Primitive(DerContextPrimitive(kind), AsBytes(text));
}

Error Malformed(const std::string& text) {
  return {ErrorCode::kMalformed, "name-constraints-malformed",
          "'" + text + "' is none of DNS:DOMAIN, IP:ADDRESS/BITS and email:DOMAIN"};
}

// Writes the name that a subtree is given by.
Result<void> WriteBase(Der& der, const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return Malformed(text);
  const std::string kind = FoldAscii(text.substr(0, colon));
  const std::string value = text.substr(colon + 1);
  if (kind == "ip") {
    const auto range = AddressRange::Parse(value);
    if (!range) return Malformed(text);
    Bytes both = range->network;
    both.insert(both.end(), range->mask.begin(), range->mask.end());
    der.Primitive(DerContextPrimitive(kAddress), both);
    return {};
  }
  if (kind != "dns" && kind != "email") return Malformed(text);
  if (kind == "email" && value.find('@') != std::string::npos) {
    const auto email = ToEmail(value);
    if (!email.has_value()) return Malformed(text);
    Name(der, kEmail, email.value());
    return {};
  }
  // A constraint on hosts holds for what is beneath as well, and has no dot in front (4.2.1.10).
  const std::string dot = kind == "email" && value.starts_with('.') ? "." : "";
  const auto domain = ToHost(value.substr(dot.size()));
  if (!domain.has_value() || domain.value().starts_with("*.")) return Malformed(text);
  Name(der, kind == "dns" ? kHost : kEmail, dot + domain.value());
  return {};
}

Result<void> WriteSubtrees(Der& der, unsigned number, const std::vector<std::string>& bases) {
  if (bases.empty()) return {};
  const std::size_t start = der.size();
  for (const std::string& base : bases) {
    const std::size_t subtree = der.size();
    TRY(WriteBase(der, base));
    der.Enclose(kDerSequence, subtree);
  }
  der.Enclose(DerContext(number), start);
  return {};
}

}  // namespace

void WriteAuthorityKeyIdentifier(Der& der, BytesView key_identifier) {
  Extension(der, kAuthorityKeyIdentifier, false,
            [&] { der.Sequence([&] { der.Primitive(DerContextPrimitive(0), key_identifier); }); });
}

void WriteSubjectKeyIdentifier(Der& der, BytesView key_identifier) {
  Extension(der, kSubjectKeyIdentifier, false, [&] { der.OctetString(key_identifier); });
}

void WriteAuthorityConstraints(Der& der, std::optional<int> path_length) {
  Extension(der, kBasicConstraints, true, [&] {
    der.Sequence([&] {
      der.Boolean(true);
      if (path_length) der.Integer(static_cast<std::uint64_t>(*path_length));
    });
  });
}

void WriteKeyUsage(Der& der, std::uint16_t usage) {
  // Bit 0 is the highest of the octet; zeros at the end are left out (X.690, 11.2.2). Of the nine bits, the
  // ninth is for key agreement of one direction, which certfs does not issue.
  const auto octet = static_cast<std::uint8_t>(usage);
  std::uint8_t unused = 0;
  while (unused < 7 && (octet >> unused & 1) == 0) ++unused;
  const std::uint8_t bits[] = {unused, octet};
  Extension(der, kKeyUsage, true, [&] { der.Primitive(kDerBitString, bits); });
}

void WriteExtendedKeyUsage(Der& der, const std::vector<std::string>& purposes) {
  Extension(der, kExtendedKeyUsage, false, [&] {
    der.Sequence([&] {
      for (const std::string& purpose : purposes) der.Identifier(ObjectIdentifier(purpose));
    });
  });
}

void WriteAlternativeNames(Der& der, const AlternativeNames& names, bool critical) {
  Extension(der, kSubjectAltName, critical, [&] {
    der.Sequence([&] {
      for (const std::string& host : names.hosts) Name(der, kHost, host);
      for (const std::string& address : names.addresses) {
        if (const auto octets = AddressOctets(address)) der.Primitive(DerContextPrimitive(kAddress), *octets);
      }
      for (const std::string& email : names.emails) Name(der, kEmail, email);
    });
  });
}

void WriteCrlUrls(Der& der, const std::vector<std::string>& urls) {
  // One point, whose names are places of the same list.
  Extension(der, kCrlDistributionPoints, false, [&] {
    der.Sequence([&] {
      der.Sequence([&] {
        der.Context(0, [&] {
          der.Context(0, [&] {
            for (const std::string& url : urls) Name(der, kUrl, url);
          });
        });
      });
    });
  });
}

void WriteAuthorityInformation(Der& der, const std::vector<std::string>& ocsp_urls,
                               const std::vector<std::string>& issuer_urls) {
  const auto access = [&](const ObjectIdentifier& method, const std::string& url) {
    der.Sequence([&] {
      der.Identifier(method);
      Name(der, kUrl, url);
    });
  };
  Extension(der, kAuthorityInfoAccess, false, [&] {
    der.Sequence([&] {
      for (const std::string& url : ocsp_urls) access(kOcsp, url);
      for (const std::string& url : issuer_urls) access(kCaIssuers, url);
    });
  });
}

void WriteOcspNoCheck(Der& der) {
  Extension(der, kOcspNoCheck, false, [&] { der.Null(); });
}

void WriteCrlNumber(Der& der, std::uint64_t number) {
  Extension(der, kCrlNumber, false, [&] { der.Integer(number); });
}

Result<void> WriteNameConstraints(Der& der, const std::vector<std::string>& permitted,
                                  const std::vector<std::string>& excluded) {
  const std::size_t start = der.size();
  der.Identifier(kNameConstraints);
  der.Boolean(true);
  const std::size_t value = der.size();
  TRY(WriteSubtrees(der, 0, permitted));
  TRY(WriteSubtrees(der, 1, excluded));
  der.Enclose(kDerSequence, value);
  der.Enclose(kDerOctetString, value);
  der.Enclose(kDerSequence, start);
  return {};
}

}  // namespace certfs::issuing
