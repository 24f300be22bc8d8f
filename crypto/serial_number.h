// Serial numbers of certificates (RFC 5280, 4.1.2.2).
//
// Thread-safety: values. Errors: kInternal where the generator has nothing to give.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/result.h"

namespace certfs {

class Certificate;

// A number, big-endian: as many octets as RFC 5280 allows, so that what another keeper of a CA's key issued
// has its place as well.
using SerialNumber = std::array<std::uint8_t, 20>;

// What certfs gives: 128 bits of OpenSSL's generator, the highest octet never zero, in at most 17 octets of
// DER.
inline constexpr std::size_t kSerialNumberBytes = 16;
Result<SerialNumber> RandomSerialNumber();

// Lower-case hexadecimal, 32 digits; 40 where those do not suffice.
std::string ToText(const SerialNumber& serial);

// The reverse: at most 40 digits that count, in either case, "0x" before them, colons and spaces between
// octets. Nothing for any other text.
std::optional<SerialNumber> ParseSerialNumber(std::string_view text);

// The serial number of a certificate, where it is not negative and has at most 20 octets.
std::optional<SerialNumber> SerialNumberOf(const Certificate& certificate);

}  // namespace certfs
