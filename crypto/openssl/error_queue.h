// The calling thread's OpenSSL error queue. Every wrapper leaves it empty. Private to crypto/.

#pragma once

#include <string>

namespace certfs::openssl {

// Empties the queue when it goes out of scope.
class EmptyQueue {
 public:
  EmptyQueue() = default;
  ~EmptyQueue();
  EmptyQueue(const EmptyQueue&) = delete;
  EmptyQueue& operator=(const EmptyQueue&) = delete;
};

// Returns the reason of the newest error in the queue, or `otherwise` where there is none; empties the queue.
std::string TakeReason(std::string otherwise);

// Says whether an error in the queue is that memory ran out, locked memory (crypto/base/secret.h) included,
// of which each thread's random number generator takes some; empties the queue.
bool TakeOutOfMemory();

}  // namespace certfs::openssl
