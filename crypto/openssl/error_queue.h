// The calling thread's OpenSSL error queue. Every wrapper leaves it empty. Private to crypto/.

#pragma once

#include <chrono>
#include <string>

#include "crypto/openssl/handles.h"

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

// Small readings that several files share.
std::string NameText(const X509_NAME* name);                // One line, RFC 2253, UTF-8.
std::string NumberText(const ASN1_INTEGER* number);         // Upper-case hexadecimal.
std::chrono::sys_seconds TimeValue(const ASN1_TIME* time);  // The epoch for what is no time.
bool IsTime(const ASN1_TIME* time);                         // Says whether it is there and names a moment.
std::string TimeText(std::chrono::sys_seconds time);        // RFC 3339, "2026-03-01T00:00:00Z".

}  // namespace certfs::openssl
