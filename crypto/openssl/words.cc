#include "crypto/openssl/words.h"

#include <openssl/bn.h>

#include <algorithm>
#include <ctime>

#include "crypto/openssl/error_queue.h"

namespace certfs::openssl {

std::string NameText(const X509_NAME* name) {
  const EmptyQueue empty;
  const BioHandle out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return "?";
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string NumberText(const ASN1_INTEGER* number) {
  const EmptyQueue empty;
  const BignumHandle value(ASN1_INTEGER_to_BN(number, nullptr));
  const TextHandle text(value ? BN_bn2hex(value.get()) : nullptr);
  return text ? std::string(text.get()) : std::string("?");
}

std::optional<SerialNumber> SerialOf(const ASN1_INTEGER* number) {
  SerialNumber serial{};
  const int size = ASN1_STRING_length(number);
  if (ASN1_STRING_type(number) == V_ASN1_NEG_INTEGER || size < 0 ||
      static_cast<std::size_t>(size) > serial.size()) {
    return std::nullopt;
  }
  std::copy_n(ASN1_STRING_get0_data(number), size, serial.end() - size);
  return serial;
}

std::chrono::sys_seconds TimeValue(const ASN1_TIME* time) {
  const EmptyQueue empty;
  std::tm fields{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&fields)));
}

bool IsTime(const ASN1_TIME* time) {
  const EmptyQueue empty;
  std::tm fields{};
  return time != nullptr && ASN1_TIME_to_tm(time, &fields) == 1;
}

std::string PrintableText(std::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (c < ' ' || c > '~') c = '?';
  }
  return printable;
}

std::string Shortened(std::string words) {
  constexpr std::size_t kBytesMax = 256;
  if (words.size() <= kBytesMax) return words;
  std::size_t size = kBytesMax;
  // Not inside a character: the bytes that continue one in UTF-8 begin with the bits 10.
  while (size > 0 && (static_cast<unsigned char>(words[size]) & 0xC0U) == 0x80U) --size;
  words.resize(size);
  return words + "...";
}

}  // namespace certfs::openssl
