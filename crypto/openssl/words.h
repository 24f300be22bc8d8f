// What OpenSSL's small objects say, as text and as time. Private to crypto/. Leaves the error queue empty.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/openssl/handles.h"
#include "crypto/serial_number.h"

namespace certfs::openssl {

std::string NameText(const X509_NAME* name);         // One line without control characters, RFC 2253, UTF-8.
std::string NumberText(const ASN1_INTEGER* number);  // Upper-case hexadecimal.
std::optional<SerialNumber> SerialOf(const ASN1_INTEGER* number);  // Nothing if negative or over 20 octets.
std::chrono::sys_seconds TimeValue(const ASN1_TIME* time);         // The epoch for what is no time.
bool IsTime(const ASN1_TIME* time);  // Says whether it is there and names a moment.

// Returns `text` with "?" for each byte that is no printable ASCII.
std::string PrintableText(std::string_view text);

// Returns `text` with "?" for each control character and each byte that is no UTF-8: words that quote what
// came from outside are going to be read on a terminal.
std::string OneLine(std::string_view text);

// Returns `words` cut to what a line of a report bears: names and serial numbers come from outside, and one
// of them may be as long as a file.
std::string Shortened(std::string words);

}  // namespace certfs::openssl
