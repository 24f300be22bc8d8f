#include "crypto/request_config.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <string_view>

#include "crypto/base/utf8.h"
#include "crypto/host_name.h"
#include "crypto/openssl/distinguished_names.h"
#include "crypto/openssl/words.h"

namespace certfs {

namespace {

constexpr std::size_t kFileBytes = std::size_t{64} << 10;
constexpr std::size_t kValuesMax = 100;  // Of one line: more names than any certificate needs.

enum class Key {
  kCountry,
  kName,
  kDomainComponent,
  kOrganization,
  kOrgUnit,
  kState,
  kLocality,
  kIpAddress,
  kEmail,
  kHostname,
  kKeyType,
};

struct KeyRow {
  std::string_view word;
  Key key;
  std::size_t bytes_max;  // Of each value: the upper bounds of RFC 5280, A.1, and of DNS.
};

constexpr std::array kKeys{
    KeyRow{"country", Key::kCountry, 2},
    KeyRow{"name", Key::kName, 64},
    KeyRow{"domaincomponent", Key::kDomainComponent, 253},
    KeyRow{"organization", Key::kOrganization, 64},
    KeyRow{"orgunit", Key::kOrgUnit, 64},
    KeyRow{"state", Key::kState, 128},
    KeyRow{"locality", Key::kLocality, 128},
    KeyRow{"ipaddress", Key::kIpAddress, 45},
    KeyRow{"email", Key::kEmail, 254},
    KeyRow{"hostname", Key::kHostname, 253},
    KeyRow{"keytype", Key::kKeyType, 16},
};

// What the template that comes with certool holds: a request with it was never edited.
constexpr std::array<std::string_view, 2> kTemplateValues{"server.acme.com", "email@acme.com"};

struct KeyTypeRow {
  std::string_view word;
  KeyType type;
};
constexpr std::array kKeyTypes{
    KeyTypeRow{"ec-p256", KeyType::kEcP256},
    KeyTypeRow{"ec-p384", KeyType::kEcP384},
    KeyTypeRow{"rsa-3072", KeyType::kRsa3072},
    KeyTypeRow{"rsa-4096", KeyType::kRsa4096},
};

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Error Wrong(std::size_t line, const std::string& reason) {
  return {ErrorCode::kMalformed, "request-config",
          "line " + std::to_string(line) + ": " + openssl::OneLine(reason)};
}

// RFC 5280, A.1: printableString of two letters (ISO 3166).
bool IsCountry(std::string_view text) {
  return text.size() == 2 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
         });
}

// What is wrong with `value` as one of `key`; empty where nothing is.
std::string Fault(Key key, const std::string& value) {
  if (HasControl(value)) return "has control characters";
  const std::string folded = FoldAscii(value);
  if (std::find(kTemplateValues.begin(), kTemplateValues.end(), folded) != kTemplateValues.end())
    return "is certool's template value: edit it";
  switch (key) {
    case Key::kCountry:
      return IsCountry(value) ? "" : "is not a country code of two letters";
    case Key::kHostname:
    case Key::kEmail:
      return "";  // Canonical() tells.
    case Key::kIpAddress:
      return AddressOctets(value) ? "" : "is not an IPv4 or IPv6 address";
    case Key::kDomainComponent:
      return IsDomain(value) ? "" : "is not a domain name";
    case Key::kName:
    case Key::kOrganization:
    case Key::kOrgUnit:
    case Key::kState:
    case Key::kLocality:
    case Key::kKeyType:
      return "";
  }
  return "";
}

// Returns a host or a mailbox as DNS has it, any other value as it is.
Result<std::string> Canonical(Key key, std::string value) {
  if (key == Key::kHostname) return ToHost(value);
  if (key == Key::kEmail) return ToEmail(value);
  return value;
}

bool IsList(Key key) { return key != Key::kName && key != Key::kDomainComponent && key != Key::kKeyType; }

// How much of a value an error repeats.
constexpr std::size_t kShownBytesMax = 32;

