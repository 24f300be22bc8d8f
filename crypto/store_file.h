// Reading of what a file of a certificate store may hold: the bytes that somebody wrote become a parsed
// object and the bytes that will be kept.
//
// PEM is kept as it was written, explanatory lines included; DER becomes PEM. Only a chain in the wrong order
// is put in order (Arrange). No rule of the rules table is applied here beyond "parse" and "kind".
//
// Thread-safety: free functions and values. Errors: kTooLarge ("too-large") over kFileBytesMax; those of
// ReadPem and of the objects' FromDer; kMalformed ("wrong-kind") when the file holds another kind of object
// than its name says, or one of them too many, ("too-many-certificates") over 32; kPasswordRequired
// ("encrypted-key").

#pragma once

#include <optional>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "crypto/revocation_list.h"

namespace certfs {

struct CertificateFile {
  Bytes text;                             // What is kept: PEM.
  std::vector<Certificate> certificates;  // In the order of the file; never empty, at most 32.
  bool rearranged = false;                // Arrange() changed the order.
};

// Reads `cert.pem`: one or more certificates.
Result<CertificateFile> ReadCertificateFile(BytesView bytes);

// Puts leaf first and each issuer after what it issued, moving each block together with its explanatory text.
// The leaf is the certificate that `key` fits, where a key is given and fits one; else the only certificate
// that issued none of the others. What does not belong to that chain keeps its order behind it. A file whose
// order is right, or that has no single leaf, is left as it is, byte for byte.
void Arrange(CertificateFile& file, const Key* key);

struct KeyFile {
  SecretBytes text;  // What is kept: PEM.
  PrivateKey key;
};

// Reads `key.pem`: one private key, which an "EC PARAMETERS" block may precede.
Result<KeyFile> ReadKeyFile(BytesView bytes);

struct RevocationListFile {
  Bytes text;  // What is kept: PEM.
  RevocationList list;
};

// Reads `crl.pem`: one CRL.
Result<RevocationListFile> ReadRevocationListFile(BytesView bytes);

}  // namespace certfs
