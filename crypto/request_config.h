// What a certificate is asked for: the file of `certool --config`, read line by line.
//
//   # a comment
//   Country = US
//   Name = www.example.com
//   Hostname = www.example.com, example.com
//
// Keys are Country, Name, DomainComponent, Organization, OrgUnit, State, Locality, IPAddress, Email and
// Hostname, in any case and order, each once; and, beyond certool, KeyType: ec-p256 (the default), ec-p384,
// rsa-3072 or rsa-4096. Name becomes the common name and DomainComponent ("example.com") one DC for each
// label; Country, State, Locality, Organization and OrgUnit may be lists separated by commas, as may
// Hostname, IPAddress and Email, which become subjectAltName (RFC 5280, 4.2.1.6). UTF-8, with or without a
// byte order mark.
// Hosts and the domains of e-mail addresses that are not ASCII become A-labels (RFC 5891).
//
// Thread-safety: values. Errors: kMalformed with rule "request-config", each naming the line: an unknown or
// repeated key, a value that is empty, too long, not of its kind, or that of certool's template and never
// edited; neither Name nor Hostname; not UTF-8. kTooLarge over 64 KiB.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/private_key.h"

namespace certfs {

struct RequestConfig {
  static Result<RequestConfig> Parse(BytesView file);

  std::vector<std::string> countries;
  std::vector<std::string> states;
  std::vector<std::string> localities;
  std::vector<std::string> organizations;
  std::vector<std::string> units;
  std::vector<std::string> domain_components;  // "example", "com": as in the name, the least general first.
  std::string name;                            // The common name; where none was given, the first host.

  std::vector<std::string> hosts;      // DNS names in lower case, also "*.example.com".
  std::vector<std::string> addresses;  // IPv4 or IPv6, in text.
  std::vector<std::string> emails;

  std::optional<KeyType> key_type;  // Nothing: the default, or whatever key is there.
};

inline constexpr KeyType kDefaultKeyType = KeyType::kEcP256;

}  // namespace certfs
