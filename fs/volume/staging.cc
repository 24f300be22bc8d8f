#include "fs/volume/staging.h"

#include <algorithm>
#include <bit>

namespace certfs {

bool Staging::Reserve(std::size_t bytes) {
  // Locked memory is given out in powers of two.
  const std::size_t share = bytes == 0 ? 0 : std::bit_ceil(bytes);
  if (share > reserved) {
    const std::size_t more = share - reserved;
    if (bytes_of_all.fetch_add(more) + more > kBytesOfAllMax) {
      bytes_of_all.fetch_sub(more);
      return false;
    }
  } else {
    bytes_of_all.fetch_sub(reserved - share);
  }
  reserved = share;
  return true;
}

bool Staging::Resize(std::size_t size) {
  const std::size_t before = reserved;
  // The buffer keeps its memory when it shrinks.
  if (size > buffer.size() && !Reserve(std::max(size, before))) return false;
  const auto resized = WithinMemory([&]() -> Result<void> {
    buffer.resize(size);
    return {};
  });
  if (!resized.has_value()) Reserve(before);
  return resized.has_value();
}

void Staging::Discard() {
  buffer.clear();
  dirty = false;
  Reserve(0);
}

}  // namespace certfs
