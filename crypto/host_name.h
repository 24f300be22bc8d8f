// What may stand for a host, an address or a mailbox in a certificate, as text.
//
// Thread-safety: free functions. Errors: kMalformed, with what is wrong with the name.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace certfs {

// Lower case of ASCII letters; all else as it is.
std::string FoldAscii(std::string_view text);

// "www.example.com" is "www", "example", "com".
std::vector<std::string> LabelsOf(std::string_view name);

// Says whether `name` is made of labels of letters, digits, hyphens and underscores, 253 bytes at most (RFC
// 1123, 2.1; underscores are common in practice).
bool IsDomain(std::string_view name);

// The same, or such a name behind "*.": a wildcard is the whole first label (RFC 6125, 6.4.3).
bool IsHost(std::string_view name);

// Says whether whoever reads a common name would take it for a host: a domain of two labels or more without
// underscores, with or without "*.", or an address. "Machine1_Cert", "John Smith" and "localhost" are none.
bool LooksLikeHost(std::string_view name);

// Returns `host` as DNS has it: in lower case, labels that are not ASCII as A-labels (RFC 5891; mapped as
// UTS #46 says, not transitional). kMalformed for what is no host afterwards, or for an A-label that stands
// for nothing.
Result<std::string> ToHost(std::string_view host);

// The four or sixteen octets of an IPv4 or IPv6 address; nothing for other text.
std::optional<Bytes> AddressOctets(std::string_view text);
// The reverse, as inet_ntop(3) writes it. Precondition: four octets, or sixteen.
std::string AddressText(BytesView octets);

// A range of addresses: "10.0.0.0/8", "fd00::/8"; bits behind the prefix count for nothing. Network and mask
// of four octets or sixteen.
struct AddressRange {
  static std::optional<AddressRange> Parse(std::string_view text);
  bool Holds(BytesView octets) const;

  Bytes network;
  Bytes mask;
};

// Says whether `text` is a mailbox: printable ASCII, "@" and a domain (RFC 5280, 4.2.1.6: rfc822Name).
bool IsEmail(std::string_view text);

// Returns `email` with its domain as ToHost gives it. kMalformed for what is no mailbox.
Result<std::string> ToEmail(std::string_view email);

}  // namespace certfs
