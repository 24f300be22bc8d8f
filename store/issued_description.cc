// What a certificate itself says of a line of the ledger.

#include "store/issued_certificate.h"

namespace certfs {

void Describe(IssuedCertificate& issued, const Certificate& certificate) {
  issued.certificate.assign(certificate.der().begin(), certificate.der().end());
  issued.serial = SerialNumberOf(certificate).value_or(SerialNumber{});
  issued.not_before = certificate.not_before();
  issued.not_after = certificate.not_after();
  issued.common_name = certificate.common_name();
  issued.names.clear();
  // Names that certfs does not issue are not what anybody looks for.
  const AlternativeNames names = certificate.alternative_names();
  for (const auto* const kind : {&names.hosts, &names.addresses, &names.emails})
    issued.names.insert(issued.names.end(), kind->begin(), kind->end());
}

}  // namespace certfs
