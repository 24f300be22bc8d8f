// The names of subjectAltName that certfs issues (RFC 5280, 4.2.1.6).
//
// Thread-safety: values.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace certfs {

// As text: hosts as A-labels in lower case ("xn--bcher-kva.example"), addresses as inet_ntop(3) writes them.
struct AlternativeNames {
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<std::string> emails;

  std::size_t size() const { return hosts.size() + addresses.size() + emails.size(); }
  friend bool operator==(const AlternativeNames&, const AlternativeNames&) = default;
};

}  // namespace certfs
