// Writing PKCS#12 files (RFC 7292): the same bytes for the same content each time, and a size that is known
// without password and without keys.
//
// A file is what OpenSSL and Java write: one encrypted safe of all certificates, one safe of shrouded keys, a
// MAC over both. Each key and its leaf certificate bear one localKeyID and one friendlyName. Salts and IVs
// are derived from a secret seed and from what they protect: other content gets another IV, the same content
// the same file.
//
// Thread-safety: Pkcs12Password is an immutable value whose copies share one object; builders and measures
// belong to one thread. Ownership: everything is copied in, a key only as ciphertext. Errors:
// kInvalidArgument for text that is not UTF-8, kTooLarge for what no file can hold, kInternal where OpenSSL
// lacks an algorithm.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace certfs {

enum class Pkcs12Profile : std::uint8_t {
  // PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018), MAC HMAC-SHA-256. Read by OpenSSL from 1.0,
  // Java from 8u301,
  // Windows from 10 1709 and Server 2019.
  kModern,
  // pbeWithSHAAnd3-KeyTripleDES-CBC, MAC HMAC-SHA-1: for whatever is older. Every bag has a salt and a key
  // derivation of
  // its own, of kPkcs12CompatibleIterations: such a file is weaker, and takes longer to make.
  kCompatible,
};

// What an attacker pays for each guess at the password. Stretching takes about a tenth of a second; who opens
// a file of one key derives three times, once of them for the MAC.
inline constexpr std::uint32_t kPkcs12Iterations = 300000;
// Of a trust store, whose password is no secret, as Java writes it.
inline constexpr std::uint32_t kPkcs12TrustIterations = 10000;
// Of everything under kCompatible: a MAC of more would not slow down who guesses at a bag.
inline constexpr std::uint32_t kPkcs12CompatibleIterations = 2048;
inline constexpr std::size_t kPkcs12SaltBytes = 16;

struct Pkcs12Settings {
  Pkcs12Profile profile = Pkcs12Profile::kModern;
  // Of the encryption and of the MAC under kModern. Readers derive anew for each key: a file of many thousand
  // keys should ask for less.
  std::uint32_t iterations = kPkcs12Iterations;
};

// The keys that a password makes. Stretching is the expensive part: once done, it serves any number of files
// of that password and salt.
class Pkcs12Password {
 public:
  // `password` is UTF-8 without NUL, and not empty, because readers disagree about what an empty one is.
  // `salt` is kPkcs12SaltBytes long; whoever has the files sees it. kInvalidArgument for anything else.
  static Result<Pkcs12Password> Stretch(const Pkcs12Settings& settings, const SecretBytes& password,
                                        BytesView salt);

  const Pkcs12Settings& settings() const noexcept;

 private:
  friend class Pkcs12Builder;
  struct State;
  explicit Pkcs12Password(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

class Pkcs12Builder {
 public:
  // `seed` is a key for HMAC: whoever knows it can tell whether a file holds what he supposes.
  Pkcs12Builder(Pkcs12Password password, const SecretBytes& seed);

  // Adds a key, unencrypted PKCS#8, and its certificates in DER, leaf first; there may be none. An empty
  // `name` gives no friendlyName.
  Result<void> AddKey(std::string_view name, BytesView pkcs8, std::span<const BytesView> certificates);

  // Adds a certificate that is trusted, as Java wants it marked (2.16.840.1.113894.746875.1.1).
  Result<void> AddTrusted(std::string_view name, BytesView certificate);

  // Returns the file. To be called once, at the end.
  Result<Bytes> Finish();

 private:
  Digest Derived(std::uint8_t kind, std::uint32_t position, BytesView plaintext) const;
  Result<void> Encrypt(const Digest& derived, BytesView plaintext, Bytes& algorithm, Bytes& out) const;

  Pkcs12Password password_;
  SecretBytes seed_;
  Bytes certificates_;       // Their bags, in the clear.
  Bytes keys_;               // Their shrouded bags.
  std::uint32_t count_ = 0;  // Of keys.
};

// Tells the size of the file that a builder makes of the same calls, from sizes alone.
class Pkcs12Measure {
 public:
  explicit Pkcs12Measure(const Pkcs12Settings& settings);

  // Precondition: `name` is UTF-8.
  void AddKey(std::string_view name, std::size_t pkcs8_bytes, std::span<const std::size_t> certificate_bytes);
  void AddTrusted(std::string_view name, std::size_t certificate_bytes);

  // Finish().size(), exactly.
  std::size_t size() const;

 private:
  Pkcs12Settings settings_;
  Bytes algorithm_;  // With zeros for salt and IV: its size is always the same.
  std::size_t certificates_ = 0;
  std::size_t keys_ = 0;
};

}  // namespace certfs
