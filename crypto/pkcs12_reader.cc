#include "crypto/pkcs12_reader.h"

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/key_chains.h"
#include "crypto/openssl/pkcs12_bags.h"

namespace certfs {

bool MayBePkcs12(BytesView file) noexcept {
  // SEQUENCE, its length, INTEGER 3.
  if (file.size() < 5 || file[0] != 0x30) return false;
  const std::size_t header = file[1] <= 0x80 ? 2 : 2 + (file[1] & 0x7FU);
  return file.size() >= header + 3 && file[header] == 0x02 && file[header + 1] == 0x01 &&
         file[header + 2] == 0x03;
}

Result<Pkcs12Contents> ReadPkcs12(BytesView file, const SecretBytes& password, const Pkcs12Limits& limits) {
  // RFC 7292 section 4: "The version field shall be v3"; OpenSSL takes any.
  if (file.size() <= limits.bytes && !MayBePkcs12(file))
    return Error(ErrorCode::kMalformed, "not PKCS#12 of version 3");
  const openssl::EmptyQueue empty;
  return openssl::Join(TRY(openssl::ReadBags(file, password, limits)));
}

}  // namespace certfs
