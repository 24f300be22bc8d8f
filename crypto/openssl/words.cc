#include "crypto/openssl/words.h"

#include <openssl/bn.h>

#include <algorithm>
#include <ctime>

#include "crypto/base/bytes.h"
#include "crypto/base/utf8.h"
#include "crypto/openssl/error_queue.h"

namespace certfs::openssl {

namespace {

// The first character of `text`, or the first byte of what is none.
std::string_view FirstOf(std::string_view text) {
  return text.substr(0, std::max<std::size_t>(Utf8Length(text), 1));
}

}  // namespace

std::string NameText(const X509_NAME* name) {
  const EmptyQueue empty;
  const BioHandle out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return "?";
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  std::string_view text(data, static_cast<std::size_t>(size));
  if (!HasControl(text)) return std::string(text);
  // OpenSSL escapes C0 alone; C1 is escaped as any byte may be (RFC 2253, 2.4).
  std::string escaped;
  while (!text.empty()) {
    const std::string_view character = FirstOf(text);
    text.remove_prefix(character.size());
    if (!HasControl(character)) {
      escaped += character;
      continue;
    }
    for (std::size_t i = 0; i < character.size(); ++i)
      escaped += "\\" + ToHex(AsBytes(character.substr(i, 1)));
  }
  return escaped;
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

std::string OneLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const std::string_view character = FirstOf(text);
    if (Utf8Length(text) == 0 || HasControl(character)) {
      line.push_back('?');
    } else {
      line += character;
    }
    text.remove_prefix(character.size());
  }
  return line;
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