// The values of one line: one, or those of a list.
Result<std::vector<std::string>> Values(const KeyRow& row, std::string_view text, std::size_t line) {
  std::vector<std::string> values;
  for (;;) {
    const std::size_t comma = IsList(row.key) ? text.find(',') : std::string_view::npos;
    const std::string value(Trim(text.substr(0, comma)));
    if (value.empty()) return Wrong(line, "a value is missing");
    if (value.size() > row.bytes_max) {
      const std::string shown =
          value.size() <= kShownBytesMax ? value : value.substr(0, kShownBytesMax) + "...";
      return Wrong(line, "'" + shown + "' is over " + std::to_string(row.bytes_max) + " bytes");
    }
    if (const std::string fault = Fault(row.key, value); !fault.empty())
      return Wrong(line, ("'" + value).append("' ").append(fault));
    auto canonical = Canonical(row.key, value);
    if (!canonical.has_value()) return Wrong(line, canonical.error().message());
    values.push_back(std::move(canonical).value());
    if (values.size() > kValuesMax) return Wrong(line, "more than " + std::to_string(kValuesMax) + " values");
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

Result<void> Take(RequestConfig& config, const KeyRow& row, std::vector<std::string> values,
                  std::size_t line) {
  switch (row.key) {
    case Key::kCountry:
      config.countries = std::move(values);
      return {};
    case Key::kState:
      config.states = std::move(values);
      return {};
    case Key::kLocality:
      config.localities = std::move(values);
      return {};
    case Key::kOrganization:
      config.organizations = std::move(values);
      return {};
    case Key::kOrgUnit:
      config.units = std::move(values);
      return {};
    case Key::kHostname:
      config.hosts = std::move(values);
      return {};
    case Key::kIpAddress:
      config.addresses = std::move(values);
      return {};
    case Key::kEmail:
      config.emails = std::move(values);
      return {};
    case Key::kName:
      config.name = std::move(values.front());
      return {};
    case Key::kDomainComponent:
      config.domain_components = LabelsOf(values.front());
      return {};
    case Key::kKeyType:
      for (const KeyTypeRow& known : kKeyTypes) {
        if (known.word == FoldAscii(values.front())) {
          config.key_type = known.type;
          return {};
        }
      }
      return Wrong(line, "KeyType is ec-p256, ec-p384, rsa-3072 or rsa-4096");
  }
  return {};
}

}  // namespace

Result<RequestConfig> RequestConfig::Parse(BytesView file) {
  if (file.size() > kFileBytes)
    return Error(ErrorCode::kTooLarge, "request-config", "a request file is at most 64 KiB");
  std::string_view rest = AsText(file);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());

  RequestConfig config;
  std::bitset<kKeys.size()> seen;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = rest.find('\n');
    const std::string_view text = Trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!IsUtf8(text)) return Wrong(line, "not UTF-8");
    if (text.empty() || text.front() == '#') continue;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return Wrong(line, "not 'Key = value'");
    const std::string word(Trim(text.substr(0, equals)));
    const auto row = std::find_if(kKeys.begin(), kKeys.end(),
                                  [&](const KeyRow& each) { return each.word == FoldAscii(word); });
    if (row == kKeys.end()) return Wrong(line, "'" + word.substr(0, 32) + "' is not a key that is known");
    const auto index = static_cast<std::size_t>(row - kKeys.begin());
    if (seen[index]) return Wrong(line, "'" + word + "' stands twice");
    seen.set(index);
    TRY(Take(config, *row, TRY(Values(*row, text.substr(equals + 1), line)), line));
  }
  if (config.name.empty()) {
    if (config.hosts.empty())
      return Error(ErrorCode::kMalformed, "request-config", "there is neither a Name nor a Hostname");
    // A common name is no place for a host that does not fit (RFC 5280, A.1: ub-common-name); it stands in
    // the subjectAltName all the same.
    if (config.hosts.front().size() <= 64) config.name = config.hosts.front();
  }
  std::size_t parts = config.domain_components.size() + (config.name.empty() ? 0 : 1);
  for (const auto* const each :
       {&config.countries, &config.states, &config.localities, &config.organizations, &config.units})
    parts += each->size();
  if (parts > std::size_t{openssl::kAttributesMax}) {
    return Error(
        ErrorCode::kMalformed, "request-config",
        "a name of " + std::to_string(parts) + " values: at most " + std::to_string(openssl::kAttributesMax));
  }
  return config;
}

}  // namespace certfs
