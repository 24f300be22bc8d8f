#include "crypto/request_config.h"

#include "crypto/certification_request.h"
#include "crypto/host_name.h"
#include "tests/fuzz/judging.h"

namespace certfs::fuzz {

// What a file of certool's kind asks for has a name, and is made of what may stand in a certificate.
int FuzzRequestConfig(const std::uint8_t* data, std::size_t size) {
  const auto config = RequestConfig::Parse(BytesView(data, size));
  if (!config.has_value()) {
    PROPERTY(IsUtf8(config.error().message()) && !HasControl(config.error().message()));
    return 0;
  }
  const RequestConfig& found = config.value();
  // A host that is too long for a common name stands among the names alone.
  PROPERTY((!found.name.empty() || !found.hosts.empty()) && IsUtf8(found.name));
  for (const std::string& host : found.hosts) PROPERTY(IsHost(host) && FoldAscii(host) == host);
  for (const std::string& address : found.addresses) PROPERTY(AddressOctets(address).has_value());
  for (const std::string& email : found.emails) PROPERTY(IsEmail(email));
  const auto name = DistinguishedName(found);
  PROPERTY(name.has_value() && !name.value().empty());  // DER: of an empty name, too.
  NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
