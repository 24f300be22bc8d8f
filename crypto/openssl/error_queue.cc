#include "crypto/openssl/error_queue.h"

#include <openssl/bn.h>
#include <openssl/err.h>

#include <ctime>

namespace certfs::openssl {

EmptyQueue::~EmptyQueue() { ERR_clear_error(); }

std::string TakeReason(std::string otherwise) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string words = reason != nullptr ? std::string(reason) : std::move(otherwise);
  ERR_clear_error();
  return words;
}

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

std::string TimeText(std::chrono::sys_seconds time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields)};
}

}  // namespace certfs::openssl
