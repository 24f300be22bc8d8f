// Whether a package's signer is to be believed, and how that is said.
//
// Thread-safety: main thread only. Errors: the file and the reason.

#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/rules.h"
#include "crypto/signed_data_reader.h"
#include "tools/trust_files.h"

namespace certfs::package {

// Where trust comes from: the files named, else the mount.
struct TrustSource {
  std::string mount;
  std::vector<std::string> roots;
  std::vector<std::string> lists;
};
// kInvalidArgument where neither is there, or a file cannot be read.
Result<TrustFiles> GatherTrust(const TrustSource& source);

// As of when a signer is judged, and a package is made.
std::chrono::sys_seconds Now();

struct Standing {
  Verdict verdict;                 // On the certificate and its chain, by the rules table.
  std::optional<Error> refusal;    // Revoked, expired, broken: nobody can take it all the same.
  bool trusted = false;            // The chain reaches the trust set, and nothing refuses it.
  std::vector<Certificate> chain;  // The signer's first; as far as it could be built.
};

// Judges who signed, as of `now`: a signature counts for as long as its certificate does. Refused is also
// what a store takes with a warning: a certificate that begins in some hours, a chain that ends in an expired
// anchor.
Standing Judge(const MessageSigner& signer, const TrustFiles& trust, std::chrono::sys_seconds now);

// "CN=x" and the rest of what a person goes by, one line each, `indent` in front. Names come from outside:
// what they hold is made fit for a terminal.
void PrintSigner(std::ostream& out, const MessageSigner& signer, const Standing& standing,
                 const std::string& indent);

// "trusted", or why not, in one line.
std::string Describe(const Standing& standing);

// The same for programs.
nlohmann::ordered_json SignerJson(const MessageSigner& signer, const Standing& standing);

}  // namespace certfs::package
