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

}  // namespace certfs::openssl
