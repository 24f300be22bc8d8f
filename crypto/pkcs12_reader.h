// Reading PKCS#12 files (RFC 7292), whoever made them.
//
// BER as NSS writes it, the ciphers of the nineties where OpenSSL's legacy provider is installed, passwords
// in the spellings that programs have used, files without a MAC. Everything is bounded: size, number of
// parts, and how often a file may have a password stretched.
//
// Thread-safety: free functions. Ownership: results own what they hold; keys are secrets.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/certificate.h"

namespace certfs {

// How much a file may ask of its reader.
struct Pkcs12Limits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t bags = 100'000;            // Keys, certificates and whatever else.
  std::int64_t iterations = 10'000'000;  // Of one key derivation: some seconds.
  std::int64_t work = 100'000'000;       // Iterations altogether: about half a minute.
};

struct Pkcs12Item {
  std::string name;   // UTF-8 without control characters; empty where the file gives none.
  SecretBytes pkcs8;  // The key; empty where a certificate stands alone.
  // With a key, its certificate and what issued that, as far as the file has it and a root left out; none if
  // no certificate is the key's. Without a key, one certificate.
  std::vector<Certificate> certificates;
  bool trusted = false;  // Marked as trusted, as Java marks it. Without a key only.
};

struct Pkcs12Contents {
  std::vector<Pkcs12Item> items;     // First those with keys, each group in the order of the file.
  std::vector<std::string> skipped;  // What is not among them, and why.
};

// Says whether `file` looks like PKCS#12: a SEQUENCE that begins with the version, 3.
bool MayBePkcs12(BytesView file) noexcept;

// Opens `file`. A key finds its certificate by localKeyID, else by its public half. A certificate that
// belongs to no key's chain is an item of its own.
//
// Errors: kMalformed if it is no PKCS#12 file; kTooLarge beyond the limits of size; kPasswordRequired if
// `password` is empty and the file's is not; kAccessDenied if it is another, which damage may look like;
// kUnsupported, with what to do about it, for PBMAC1, unknown ciphers, public-key modes and too many
// iterations.
Result<Pkcs12Contents> ReadPkcs12(BytesView file, const SecretBytes& password,
                                  const Pkcs12Limits& limits = {});

}  // namespace certfs
