// The profiles that every authority has. They are what users see and edit, so that their comments explain.

#include <array>

#include "crypto/profile.h"

namespace certfs {

namespace {

constexpr std::string_view kServer = R"(# What machines present to those who connect to them.
description = "TLS servers, and machines that are clients as well"

# Kinds of key that are taken; "rsa-2048" means RSA of 2048 bits or more.
keys = ["ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048"]

# The longest lifetime; browsers refuse more than 398 days.
days = 398
# How far notBefore lies back, for clocks that are behind.
backdate_minutes = 10

# keyEncipherment is given to RSA keys alone.
key_usage = ["digitalSignature", "keyEncipherment"]
# serverAuth is given to what names a host or an address alone.
extended_key_usage = ["serverAuth", "clientAuth"]

[names]
# "*": any; "example.com": that name; ".example.com": the names beneath it.
hosts = ["*"]
# "*": any; or ranges, such as "10.0.0.0/8".
addresses = ["*"]
# "*": any; "user@example.com", "example.com", ".example.com".
emails = ["*"]
wildcards = false
host_required = true

# Where others find what belongs to the authority, if anybody serves it:
# [urls]
# crl = ["http://pki.example.com/crl.der"]
# ocsp = ["http://pki.example.com/ocsp"]
# issuer = ["http://pki.example.com/ca.der"]
)";

constexpr std::string_view kClient = R"(# What people and programs present to servers.
description = "TLS clients"

keys = ["ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048"]
days = 398
backdate_minutes = 10
key_usage = ["digitalSignature"]
extended_key_usage = ["clientAuth"]

[names]
hosts = ["*"]
addresses = ["*"]
emails = ["*"]
wildcards = false
host_required = false
)";

constexpr std::string_view kSolutionUser = R"(# What services of one machine present to each other.
description = "Solution users: services that sign in by certificate"

keys = ["ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048"]
days = 730
backdate_minutes = 10
key_usage = ["digitalSignature", "keyEncipherment"]
# serverAuth is given to what names a host or an address alone.
extended_key_usage = ["serverAuth", "clientAuth"]

[names]
hosts = ["*"]
addresses = ["*"]
emails = ["*"]
wildcards = false
host_required = false
)";

constexpr std::string_view kCa = R"(# Certification authorities beneath this one.
description = "Intermediate authorities"

keys = ["ec-p256", "ec-p384", "ec-p521", "rsa-3072"]
days = 1825
backdate_minutes = 10
authority = true
# How many authorities may stand beneath what is issued: 0 lets it issue to machines and people alone.
path_length = 0

[names]
host_required = false
)";

constexpr std::string_view kOcsp = R"(# Who answers for the authority whether a certificate is revoked.
description = "OCSP responders"

keys = ["ec-p256", "ec-p384", "ec-p521", "rsa-2048"]
# Short, because nobody asks whether the responder itself is revoked.
days = 30
backdate_minutes = 10
key_usage = ["digitalSignature"]
extended_key_usage = ["OCSPSigning"]
ocsp_no_check = true

[names]
hosts = ["*"]
addresses = ["*"]
host_required = false
)";

constexpr std::array kProfiles{BuiltInProfile{"server", kServer}, BuiltInProfile{"client", kClient},
                               BuiltInProfile{"solution-user", kSolutionUser}, BuiltInProfile{"ca", kCa},
                               BuiltInProfile{"ocsp", kOcsp}};

}  // namespace

std::span<const BuiltInProfile> BuiltInProfiles() { return kProfiles; }

}  // namespace certfs
