// What a person is asked where TRUSTED_ROOTS does not reach a package's signer: import anyway, trust this
// certificate, or cancel.
//
// Thread-safety: main thread only.

#pragma once

#include <functional>
#include <string>

#include "crypto/base/result.h"
#include "tools/mounts.h"
#include "tools/package/standing.h"

namespace certfs::package {

// Puts the certificate that the signer's chain ends in into TRUSTED_ROOTS, by an ordinary write through
// `mount`; returns its entry. kRejected, with the reason, where that is no CA, or the mount refuses.
Result<std::string> TrustForGood(const Mount& mount, const Standing& standing);

enum class Answer { kImport, kTrusted, kCancel };

// Shows who signed `package`, and asks on standard input. `trust` is what "trust this certificate" does:
// where it fails, the reason is shown and the question asked again. The choice names the CA that it trusts,
// and is not there where the chain ends in no CA. The end of the input cancels.
Answer AskWhetherToImport(const std::string& package, const MessageSigner& signer, const Standing& standing,
                          const std::function<Result<void>()>& trust);

}  // namespace certfs::package
