#include "crypto/host_name.h"

#include <arpa/inet.h>
#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

namespace certfs {

namespace {

constexpr std::size_t kDomainBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kEmailBytesMax = 254;
constexpr std::size_t kEmailLocalBytesMax = 64;

struct FreeIdn {
  void operator()(char* text) const noexcept { idn2_free(text); }
};
using IdnText = std::unique_ptr<char, FreeIdn>;

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsLabel(std::string_view label) {
  if (label.empty() || label.size() > kLabelBytesMax || label.front() == '-' || label.back() == '-')
    return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '-' || c == '_'; });
}

Error Wrong(std::string_view name, std::string_view words) {
  return {ErrorCode::kMalformed, "'" + std::string(name.substr(0, 64)) + "' " + std::string(words)};
}

// Says whether each A-label stands for something (RFC 5890, 2.3.2.1).
bool HasSoundLabels(const std::string& domain) {
  if (domain.find("xn--") == std::string::npos) return true;
  char* raw = nullptr;
  const int code = idn2_to_unicode_8z8z(domain.c_str(), &raw, 0);
  const IdnText text(raw);
  return code == IDN2_OK;
}

}  // namespace

std::string FoldAscii(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

std::vector<std::string> LabelsOf(std::string_view name) {
  std::vector<std::string> labels;
  for (;;) {
    const std::size_t dot = name.find('.');
    labels.emplace_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    name.remove_prefix(dot + 1);
  }
}

bool IsDomain(std::string_view name) {
  if (name.size() > kDomainBytesMax) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!IsLabel(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool IsHost(std::string_view name) {
  return name.size() <= kDomainBytesMax && IsDomain(name.starts_with("*.") ? name.substr(2) : name);
}

bool LooksLikeHost(std::string_view name) {
  if (AddressOctets(name)) return true;
  return IsHost(name) && name.find('.') != std::string_view::npos && name.find('_') == std::string_view::npos;
}

Result<std::string> ToHost(std::string_view host) {
  const std::string_view star = host.starts_with("*.") ? host.substr(0, 2) : std::string_view();
  std::string domain = FoldAscii(host.substr(star.size()));
  if (!IsAscii(domain)) {
    // Where libidn2 would take the name for ended.
    if (domain.find('\0') != std::string::npos) return Wrong(host.substr(0, host.find('\0')), "has a NUL");
    char* raw = nullptr;
    const int code = idn2_to_ascii_8z(domain.c_str(), &raw, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    const IdnText text(raw);
    if (code != IDN2_OK) return Wrong(host, std::string("is not a host name: ") + idn2_strerror(code));
    domain = text.get();
  }
  const std::string whole = std::string(star) + domain;
  if (!IsHost(whole)) return Wrong(host, "is not a host name");
  // A verifier that takes it for one would be told an address that nobody has judged as such.
  if (AddressOctets(domain)) return Wrong(host, "is an address, and no host name");
  if (!HasSoundLabels(domain)) return Wrong(host, "has an A-label that stands for nothing");
  return whole;
}

std::optional<Bytes> AddressOctets(std::string_view text) {
  std::array<std::uint8_t, 16> octets{};
  // inet_pton would stop at a NUL inside.
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string zero_ended(text);
  if (inet_pton(AF_INET, zero_ended.c_str(), octets.data()) == 1)
    return Bytes(octets.begin(), octets.begin() + 4);
  if (inet_pton(AF_INET6, zero_ended.c_str(), octets.data()) == 1) return Bytes(octets.begin(), octets.end());
  return std::nullopt;
}

std::string AddressText(BytesView octets) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(octets.size() == 4 ? AF_INET : AF_INET6, octets.data(), text.data(), text.size());
  return text.data();
}

std::optional<AddressRange> AddressRange::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  auto network = AddressOctets(text.substr(0, slash));
  if (!network) return std::nullopt;
  std::size_t bits = network->size() * 8;
  if (slash != std::string_view::npos) {
    const std::string_view count = text.substr(slash + 1);
    std::size_t asked = 0;
    const auto [end, fault] = std::from_chars(count.data(), count.data() + count.size(), asked);
    if (fault != std::errc() || end != count.data() + count.size() || asked > bits) return std::nullopt;
    bits = asked;
  }
  AddressRange range{*std::move(network), {}};
  range.mask.resize(range.network.size());
  for (std::size_t i = 0; i < range.mask.size(); ++i) {
    const std::size_t here = std::min<std::size_t>(8, bits - std::min(bits, 8 * i));
    range.mask[i] = static_cast<std::uint8_t>(0xFF00U >> here);
    range.network[i] = static_cast<std::uint8_t>(range.network[i] & range.mask[i]);
  }
  return range;
}

bool AddressRange::Holds(BytesView octets) const {
  if (octets.size() != network.size()) return false;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if ((octets[i] & mask[i]) != network[i]) return false;
  }
  return true;
}

bool IsEmail(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (text.size() > kEmailBytesMax || at == std::string_view::npos || at == 0 || at > kEmailLocalBytesMax ||
      !IsDomain(text.substr(at + 1))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

Result<std::string> ToEmail(std::string_view email) {
  const std::size_t at = email.rfind('@');
  if (at == std::string_view::npos) return Wrong(email, "is not an e-mail address");
  const auto domain = ToHost(email.substr(at + 1));
  if (!domain.has_value()) return Wrong(email, "is not an e-mail address");
  std::string whole = std::string(email.substr(0, at + 1)) + domain.value();
  if (!IsEmail(whole)) return Wrong(email, "is not an e-mail address");
  return whole;
}

}  // namespace certfs
