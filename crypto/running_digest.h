// SHA-256 (FIPS 180-4) over what comes piece by piece.
//
// Thread-safety: an object belongs to one thread at a time.

#pragma once

#include <memory>

#include "crypto/base/bytes.h"

struct evp_md_ctx_st;

namespace certfs {

class RunningDigest {
 public:
  RunningDigest();
  ~RunningDigest();
  RunningDigest(RunningDigest&&) noexcept;
  RunningDigest& operator=(RunningDigest&&) noexcept;

  void Add(BytesView bytes);

  // The digest of all that was added. Nothing may be added afterwards.
  Digest Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace certfs
