#include "crypto/profile.h"

#include <algorithm>
#include <cstdlib>

#include "crypto/host_name.h"
#include "crypto/openssl/distinguished_names.h"

namespace certfs {

namespace {

// The bytes of an empty distinguished name: SEQUENCE {}.
constexpr std::size_t kEmptyNameBytes = 2;

Error Refused(std::string_view rule, std::string words) {
  return {ErrorCode::kRejected, rule, std::move(words)};
}

bool TakesKey(const Profile& profile, const PublicKey& key) {
  const std::string kind = key.Describe();
  constexpr std::string_view kRsa = "RSA ";
  if (kind.starts_with(kRsa))
    return profile.rsa_bits_min != 0 && std::atoi(kind.c_str() + kRsa.size()) >= profile.rsa_bits_min;
  // "EC P-256" is "ec-p256" in a profile.
  std::string word = FoldAscii(kind);
  if (word.starts_with("ec p-")) word = "ec-p" + word.substr(5);
  return std::find(profile.curves.begin(), profile.curves.end(), word) != profile.curves.end();
}

// Says whether `pattern`, of a profile, allows `domain`, in lower case.
bool AllowsDomain(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  return pattern.starts_with('.') ? domain.ends_with(pattern) : domain == pattern;
}

bool AllowsHost(const Profile& profile, std::string_view host) {
  // Whoever certifies "*.example.com" certifies all that is right beneath example.com.
  const bool wildcard = host.starts_with("*.");
  const std::string_view base = wildcard ? host.substr(1) : host;
  return std::any_of(profile.hosts.begin(), profile.hosts.end(), [&](const std::string& pattern) {
    if (wildcard) return pattern == "*" || (pattern.starts_with('.') && base.ends_with(pattern));
    return AllowsDomain(pattern, host);
  });
}

bool AllowsAddress(const Profile& profile, std::string_view address) {
  const auto octets = AddressOctets(address);
  return octets && std::any_of(profile.addresses.begin(), profile.addresses.end(), [&](const auto& pattern) {
           if (pattern == "*") return true;
           const auto range = AddressRange::Parse(pattern);
           return range && range->Holds(*octets);
         });
}

bool AllowsEmail(const Profile& profile, std::string_view email) {
  return std::any_of(profile.emails.begin(), profile.emails.end(), [&](const std::string& pattern) {
    if (pattern.find('@') != std::string::npos) return pattern == email;
    return AllowsDomain(pattern, email.substr(email.rfind('@') + 1));
  });
}

Result<void> CheckWildcard(const Profile& profile, const std::string& host) {
  if (!host.starts_with("*.")) return {};
  if (!profile.wildcards) return Refused("profile-wildcard", host);
  // "*.com" would stand for everybody.
  if (host.find('.', 2) == std::string::npos)
    return Refused("profile-wildcard", host + ": a wildcard right beneath a top level");
  return {};
}

}  // namespace

AlternativeNames NamesUnder(const Profile& profile, const CertificateSubject& subject) {
  AlternativeNames names = subject.names;
  const bool named = !names.hosts.empty() || !names.addresses.empty();
  if (profile.authority || (named ? !LooksLikeHost(subject.common_name) : !profile.host_required))
    return names;
  const auto add = [](std::vector<std::string>& to, std::string name) {
    if (std::ranges::find(to, name) == to.end()) to.push_back(std::move(name));
  };
  if (const auto octets = AddressOctets(subject.common_name)) {
    add(names.addresses, AddressText(*octets));
    return names;
  }
  auto host = ToHost(subject.common_name);
  // Underscores are for those who write them as a host on purpose: "Machine1_Cert" is the name of a thing.
  if (host.has_value() && host.value().find('_') == std::string::npos)
    add(names.hosts, std::move(host).value());
  return names;
}

Result<void> CheckSubject(const Profile& profile, const CertificateSubject& subject) {
  if (!TakesKey(profile, subject.key)) return Refused("profile-key", subject.key.Describe());
  const AlternativeNames names = NamesUnder(profile, subject);
  for (const std::string& host : names.hosts) {
    TRY(CheckWildcard(profile, host));
    if (!AllowsHost(profile, host)) return Refused("profile-name", host);
  }
  for (const std::string& address : names.addresses) {
    if (!AllowsAddress(profile, address)) return Refused("profile-name", address);
  }
  for (const std::string& email : names.emails) {
    if (!AllowsEmail(profile, email)) return Refused("profile-name", email);
  }
  for (const std::string& given : openssl::EmailsOf(subject.name)) {
    const auto email = ToEmail(given);
    if (!AllowsEmail(profile, email.has_value() ? email.value() : given))
      return Refused("profile-name", given);
  }
  if (profile.host_required && names.hosts.empty() && names.addresses.empty())
    return Refused("profile-no-host", "profile " + profile.name);
  const bool nameless = subject.name.size() <= kEmptyNameBytes;
  if (nameless && (profile.authority || names.size() == 0)) return Refused("profile-no-subject", "");
  return {};
}

}  // namespace certfs
