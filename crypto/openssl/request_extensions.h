// The extensions that a request asks for (RFC 2985, 5.4.2). Private to crypto/.

#pragma once

#include <optional>
#include <string>

#include "crypto/certification_request.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

struct RequestedExtensions {
  std::optional<std::string> repeated;   // Which stands twice.
  std::optional<std::string> malformed;  // Which cannot be decoded.
  NamesHandle names;                     // subjectAltName; null where there is none.
  bool authority = false;                // basicConstraints with CA:TRUE.
  std::uint32_t key_usage = 0;           // KU_*; 0 where there is none.
};

RequestedExtensions ExtensionsOf(const CertificationRequest& request);

}  // namespace certfs::openssl
