// The digest of what a view depends on: another one whenever its bytes may be others. Private to store/.
//
// Thread-safety: a value of one thread.

#pragma once

#include <string_view>

#include "crypto/base/bytes.h"
#include "crypto/sealing.h"

namespace certfs::view {

class Identity {
 public:
  Identity() : writer_(bytes_) {}
  void Add(std::uint64_t number) { writer_.U64(number); }
  void Add(std::string_view text) {
    writer_.U32(static_cast<std::uint32_t>(text.size()));
    writer_.Raw(AsBytes(text));
  }
  void Add(const Digest& digest) { writer_.Raw(digest); }
  Digest Take() const { return Sha256({bytes_}); }

 private:
  Bytes bytes_;
  Writer<Bytes> writer_;
};

}  // namespace certfs::view
