// An entry as the mount shows it now, and how vecs-cli shows that.
//
// Thread-safety: free functions and values. Errors: those of reading the files, with who keeps this user out.

#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "store/entry.h"
#include "tools/control_client.h"
#include "tools/mounts.h"

namespace certfs::vecs {

// Says whether the entry has that file. False also where this user may not enter the entry.
bool Has(const std::filesystem::path& entry, Member member);

// The names of VECS for what an entry holds: "Private Key" for certificate and key, "Secret Key" for a key
// alone or a secret, "Trusted Cert", "Certification Revocation List", "Unknown" for nothing of these.
std::string_view TypeOf(const std::filesystem::path& entry);

struct EntryView {
  std::string alias;
  std::string_view type;
  std::filesystem::path path;
  Bytes pem;             // Certificates or CRL; empty where there are none.
  bool is_list = false;  // `pem` is a CRL.
};

// Reads the entry. kNotFound if it has gone meanwhile.
Result<EntryView> ViewOf(const Mount& mount, const std::filesystem::path& entry);

// All certificates, or the CRL, in words as OpenSSL prints them; as they are where they cannot be read.
std::string TextOf(const EntryView& view);

// The first moment at which a certificate of the entry, or its CRL, is out of date; nothing where it has
// neither, or a CRL says nothing about it.
std::optional<std::chrono::sys_seconds> EndOf(const EntryView& view);

// {"alias", "type", "path", "expires", "certificates": [{…}], "crl", "pem"}; null is what it has not.
Json ToJson(const EntryView& view);

}  // namespace certfs::vecs
