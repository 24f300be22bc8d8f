// A profile: what an authority issues under one name, read from a TOML file.
//
//   description = "..."
//   keys = ["ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048"]   # Of RSA: so many bits at least.
//   days = 398                      # Lifetime, unless less is asked for.
//   backdate_minutes = 10           # notBefore lies so far back, for clocks that are behind.
//   authority = false               # A CA: keyCertSign, cRLSign, basicConstraints CA:TRUE.
//   path_length = 0                 # Of a CA.
//   key_usage = ["digitalSignature", "keyEncipherment"]     # keyEncipherment goes to RSA keys alone.
//   extended_key_usage = ["serverAuth", "clientAuth"]       # Names or dotted numbers. serverAuth goes
//                                                           # to what names a host alone.
//   ocsp_no_check = false           # RFC 6960, 4.2.2.2.1.
//   [names]
//   hosts = ["*"]                   # "*" any, "example.com" that one, ".example.com" what is beneath it.
//   addresses = ["*"]               # "*", or ranges: "10.0.0.0/8", "fd00::/8".
//   emails = ["*"]                  # "*", "user@example.com", "example.com", ".example.com"; of the
//                                   # subject's emailAddress as well.
//   wildcards = false               # "*.example.com" may be certified, where what is beneath may.
//   host_required = true            # At least one host or address.
//   [urls]
//   crl = ["http://pki.example.com/crl.der"]       # CRLDistributionPoints, RFC 5280, 4.2.1.13.
//   ocsp = ["http://pki.example.com/ocsp"]         # AuthorityInfoAccess, RFC 5280, 4.2.2.1.
//   issuer = ["http://pki.example.com/ca.der"]
//
// What is left out has the value shown; but lists of purposes, names and URLs are then empty, a CA needs no
// host and has keyCertSign and cRLSign, and any other profile has to say its key_usage.
//
// Thread-safety: values. Errors: kMalformed ("profile") naming the line and the reason: an unknown key, a
// value of another type or out of range; kTooLarge ("profile") over 64 KiB.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certification_request.h"

namespace certfs {

struct Profile {
  static Result<Profile> Parse(std::string_view name, BytesView toml);

  std::string name;  // "server".
  std::string description;
  std::vector<std::string> curves;  // "ec-p256" and so on, "ed25519": those that are taken.
  int rsa_bits_min = 0;             // 0: no RSA.
  std::chrono::days lifetime{398};
  std::chrono::minutes backdate{10};
  bool authority = false;
  std::optional<int> path_length;
  std::uint16_t key_usage = 0;                  // KU_* of OpenSSL, the bits of RFC 5280, 4.2.1.3.
  std::vector<std::string> extended_key_usage;  // Dotted numbers.
  bool ocsp_no_check = false;
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<std::string> emails;
  bool wildcards = false;
  bool host_required = true;
  std::vector<std::string> crl_urls;
  std::vector<std::string> ocsp_urls;
  std::vector<std::string> issuer_urls;
};

// The profiles that every authority has, until somebody writes others over them: server, client,
// solution-user, ca and ocsp.
struct BuiltInProfile {
  std::string_view name;
  std::string_view toml;
};
std::span<const BuiltInProfile> BuiltInProfiles();

// Returns the names that a certificate for `subject` gets: its own, and its common name where verifiers may
// take that for a host as well: where it looks like one ("Name = vmca-web.example.com"), or where there is
// neither host nor address and `profile` asks for one ("Name = localhost", certool's Name without Hostname).
AlternativeNames NamesUnder(const Profile& profile, const CertificateSubject& subject);

// Returns the refusal of the first thing in `subject` that `profile` does not allow: kRejected "profile-key",
// "profile-wildcard", "profile-name" (a name outside its lists), "profile-no-host", "profile-no-subject".
Result<void> CheckSubject(const Profile& profile, const CertificateSubject& subject);

}  // namespace certfs
