// status/health.json: what somebody should look at, worst first. Private to fs/.
//
// Thread-safety: any thread. Ownership: borrows the authority. Errors: those of reading.

#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "store/certificate_authority.h"

namespace certfs {

class HealthReport {
 public:
  explicit HealthReport(CertificateAuthority& authority) : authority_(authority) {}

  // The text of it at `now`, and since when it says that. Found out anew when the keystore has changed, or a
  // minute is over: what expires does so by itself. `list_failure` is why a CRL could not be signed.
  struct Shown {
    std::string text;
    Time since{};
  };
  Result<Shown> Get(TableSnapshot& snapshot, const std::optional<Error>& list_failure, Time now);

 private:
  CertificateAuthority& authority_;
  std::mutex mutex_;
  std::uint64_t commit_ = 0;  // Guarded by mutex_, as all below.
  std::int64_t minute_ = 0;   // Of the last look; 0 before the first.
  std::string failure_;
  Shown shown_;
};

}  // namespace certfs
