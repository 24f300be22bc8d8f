#include "crypto/pem.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>

namespace certfs {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kBlocksMax = 64;
constexpr std::string_view kSpace = " \t\r\n\v\f";

// How the lines begin that OpenSSL's tools print around what they write.
constexpr auto kExplanations = std::to_array<std::string_view>({"Bag Attributes",
                                                                "Key Attributes",
                                                                "friendlyName",
                                                                "localKeyID",
                                                                "Certificate:",
                                                                "Certificate Request:",
                                                                "Certificate Revocation List (CRL):",
                                                                "subject",
                                                                "issuer",
                                                                "notBefore=",
                                                                "notAfter=",
                                                                "serial=",
                                                                "SHA1 Fingerprint=",
                                                                "sha1 Fingerprint=",
                                                                "SHA256 Fingerprint=",
                                                                "sha256 Fingerprint=",
                                                                "Private-Key:",
                                                                "RSA Private-Key:",
                                                                "ED25519 Private-Key:",
                                                                "ED448 Private-Key:",
                                                                "Public-Key:",
                                                                "read EC key",
                                                                "read RSA key",
                                                                "writing EC key",
                                                                "writing RSA key"});

Error Unreadable(std::string reason) { return {ErrorCode::kMalformed, "unreadable", std::move(reason)}; }

std::string_view SkipSpace(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpace);
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

// Says whether text that stands outside the blocks is what may stand there: `partial` text may still become
// so.
bool IsExplanation(std::string_view text, bool partial) {
  const std::string_view rest = SkipSpace(text);
  if (rest.empty() || rest.front() == '#') return true;
  return std::any_of(kExplanations.begin(), kExplanations.end(), [&](std::string_view start) {
    return rest.starts_with(start) || (partial && start.starts_with(rest));
  });
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7F : kSpace.find(c) != std::string_view::npos;
  });
}

