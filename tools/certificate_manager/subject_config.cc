#include "tools/certificate_manager/subject_config.h"

#include <array>
#include <cctype>
#include <utility>

#include "crypto/description.h"
#include "store/name.h"

namespace certfs {

namespace {

struct Attribute {
  std::string type;
  std::string value;
};

struct KeyOfAttribute {
  std::string_view type;  // As RFC 2253 abbreviates it.
  std::string_view key;
  bool list;
};
constexpr std::array kAttributes{
    KeyOfAttribute{"C", "Country", true},           KeyOfAttribute{"ST", "State", true},
    KeyOfAttribute{"L", "Locality", true},          KeyOfAttribute{"O", "Organization", true},
    KeyOfAttribute{"OU", "OrgUnit", true},          KeyOfAttribute{"CN", "Name", false},
    KeyOfAttribute{"DC", "DomainComponent", false},
};

struct KeyOfName {
  std::string_view prefix;  // As SubjectAltNames shows it.
  std::string_view key;
};
constexpr std::array kNames{
    KeyOfName{"DNS:", "Hostname"},
    KeyOfName{"IP Address:", "IPAddress"},
    KeyOfName{"email:", "Email"},
};

struct KeyOfKind {
  std::string_view kind;  // As CertifiedKey shows it.
  std::string_view type;
};
// RSA keys that are shorter than what is made today get the shortest that is.
constexpr std::array kKinds{
    KeyOfKind{"EC P-384", "ec-p384"},  KeyOfKind{"EC P-521", "ec-p384"}, KeyOfKind{"RSA 4096", "rsa-4096"},
    KeyOfKind{"RSA 8192", "rsa-4096"}, KeyOfKind{"RSA ", "rsa-3072"},
};

Error Beyond(const std::string& what) {
  return {ErrorCode::kUnsupported, what + ", which a request file cannot ask for"};
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The octet that the two digits at `at` write, or nothing (RFC 2253, 3).
int Octet(std::string_view text, std::size_t at) {
  int octet = 0;
  for (std::size_t i = at; i < at + 2; ++i) {
    if (i >= text.size() || std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return -1;
    const char digit = text[i];
    octet = octet * 16 + (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
  }
  return octet;
}

// Takes a name as RFC 2253 writes it apart. Its last relative name comes first.
std::vector<Attribute> ReadName(std::string_view text) {
  std::vector<Attribute> attributes;
  Attribute current;
  bool in_value = false;
  const auto end_one = [&] {
    if (!current.type.empty()) attributes.push_back(std::move(current));
    current = Attribute();
    in_value = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      const int octet = Octet(text, i + 1);
      current.value += octet >= 0 ? static_cast<char>(octet) : text[i + 1];
      i += octet >= 0 ? 2 : 1;
    } else if (c == ',' || c == '+') {
      end_one();
    } else if (c == '=' && !in_value) {
      in_value = true;
    } else {
      (in_value ? current.value : current.type) += c;
    }
  }
  end_one();
  return attributes;
}

Result<void> AddSubject(std::string_view subject, std::map<std::string_view, std::string>& values) {
  const std::vector<Attribute> attributes = ReadName(subject);
  // From the least specific on, as certool.cfg lists them; labels of a domain stand the other way round.
  for (auto each = attributes.rbegin(); each != attributes.rend(); ++each) {
    const KeyOfAttribute* row = nullptr;
    for (const KeyOfAttribute& known : kAttributes) {
      if (known.type == each->type) row = &known;
    }
    if (row == nullptr) return Beyond("its subject has " + each->type + "=" + each->value);
    if (row->list && each->value.find(',') != std::string::npos)
      return Beyond("its subject has a comma in " + each->type + "=" + each->value);
    std::string& value = values[row->key];
    if (value.empty()) {
      value = each->value;
    } else if (row->type == "DC") {
      value = each->value + "." + value;
    } else if (row->list) {
      value += ", " + each->value;
    } else {
      return Beyond("its subject has several common names");
    }
  }
  return {};
}

Result<void> AddNames(const std::vector<std::string>& names,
                      std::map<std::string_view, std::string>& values) {
  for (const std::string& name : names) {
    const KeyOfName* row = nullptr;
    for (const KeyOfName& known : kNames) {
      if (name.starts_with(known.prefix)) row = &known;
    }
    if (row == nullptr) return Beyond("it certifies " + name);
    std::string& value = values[row->key];
    value += (value.empty() ? "" : ", ") + name.substr(row->prefix.size());
  }
  return {};
}

// The key of a line, folded, and its value; nothing of a comment.
std::pair<std::string, std::string> ReadLine(std::string_view line) {
  const std::string_view text = Trim(line);
  const std::size_t equals = text.find('=');
  if (text.empty() || text.front() == '#' || equals == std::string_view::npos) return {};
  return {FoldName(Trim(text.substr(0, equals))), std::string(Trim(text.substr(equals + 1)))};
}

template <typename Use>
void ForEachLine(std::string_view text, Use&& use) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    use(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace

Result<std::string> ConfigOf(const Certificate& certificate) {
  return ConfigOf(certificate.subject(), SubjectAltNames(certificate), CertifiedKey(certificate));
}

Result<std::string> ConfigOf(std::string_view subject, const std::vector<std::string>& names,
                             std::string_view key) {
  std::map<std::string_view, std::string> values;
  TRY(AddSubject(subject, values));
  TRY(AddNames(names, values));
  for (const KeyOfKind& row : kKinds) {
    if (!key.starts_with(row.kind)) continue;
    values["KeyType"] = row.type;
    break;
  }
  std::string config;
  for (const auto& [word, value] : values) {
    // Whoever chose the name would say more than a name by it.
    if (value.find_first_of("\r\n") != std::string::npos) return Beyond("its names have a line break");
    config += std::string(word) + " = " + value + "\n";
  }
  return config;
}

std::string WithValue(std::string_view config, std::string_view key, std::string_view value) {
  const std::string replacement = std::string(key) + " = " + std::string(value) + "\n";
  std::string text;
  bool found = false;
  ForEachLine(config, [&](std::string_view line) {
    if (ReadLine(line).first == FoldName(std::string(key))) {
      text += replacement;
      found = true;
    } else {
      text += std::string(line) + "\n";
    }
  });
  return found ? text : text + replacement;
}

std::map<std::string, std::string> ValuesOf(std::string_view config) {
  std::map<std::string, std::string> values;
  ForEachLine(config, [&](std::string_view line) {
    auto [key, value] = ReadLine(line);
    if (!key.empty()) values.emplace(std::move(key), std::move(value));
  });
  return values;
}

}  // namespace certfs
