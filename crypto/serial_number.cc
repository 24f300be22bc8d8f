#include "crypto/serial_number.h"

#include <openssl/rand.h>

#include <algorithm>
#include <span>

#include "crypto/certificate.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/words.h"

namespace certfs {

namespace {

std::optional<std::uint8_t> DigitValue(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

Result<SerialNumber> RandomSerialNumber() {
  const openssl::EmptyQueue empty;
  SerialNumber serial{};
  const std::span<std::uint8_t> random = std::span(serial).last(kSerialNumberBytes);
  // A number with a zero first octet would be shorter than others, and so be written in another form.
  while (random[0] == 0) {
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) == 1) continue;
    if (openssl::TakeOutOfMemory()) return Error(ErrorCode::kNoMemory, "no memory for a serial number");
    return Error(ErrorCode::kInternal, "no serial number: OpenSSL gave none");
  }
  return serial;
}

std::string ToText(const SerialNumber& serial) {
  const BytesView own = BytesView(serial).last(kSerialNumberBytes);
  const BytesView beyond = BytesView(serial).first(serial.size() - own.size());
  return std::ranges::all_of(beyond, [](std::uint8_t octet) { return octet == 0; }) ? ToHex(own)
                                                                                    : ToHex(serial);
}

std::optional<SerialNumber> ParseSerialNumber(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::string digits;
  bool between = false;  // A separator was the last character.
  for (const char c : text) {
    if (c == ':' || c == ' ') {
      // Only between octets, and one at a time.
      if (between || digits.size() % 2 != 0 || digits.empty()) return std::nullopt;
      between = true;
      continue;
    }
    if (!DigitValue(c)) return std::nullopt;
    between = false;
    digits.push_back(c);
  }
  if (digits.empty() || between) return std::nullopt;
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, first);
  SerialNumber serial{};
  if (digits.size() > 2 * serial.size()) return std::nullopt;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    // Counted from the end, because the first octet may have one digit.
    const std::size_t place = digits.size() - 1 - i;
    std::uint8_t& octet = serial[serial.size() - 1 - i / 2];
    octet = static_cast<std::uint8_t>(octet | *DigitValue(digits[place]) << (i % 2 == 0 ? 0 : 4));
  }
  return serial;
}

std::optional<SerialNumber> SerialNumberOf(const Certificate& certificate) {
  return openssl::SerialOf(X509_get0_serialNumber(certificate.keyless_handle()));
}

}  // namespace certfs
