// The extensions of what certfs issues, in DER (RFC 5280, 4.2). Private to crypto/.
//
// Thread-safety: free functions.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/alternative_names.h"
#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/der.h"

namespace certfs::issuing {

using Der = DerWriter<Bytes>;

// keyIdentifier of `key_identifier` (4.2.1.1), for certificates and CRLs.
void WriteAuthorityKeyIdentifier(Der& der, BytesView key_identifier);
void WriteSubjectKeyIdentifier(Der& der, BytesView key_identifier);
void WriteAuthorityConstraints(Der& der, std::optional<int> path_length);  // basicConstraints with CA:TRUE.
void WriteKeyUsage(Der& der, std::uint16_t usage);                         // KU_*; not 0.
// Dotted numbers; those that are none abort.
void WriteExtendedKeyUsage(Der& der, const std::vector<std::string>& purposes);
// Critical where nothing else names the subject.
void WriteAlternativeNames(Der& der, const AlternativeNames& names, bool critical);
void WriteCrlUrls(Der& der, const std::vector<std::string>& urls);  // cRLDistributionPoints.
void WriteAuthorityInformation(Der& der, const std::vector<std::string>& ocsp_urls,
                               const std::vector<std::string>& issuer_urls);
void WriteOcspNoCheck(Der& der);                      // RFC 6960, 4.2.2.2.1.
void WriteCrlNumber(Der& der, std::uint64_t number);  // 5.2.3.

// Name constraints of "DNS:example.com", "IP:10.0.0.0/8", "email:example.com" (4.2.1.10). kMalformed
// ("name-constraints-malformed") for text that is none.
Result<void> WriteNameConstraints(Der& der, const std::vector<std::string>& permitted,
                                  const std::vector<std::string>& excluded);

}  // namespace certfs::issuing
