#include "crypto/openssl/error_queue.h"

#include <openssl/err.h>

#include <utility>

namespace certfs::openssl {

EmptyQueue::~EmptyQueue() { ERR_clear_error(); }

std::string TakeReason(std::string otherwise) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string words = reason != nullptr ? std::string(reason) : std::move(otherwise);
  ERR_clear_error();
  return words;
}

bool TakeOutOfMemory() {
  bool found = false;
  while (const unsigned long error = ERR_get_error()) {
    found = found || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
  }
  return found;
}

}  // namespace certfs::openssl
