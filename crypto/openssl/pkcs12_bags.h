// The bags of somebody else's PKCS#12 file, taken out and decrypted. Private to crypto/.

#pragma once

#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"
#include "crypto/pkcs12_reader.h"

namespace certfs::openssl {

struct KeyBag {
  std::string name;
  Bytes local_key_id;  // Empty where there is none.
  SecretBytes pkcs8;
};

struct CertificateBag {
  std::string name;
  Bytes local_key_id;
  Certificate certificate;
  bool trusted;  // Marked as Java marks what it trusts.
};

struct Pkcs12Bags {
  std::vector<KeyBag> keys;
  std::vector<CertificateBag> certificates;
  std::vector<std::string> skipped;  // What was left out, and why.
};

// In the order of the file. The errors of ReadPkcs12.
Result<Pkcs12Bags> ReadBags(BytesView file, const SecretBytes& password, const Pkcs12Limits& limits);

}  // namespace certfs::openssl
