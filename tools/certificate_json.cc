#include "tools/certificate_json.h"

#include <nlohmann/json.hpp>

#include "crypto/base/time.h"
#include "crypto/description.h"

namespace certfs {

using Json = nlohmann::ordered_json;

Json ToJson(const Certificate& certificate) {
  return {{"subject", certificate.subject()},
          {"issuer", certificate.issuer()},
          {"serial", certificate.serial()},
          {"not_before", FormatTimestamp(certificate.not_before())},
          {"not_after", FormatTimestamp(certificate.not_after())},
          {"key", CertifiedKey(certificate)},
          {"names", SubjectAltNames(certificate)},
          {"sha1", ToHex(Sha1Fingerprint(certificate))},
          {"sha256", ToHex(certificate.fingerprint())}};
}

Json ToJson(const RevocationList& list) {
  const auto next = list.next_update();
  return {{"issuer", list.issuer()},
          {"number", ListNumber(list)},
          {"this_update", FormatTimestamp(list.this_update())},
          {"next_update", next ? Json(FormatTimestamp(*next)) : Json()},
          {"revoked", RevokedCount(list)}};
}

}  // namespace certfs
