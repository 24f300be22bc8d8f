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

namespace {

// OpenSSL compares names in one form for all string types, and gives nothing of it away but this.
unsigned long NumberOf(const X509_NAME* name) {
  const openssl::EmptyQueue empty;
  return X509_NAME_hash_ex(name, nullptr, nullptr, nullptr);
}

}  // namespace

unsigned long SubjectNumber(const Certificate& certificate) {
  return NumberOf(X509_get_subject_name(certificate.keyless_handle()));
}

unsigned long IssuerNumber(const Certificate& certificate) {
  return NumberOf(X509_get_issuer_name(certificate.keyless_handle()));
}

// The number has one length: two different pairs never join to the same bytes.
Digest HolderOf(const Certificate& certificate) {
  Bytes name;
  Writer(name).U64(SubjectNumber(certificate));
  return Sha256({name, certificate.key_der()});
}

}  // namespace certfs
