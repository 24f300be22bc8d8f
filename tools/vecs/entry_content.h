// What a command line brings for an entry: a certificate, a key, or both, read, decrypted and matched before
// anything is written.
//
// Thread-safety: main thread only, because a password may be asked for. Ownership: results own what they
// hold. Errors: kNotFound ("vecs-no-such-file") and those of ReadCertificateFile and ReadKeyFile, with the
// file; kRejected ("vecs-key-mismatch"); kPasswordRequired for an encrypted key that nobody can be asked
// about, kAccessDenied ("vecs-wrong-password").

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/private_key.h"
#include "crypto/store_file.h"
#include "store/policy.h"
#include "tools/vecs/commands.h"

namespace certfs::vecs {

struct Content {
  Bytes certificates;                     // As they are written in the file; none is empty.
  std::optional<CertificateFile> file;    // The same, parsed, leaf first.
  SecretBytes key;                        // PEM or DER as in the file, decrypted; of a secret any bytes.
  std::optional<PrivateKey> private_key;  // None of a secret.
  Member key_member = Member::kKey;       // Which file `key` is for.

  // "Private Key", "Secret Key", "Trusted Cert": as VECS infers it.
  std::string_view type() const;
  // The SubjectPublicKeyInfo of the key, or else of the leaf; none of a secret.
  std::optional<Bytes> PublicKeyInfo() const;
};

// Reads what `options` name, for a store that holds `holds`.
Result<Content> ReadContent(const Options& options, Holds holds);

// Reads a file of the command line, or of the mount, that may hold a key.
Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path);

}  // namespace certfs::vecs
