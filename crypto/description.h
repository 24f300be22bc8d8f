// What certificates, CRLs and signing requests say, for people: the lines that they look for first, and the
// full decoding as `openssl x509 -text` prints it.
//
// Thread-safety: free functions over immutable objects. Errors: kMalformed ("unreadable") for a request that
// is none; where OpenSSL cannot print something, the text says so in its place.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "crypto/revocation_list.h"

namespace certfs {

// The names in subjectAltName (RFC 5280, 4.2.1.6), in their order: "DNS:www.example.com", "IP
// Address:192.0.2.1".
std::vector<std::string> SubjectAltNames(const Certificate& certificate);

// The key that a certificate certifies, as people name it: "RSA 2048", "EC P-256".
std::string CertifiedKey(const Certificate& certificate);

// "sha256WithRSAEncryption".
std::string SignatureAlgorithm(const Certificate& certificate);

// SHA-1 over the encoding: what older consoles show to compare by. It protects nothing.
Bytes Sha1Fingerprint(const Certificate& certificate);

// The subjectPublicKeyInfo (RFC 5280, 4.1.2.7), DER; of a key, kInternal if OpenSSL cannot encode it.
Bytes PublicKeyInfo(const Certificate& certificate);
Result<Bytes> PublicKeyInfo(const Key& key);

// The hash of the subject, or of a CRL's issuer, by which OpenSSL looks for files in a directory of hashed
// names: eight hexadecimal digits (`openssl x509 -subject_hash`, `openssl crl -hash`).
std::string SubjectHash(const Certificate& certificate);
std::string IssuerHash(const RevocationList& list);

// How many certificates a CRL revokes; and its number (RFC 5280, 5.2.3) in hexadecimal, empty without one.
std::size_t RevokedCount(const RevocationList& list);
std::string ListNumber(const RevocationList& list);

// The full decoding, many lines.
std::string FullText(const Certificate& certificate);
std::string FullText(const RevocationList& list);

// A signing request (PKCS#10, RFC 2986).
struct RequestDescription {
  std::string subject;
  std::vector<std::string> names;  // Of the subjectAltName that it asks for.
  std::string key;
};
Result<RequestDescription> DescribeRequest(BytesView der);

}  // namespace certfs
