#include "fs/control/payload.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "crypto/bundle.h"
#include "crypto/pem.h"
#include "fs/control/command_line.h"

namespace certfs::control {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kExplanation = "Certificate Request:";
constexpr std::string_view kProfileWord = "profile";
// Beyond it lines are counted from the section's beginning: certool.cfg has an end of its own.
constexpr std::size_t kLinesBeforeMax = std::size_t{32} << 10;

std::string_view TrimBlanks(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The next line of `rest`, without its newline.
std::string_view TakeLine(std::string_view& rest) {
  const std::size_t newline = rest.find('\n');
  const std::string_view line = rest.substr(0, newline);
  rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
  return line;
}

bool IsKeyLabel(std::string_view label) { return label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY"); }

// The value of a line `Profile = client`; nothing for any other line.
std::optional<std::string> ProfileIn(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  if (FoldName(TrimBlanks(line.substr(0, equals))) != kProfileWord) return std::nullopt;
  return std::string(TrimBlanks(line.substr(equals + 1)));
}

// Where PEM begins in `text`: at the line before which nothing but certool.cfg stands.
std::size_t PemStart(std::string_view text) {
  if (text.starts_with(kBegin)) return 0;
  const std::size_t found = text.find("\n" + std::string(kBegin));
  return found == std::string_view::npos ? text.size() : found + 1;
}

// One section of write-entries as it stands.
struct Section {
  std::string path;
  std::string_view text;
  std::size_t line;  // Of its header, from 1.
};

Result<std::vector<Section>> SectionsOf(std::string_view text) {
  std::vector<Section> sections;
  std::string_view rest = text;
  std::size_t begin = 0;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::size_t at = text.size() - rest.size();
    const std::string_view content = TrimBlanks(TakeLine(rest));
    if (!content.starts_with('[') || !content.ends_with(']')) {
      const bool blank = content.empty() || content.starts_with('#');
      if (sections.empty() && !blank)
        return Wrong("line " + std::to_string(line) + ": before any [STORE/ALIAS]");
      continue;
    }
    if (!sections.empty()) sections.back().text = text.substr(begin, at - begin);
    sections.push_back({std::string(content.substr(1, content.size() - 2)), {}, line});
    begin = text.size() - rest.size();
  }
  if (sections.empty()) return Wrong("there is no [STORE/ALIAS]");
  sections.back().text = text.substr(begin);
  return sections;
}

// The PEM of certificates and that of the key, apart: what stands between blocks belongs to neither.
Result<void> SplitPair(BytesView text, EntryOrder& order) {
  return ForEachPemBlock(text, [&](PemBlock block, BytesView of) -> Result<void> {
    const BytesView pem = of.subspan(block.begin, block.end - block.begin);
    if (block.label == "CERTIFICATE") {
      order.certificate.insert(order.certificate.end(), pem.begin(), pem.end());
    } else if (IsKeyLabel(block.label) || block.label == "EC PARAMETERS") {
      order.key.insert(order.key.end(), pem.begin(), pem.end());
    } else {
      return Wrong("a " + block.label + " has no place in an entry");
    }
    return {};
  });
}

bool HoldsCertificate(std::string_view text) {
  return text.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos;
}

Result<EntryOrder> OrderOf(const Section& section) {
  const EntryPath path = TRY(ParseEntryPath(section.path));
  EntryOrder order{path.store, path.alias, {}, {}, {}};
  if (HoldsCertificate(section.text)) {
    TRY(SplitPair(AsBytes(section.text), order));
    return order;
  }
  OrderText text = TRY(ParseOrder(AsBytes(section.text), section.line));
  if (text.profile) order.issue.profile = *text.profile;
  order.issue.config = std::move(text.config);
  order.issue.request = std::move(text.request);
  return order;
}

}  // namespace

Result<EntryPath> ParseEntryPath(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return Wrong("'" + std::string(text) + "' is not STORE/ALIAS");
  // One after the other: a TRY that returns from inside braces leaks what stands before it.
  StoreName store = TRY(StoreName::Parse(text.substr(0, slash)));
  Alias alias = TRY(Alias::Parse(text.substr(slash + 1)));
  return EntryPath{std::move(store), std::move(alias)};
}

Result<Material> ParseMaterial(BytesView text) {
  Material material;
  TRY(ForEachPemBlock(text, [&](PemBlock block, BytesView) -> Result<void> {
    if (block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE") {
      material.certificates.push_back(TRY(Certificate::FromDer(block.body.Reveal())));
    } else if (block.label == "X509 CRL") {
      if (material.list) return Wrong("there are two CRLs");
      material.list = TRY(RevocationList::FromDer(block.body.Reveal()));
    } else if (IsKeyLabel(block.label)) {
      if (material.key) return Wrong("there are two keys");
      if (block.encrypted)
        return Error(ErrorCode::kPasswordRequired, "encrypted-key", "the key is encrypted; decrypt it first");
      material.key = TRY(PrivateKey::FromDer(block.body.Reveal()));
    } else if (block.label != "EC PARAMETERS") {
      return Wrong("a " + block.label + " has no place here");
    }
    return {};
  }));
  return material;
}

Result<Material> ParseKeyAndChain(BytesView text) {
  Material material = TRY(ParseMaterial(text));
  if (!material.key) return Wrong("the private key of the authority is missing");
  if (material.certificates.empty()) return Wrong("the certificate of the authority is missing");
  return material;
}

Result<OrderText> ParseOrder(BytesView bytes, std::size_t lines_before) {
  const std::string_view text = AsText(bytes);
  const std::size_t pem = PemStart(text);
  OrderText order;
  // A request in DER has no lines at all.
  if (!bytes.empty() && bytes.front() == 0x30) {
    order.request = TRY(CertificationRequest::Parse(bytes));
    return order;
  }
  // Lines that are not certool's stay as empty ones, so that its errors name the right line.
  std::string config(lines_before > kLinesBeforeMax ? 0 : lines_before, '\n');
  bool any = false;
  for (std::string_view rest = text.substr(0, pem); !rest.empty();) {
    const std::string_view line = TakeLine(rest);
    const std::string_view content = TrimBlanks(line);
    if (auto profile = ProfileIn(content)) {
      if (order.profile) return Wrong("the profile is named twice");
      order.profile = std::move(profile);
    } else {
      any = any || (!content.empty() && !content.starts_with('#'));
      config += line;
    }
    config += '\n';
  }
  if (pem < text.size()) {
    order.request = TRY(CertificationRequest::Parse(bytes.subspan(pem)));
    // What `openssl req -text` prints before a request is no certool.cfg.
    if (text.starts_with(kExplanation)) any = false;
  }
  if (any) order.config = TRY(RequestConfig::Parse(AsBytes(config)));
  if (!order.request && !order.config) return Wrong("there is neither a request nor anything of certool.cfg");
  return order;
}

Result<std::vector<EntryOrder>> ParseEntryOrders(BytesView text) {
  std::vector<EntryOrder> orders;
  for (const Section& section : TRY(SectionsOf(AsText(text)))) {
    auto order = OrderOf(section);
    if (!order.has_value()) return std::move(order).error().Within("[" + section.path + "]");
    orders.push_back(std::move(order).value());
  }
  return orders;
}

}  // namespace certfs::control
