#include "crypto/issuer_link.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/openssl/error_queue.h"
#include "crypto/sealing.h"

namespace certfs {

bool NamesAsIssuer(const Certificate& certificate, const Certificate& issuer) {
  const openssl::EmptyQueue empty;
  const int fault = X509_check_issued(issuer.handle(), certificate.handle());
  return fault == X509_V_OK || fault == X509_V_ERR_KEYUSAGE_NO_CERTSIGN;
}

// DER delimits itself: two different pairs never join to the same bytes.
Digest HolderOf(const Certificate& certificate) {
  return Sha256({certificate.subject_der(), certificate.key_der()});
}

}  // namespace certfs
