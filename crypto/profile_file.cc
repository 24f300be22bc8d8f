// Reading of profiles. toml++ is used here alone, in the form that returns its errors.

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <openssl/x509v3.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "crypto/base/toml_text.h"
#include "crypto/base/utf8.h"
#include "crypto/host_name.h"
#include "crypto/openssl/words.h"
#include "crypto/profile.h"

namespace certfs {

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{64} << 10;
constexpr std::size_t kListMax = 1000;
constexpr std::size_t kUrlBytesMax = 1024;
constexpr std::int64_t kDaysMax = 36525;
constexpr std::int64_t kBackdateMinutesMax = std::int64_t{7} * 24 * 60;
constexpr std::int64_t kPathLengthMax = 7;  // The chain of a leaf has at most 8 certificates.
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 16384;

struct UsageRow {
  std::string_view word;
  std::uint16_t bit;
};
constexpr std::array kKeyUsages{
    UsageRow{"digitalSignature", KU_DIGITAL_SIGNATURE}, UsageRow{"nonRepudiation", KU_NON_REPUDIATION},
    UsageRow{"contentCommitment", KU_NON_REPUDIATION},  UsageRow{"keyEncipherment", KU_KEY_ENCIPHERMENT},
    UsageRow{"dataEncipherment", KU_DATA_ENCIPHERMENT}, UsageRow{"keyAgreement", KU_KEY_AGREEMENT},
    UsageRow{"keyCertSign", KU_KEY_CERT_SIGN},          UsageRow{"cRLSign", KU_CRL_SIGN},
};

struct PurposeRow {
  std::string_view word;
  std::string_view dotted;
};
constexpr std::string_view kOcspSigning = "1.3.6.1.5.5.7.3.9";
constexpr std::array kPurposes{
    PurposeRow{"serverAuth", "1.3.6.1.5.5.7.3.1"},    PurposeRow{"clientAuth", "1.3.6.1.5.5.7.3.2"},
    PurposeRow{"codeSigning", "1.3.6.1.5.5.7.3.3"},   PurposeRow{"emailProtection", "1.3.6.1.5.5.7.3.4"},
    PurposeRow{"timeStamping", "1.3.6.1.5.5.7.3.8"},  PurposeRow{"OCSPSigning", kOcspSigning},
    PurposeRow{"anyExtendedKeyUsage", "2.5.29.37.0"},
};
constexpr std::array<std::string_view, 4> kCurves{"ec-p256", "ec-p384", "ec-p521", "ed25519"};

Error Wrong(const toml::source_region& where, const std::string& words) {
  return {ErrorCode::kMalformed, "profile",
          "line " + std::to_string(where.begin.line) + ": " + openssl::OneLine(words)};
}

// Says whether `text` is an object identifier that an ObjectIdentifier can hold: arcs of up to 28 bits.
bool IsDotted(std::string_view text) {
  constexpr std::size_t kArcsMax = 16;
  constexpr std::uint32_t kArcMax = (1U << 28) - 1;
  std::array<std::uint32_t, kArcsMax> arcs{};
  std::size_t count = 0;
  std::size_t octets = 0;
  for (;;) {
    const std::size_t dot = text.find('.');
    const std::string_view arc = text.substr(0, dot);
    if (count == kArcsMax || arc.empty() || (arc.size() > 1 && arc.front() == '0')) return false;
    const auto [end, fault] = std::from_chars(arc.data(), arc.data() + arc.size(), arcs[count]);
    if (fault != std::errc() || end != arc.data() + arc.size() || arcs[count] > kArcMax) return false;
    for (std::uint32_t rest = arcs[count];; rest >>= 7) {
      ++octets;
      if (rest < 0x80) break;
    }
    ++count;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return count >= 2 && octets <= 20 && arcs[0] <= 2 && (arcs[0] == 2 || arcs[1] < 40);
}

// Takes the keys of one table, each once; whatever is left is unknown.
class Section {
 public:
  Section(const toml::table& table, std::string name) : table_(table), name_(std::move(name)) {}

  Result<void> Text(std::string_view key, std::string& value) {
    const toml::node* const node = Find(key);
    if (node == nullptr) return {};
    const auto text = node->value_exact<std::string>();
    if (!text) return Wrong(node->source(), Named(key) + " is a text");
    value = *text;
    return {};
  }
  Result<void> Flag(std::string_view key, bool& value) {
    const toml::node* const node = Find(key);
    if (node == nullptr) return {};
    const auto flag = node->value_exact<bool>();
    if (!flag) return Wrong(node->source(), Named(key) + " is true or false");
    value = *flag;
    return {};
  }
  Result<std::optional<std::int64_t>> Number(std::string_view key, std::int64_t least, std::int64_t most) {
    const toml::node* const node = Find(key);
    if (node == nullptr) return std::optional<std::int64_t>();
    const auto number = node->value_exact<std::int64_t>();
    if (!number || *number < least || *number > most) {
      return Wrong(node->source(),
                   Named(key) + " is a number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return std::optional(*number);
  }
  // Calls `take` with each text of a list; its words for one that it does not take become the error.
  template <typename Take>
  Result<void> List(std::string_view key, Take take) {
    const toml::node* const node = Find(key);
    if (node == nullptr) return {};
    const toml::array* const list = node->as_array();
    if (list == nullptr) return Wrong(node->source(), Named(key) + " is a list of texts");
    if (list->size() > kListMax) return Wrong(node->source(), Named(key) + " is too long");
    for (const toml::node& each : *list) {
      const auto text = each.value_exact<std::string>();
      if (!text) return Wrong(each.source(), Named(key) + " is a list of texts");
      if (const std::string fault = take(*text); !fault.empty())
        return Wrong(each.source(), Named(key) + ": '" + text->substr(0, 64) + "' " + fault);
    }
    return {};
  }
  Result<const toml::table*> Table(std::string_view key) {
    const toml::node* const node = Find(key);
    if (node == nullptr) return static_cast<const toml::table*>(nullptr);
    if (!node->is_table()) return Wrong(node->source(), Named(key) + " is a table");
    return node->as_table();
  }

  Result<void> End() const {
    for (const auto& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end())
        return Wrong(key.source(),
                     "'" + std::string(key.str().substr(0, 32)) + "' is not a key that is known");
    }
    return {};
  }
  Error At(std::string_view key, const std::string& words) const {
    const toml::node* const node = table_.get(key);
    return Wrong(node != nullptr ? node->source() : table_.source(), Named(key) + " " + words);
  }
  bool Has(std::string_view key) const { return table_.contains(key); }

 private:
  std::string Named(std::string_view key) const { return name_ + std::string(key); }
  const toml::node* Find(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
  }

  const toml::table& table_;
  std::string name_;
  std::vector<std::string_view> known_;
};

std::string TakeKey(Profile& profile, const std::string& word) {
  if (std::find(kCurves.begin(), kCurves.end(), word) != kCurves.end()) {
    profile.curves.push_back(word);
    return "";
  }
  constexpr std::string_view kRsa = "rsa-";
  constexpr const char* kWords = "is none of ec-p256, ec-p384, ec-p521, ed25519 and rsa-2048 to rsa-16384";
  if (!word.starts_with(kRsa)) return kWords;
  int bits = 0;
  const char* const end = word.data() + word.size();
  const auto [at, fault] = std::from_chars(word.data() + kRsa.size(), end, bits);
  if (fault != std::errc() || at != end || bits < kRsaBitsMin || bits > kRsaBitsMax || bits % 8 != 0)
    return kWords;
  if (profile.rsa_bits_min != 0) return "is the second RSA";
  profile.rsa_bits_min = bits;
  return "";
}

std::string TakePurpose(Profile& profile, const std::string& word) {
  std::string dotted = word;
  for (const PurposeRow& row : kPurposes) {
    if (row.word == word) dotted = row.dotted;
  }
  if (!IsDotted(dotted)) return "is neither a purpose that is known nor an object identifier";
  if (std::find(profile.extended_key_usage.begin(), profile.extended_key_usage.end(), dotted) !=
      profile.extended_key_usage.end()) {
    return "stands twice";
  }
  profile.extended_key_usage.push_back(std::move(dotted));
  return "";
}

// A domain, one behind a dot, or "*"; in the form that names are compared in.
std::string TakeDomain(std::vector<std::string>& list, std::string_view text) {
  if (text == "*") {
    list.emplace_back(text);
    return "";
  }
  const std::string_view dot = text.starts_with('.') ? text.substr(0, 1) : std::string_view();
  const auto domain = ToHost(text.substr(dot.size()));
  if (!domain.has_value() || domain.value().starts_with("*."))
    return "is neither '*', a domain nor one behind a dot";
  list.push_back(std::string(dot) + domain.value());
  return "";
}

std::string TakeEmail(std::vector<std::string>& list, const std::string& text) {
  if (text.find('@') == std::string::npos) return TakeDomain(list, text);
  auto email = ToEmail(text);
  if (!email.has_value()) return "is not an e-mail address";
  list.push_back(std::move(email).value());
  return "";
}

std::string TakeUrl(std::vector<std::string>& list, const std::string& text) {
  const bool known =
      text.starts_with("http://") || text.starts_with("https://") || text.starts_with("ldap://");
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!known || !printable || text.size() > kUrlBytesMax || text.ends_with("//"))
    return "is not a URL of http, https or ldap";
  list.push_back(text);
  return "";
}

Result<void> ReadUsages(Section& section, Profile& profile) {
  TRY(section.Flag("authority", profile.authority));
  TRY(section.List("key_usage", [&](const std::string& word) -> std::string {
    for (const UsageRow& row : kKeyUsages) {
      if (row.word != word) continue;
      profile.key_usage = static_cast<std::uint16_t>(profile.key_usage | row.bit);
      return "";
    }
    return "is not a usage that is known";
  }));
  constexpr std::uint16_t kSigning = KU_KEY_CERT_SIGN | KU_CRL_SIGN;
  if (!profile.authority && (profile.key_usage & kSigning) != 0)
    return section.At("key_usage", "has keyCertSign or cRLSign, which are a CA's");
  if (profile.authority && !section.Has("key_usage")) profile.key_usage = kSigning;
  if (profile.authority && (profile.key_usage & kSigning) != kSigning)
    return section.At("key_usage", "of a CA has keyCertSign and cRLSign");
  if (!profile.authority && profile.key_usage == 0)
    return section.At("key_usage", "is missing: what may the keys be used for?");
  TRY(section.List("extended_key_usage",
                   [&](const std::string& word) { return TakePurpose(profile, word); }));
  TRY(section.Flag("ocsp_no_check", profile.ocsp_no_check));
  const auto& purposes = profile.extended_key_usage;
  if (profile.ocsp_no_check &&
      (profile.authority || std::find(purposes.begin(), purposes.end(), kOcspSigning) == purposes.end())) {
    return section.At("ocsp_no_check", "is for OCSPSigning alone");
  }
  const auto length = TRY(section.Number("path_length", 0, kPathLengthMax));
  if (length && !profile.authority) return section.At("path_length", "is a CA's");
  if (length) profile.path_length = static_cast<int>(*length);
  return {};
}

Result<void> ReadLifetime(Section& section, Profile& profile) {
  if (const auto days = TRY(section.Number("days", 1, kDaysMax))) profile.lifetime = std::chrono::days(*days);
  if (const auto minutes = TRY(section.Number("backdate_minutes", 0, kBackdateMinutesMax)))
    profile.backdate = std::chrono::minutes(*minutes);
  // What is backdated by more than it lives would never be valid.
  if (profile.backdate * 2 > profile.lifetime)
    return section.At("backdate_minutes", "is over half of the lifetime");
  return {};
}

Result<void> ReadNames(const toml::table* table, Profile& profile) {
  profile.host_required = !profile.authority;
  if (table == nullptr) return {};
  Section names(*table, "names.");
  TRY(names.List("hosts", [&](const std::string& text) { return TakeDomain(profile.hosts, text); }));
  TRY(names.List("addresses", [&](const std::string& text) -> std::string {
    if (text != "*" && !AddressRange::Parse(text)) return "is neither '*', an address nor a range";
    profile.addresses.push_back(text);
    return "";
  }));
  TRY(names.List("emails", [&](const std::string& text) { return TakeEmail(profile.emails, text); }));
  TRY(names.Flag("wildcards", profile.wildcards));
  TRY(names.Flag("host_required", profile.host_required));
  return names.End();
}

Result<void> ReadUrls(const toml::table* table, Profile& profile) {
  if (table == nullptr) return {};
  Section urls(*table, "urls.");
  TRY(urls.List("crl", [&](const std::string& text) { return TakeUrl(profile.crl_urls, text); }));
  TRY(urls.List("ocsp", [&](const std::string& text) { return TakeUrl(profile.ocsp_urls, text); }));
  TRY(urls.List("issuer", [&](const std::string& text) { return TakeUrl(profile.issuer_urls, text); }));
  return urls.End();
}

}  // namespace

Result<Profile> Profile::Parse(std::string_view name, BytesView toml) {
  if (toml.size() > kFileBytesMax)
    return Error(ErrorCode::kTooLarge, "profile", "a profile is at most 64 KiB");
  if (!IsUtf8(AsText(toml))) return Error(ErrorCode::kMalformed, "profile", "not UTF-8");
  const toml::parse_result parsed = toml::parse(EscapeBeyondAscii(AsText(toml)));
  if (!parsed) return Wrong(parsed.error().source(), std::string(parsed.error().description()));
  Section section(parsed.table(), "");
  Profile profile;
  profile.name = name;
  TRY(section.Text("description", profile.description));
  if (HasControl(profile.description)) return section.At("description", "has control characters");
  if (section.Has("keys")) {
    TRY(section.List("keys", [&](const std::string& word) { return TakeKey(profile, word); }));
    if (profile.curves.empty() && profile.rsa_bits_min == 0) return section.At("keys", "is empty");
  } else {
    profile.curves.assign(kCurves.begin(), kCurves.end());
    profile.rsa_bits_min = kRsaBitsMin;
  }
  TRY(ReadLifetime(section, profile));
  TRY(ReadUsages(section, profile));
  TRY(ReadNames(TRY(section.Table("names")), profile));
  TRY(ReadUrls(TRY(section.Table("urls")), profile));
  TRY(section.End());
  return profile;
}

}  // namespace certfs