// Says whether `label` is one (RFC 7468, 3: printable ASCII), and short enough to be repeated in a report.
bool IsLabel(std::string_view label) {
  constexpr std::size_t kLabelMax = 64;
  return label.size() <= kLabelMax &&
         std::all_of(label.begin(), label.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// Yields the lines of a text, without their ends, and where each begins.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  struct Line {
    std::string_view text;
    std::size_t begin;
    std::size_t end;  // One past the newline.
  };

  std::optional<Line> Next() {
    if (at_ >= text_.size()) return std::nullopt;
    const std::size_t begin = at_;
    const std::size_t newline = text_.find('\n', at_);
    const std::size_t stop = newline == std::string_view::npos ? text_.size() : newline;
    at_ = newline == std::string_view::npos ? text_.size() : newline + 1;
    std::string_view line = text_.substr(begin, stop - begin);
    while (!line.empty() && kSpace.find(line.back()) != std::string_view::npos) line.remove_suffix(1);
    return Line{line, begin, at_};
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// Decodes canonical base64 (RFC 4648, 3.5): whole groups, padding only at the end, unused bits zero.
Result<SecretBytes> DecodeBase64(const SecretBytes& text) {
  const BytesView in = text.Reveal();
  if (in.empty()) return Error(ErrorCode::kMalformed, "empty-body", "a PEM block without a body");
  if (in.size() % 4 != 0) return Unreadable("base64 of a length that does not exist");
  std::size_t padding = 0;
  while (padding < 2 && in[in.size() - 1 - padding] == '=') ++padding;
  for (std::size_t i = 0; i < in.size() - padding; ++i) {
    const auto c = static_cast<char>(in[i]);
    const bool known =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    if (!known) return Unreadable("a character that is not base64");
  }
  SecretBytes out(in.size() / 4 * 3);
  if (EVP_DecodeBlock(out.data(), in.data(), static_cast<int>(in.size())) < 0)
    return Unreadable("bad base64");
  out.resize(out.size() - padding);
  SecretBytes again((out.size() + 2) / 3 * 4 + 1);
  EVP_EncodeBlock(again.data(), out.Reveal().data(), static_cast<int>(out.size()));
  if (!EqualSecrets(again.Reveal().first(in.size()), in)) return Unreadable("base64 that is not canonical");
  return out;
}

// Reads the lines of one block, behind its BEGIN line, up to its END line.
Result<PemBlock> ReadBlock(Lines& lines, std::string label) {
  PemBlock block{};
  block.label = std::move(label);
  SecretBytes base64;
  bool in_headers = true;
  bool has_headers = false;
  while (const auto line = lines.Next()) {
    const std::string_view text = line->text;
    if (text.starts_with(kEnd)) {
      if (text != std::string(kEnd) + block.label + std::string(kDashes)) {
        return Unreadable("an END line that does not match its BEGIN line");
      }
      if (has_headers && !block.encrypted)
        return Error(ErrorCode::kMalformed, "pem-headers", "headers in a PEM block");
      block.end = line->end;
      block.body = TRY(DecodeBase64(base64));
      return block;
    }
    if (text.starts_with(kDashes)) return Unreadable("a BEGIN line inside a block");
    // RFC 1421, 4.6: header lines, then an empty one. Only those of an encrypted key are known.
    if (in_headers && text.find(':') != std::string_view::npos) {
      has_headers = true;
      if (text.starts_with("Proc-Type:") && text.find("ENCRYPTED") != std::string_view::npos)
        block.encrypted = true;
      continue;
    }
    if (text.empty()) continue;
    in_headers = false;
    const std::string_view trimmed = SkipSpace(text);
    base64.insert(base64.end(), trimmed.begin(), trimmed.end());
  }
  return Unreadable("a block without an END line");
}

}  // namespace

Result<std::vector<PemBlock>> ReadPem(BytesView input) {
  if (input.size() > kFileBytesMax)
    return Error(ErrorCode::kTooLarge, "too-large", "a file is at most 1 MiB");
  const std::string_view text = AsText(input);
  Lines lines(text);
  std::vector<PemBlock> blocks;
  std::size_t text_at = 0;
  while (const auto line = lines.Next()) {
    if (!line->text.starts_with(kDashes)) continue;
    const bool begins = line->text.starts_with(kBegin) && line->text.ends_with(kDashes) &&
                        line->text.size() > kBegin.size() + kDashes.size();
    if (!begins) return Unreadable("a line of dashes that is no BEGIN line");
    const std::string_view before = text.substr(text_at, line->begin - text_at);
    if (!IsPrintable(before)) return Unreadable("control characters outside the blocks");
    if (blocks.empty() && !IsExplanation(before, false))
      return Unreadable("text that does not belong before PEM");
    if (blocks.size() == kBlocksMax) return Unreadable("more than 64 PEM blocks");
    const std::size_t label_size = line->text.size() - kBegin.size() - kDashes.size();
    const std::string_view label = line->text.substr(kBegin.size(), label_size);
    if (!IsLabel(label)) return Unreadable("a BEGIN line without a proper label");
    PemBlock block = TRY(ReadBlock(lines, std::string(label)));
    block.text_at = text_at;
    block.begin = line->begin;
    text_at = block.end;
    blocks.push_back(std::move(block));
  }
  if (blocks.empty()) return Unreadable("neither PEM nor DER");
  const std::string_view behind = text.substr(text_at);
  if (!IsPrintable(behind) || !IsExplanation(behind, false)) {
    return Error(ErrorCode::kMalformed, "trailing-data", "text after the last PEM block");
  }
  return blocks;
}

SecretBytes WritePem(std::string_view label, BytesView der) {
  constexpr std::size_t kLineBytes = 48;  // 64 characters.
  SecretBytes out;
  const auto add = [&](std::string_view text) { out.insert(out.end(), text.begin(), text.end()); };
  add(kBegin);
  add(label);
  add("-----\n");
  for (std::size_t at = 0; at < der.size(); at += kLineBytes) {
    const BytesView part = der.subspan(at, std::min(kLineBytes, der.size() - at));
    SecretBytes line(kLineBytes / 3 * 4 + 1);
    const int size = EVP_EncodeBlock(line.data(), part.data(), static_cast<int>(part.size()));
    const BytesView written = line.Reveal().first(static_cast<std::size_t>(size));
    out.insert(out.end(), written.begin(), written.end());
    out.push_back('\n');
  }
  add(kEnd);
  add(label);
  add("-----\n");
  return out;
}

bool MayBegin(BytesView start) noexcept {
  if (start.empty() || start.front() == 0x30) return true;
  const std::string_view text = SkipSpace(AsText(start));
  if (text.empty()) return true;
  if (text.front() == '-')
    return text.starts_with("-----BEGIN") || std::string_view("-----BEGIN").starts_with(text);
  return IsExplanation(text, true);
}

}  // namespace certfs
