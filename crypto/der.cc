#include "crypto/der.h"

#include <algorithm>
#include <string>

namespace certfs {

namespace {

constexpr std::uint8_t kLongTag = 0x1F;
constexpr std::size_t kLengthOctetsMax = sizeof(std::uint64_t);

Error Malformed(std::string words) { return {ErrorCode::kMalformed, "not DER: " + std::move(words)}; }

std::string TagText(std::uint8_t tag) { return "tag 0x" + ToHex({&tag, 1}); }

}  // namespace

bool ObjectIdentifier::Is(BytesView content) const { return std::ranges::equal(content, this->content()); }

std::size_t BmpBytes(std::string_view text) {
  std::size_t bytes = 0;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    // A character begins with what is no continuation; of those, four bytes are a surrogate pair.
    if ((byte & 0xC0) != 0x80) bytes += byte >= 0xF0 ? 4 : 2;
  }
  return bytes;
}

void SortForSetOf(std::vector<Bytes>& elements) {
  // The shorter one counts as padded with zeros. It differs from a longer one within its own length, because
  // two encodings that are each other's beginning would be one.
  std::sort(elements.begin(), elements.end());
}

std::optional<std::uint8_t> DerReader::tag() const {
  return rest_.empty() ? std::nullopt : std::optional(rest_[0]);
}

Result<DerElement> DerReader::Next() {
  if (rest_.size() < 2) return Malformed("the bytes end where an element should begin");
  if ((rest_[0] & kLongTag) == kLongTag) return Malformed("a tag of more than one octet");
  std::size_t header = 2;
  std::uint64_t length = rest_[1];
  if (length >= 0x80) {
    const std::size_t octets = length & 0x7F;
    if (octets == 0) return Malformed("an indefinite length");
    if (octets > kLengthOctetsMax) return Malformed("a length of more than eight octets");
    if (rest_.size() < header + octets) return Malformed("the bytes end within a length");
    length = 0;
    for (std::size_t i = 0; i < octets; ++i) length = length << 8 | rest_[header + i];
    header += octets;
    if (DerHeaderBytes(length) != header) return Malformed("a length that is not the shortest");
  }
  if (length > rest_.size() - header) return Malformed("an element reaches past the end");
  const auto size = static_cast<std::size_t>(length);
  const DerElement element{rest_[0], rest_.subspan(header, size), rest_.first(header + size)};
  rest_ = rest_.subspan(header + size);
  return element;
}

Result<BytesView> DerReader::Take(std::uint8_t tag) {
  if (!rest_.empty() && rest_[0] != tag)
    return Malformed(TagText(rest_[0]) + " in the place of " + TagText(tag));
  return TRY(Next()).content;
}

Result<std::optional<BytesView>> DerReader::TakeIf(std::uint8_t tag) {
  if (this->tag() != tag) return std::optional<BytesView>();
  return std::optional(TRY(Next()).content);
}

Result<DerReader> DerReader::Enter(std::uint8_t tag) { return DerReader(TRY(Take(tag))); }

Result<std::uint64_t> DerReader::Integer() {
  const DerReader before = *this;
  BytesView number = TRY(Take(kDerInteger));
  const auto failed = [&](const char* words) {
    *this = before;
    return Malformed(words);
  };
  if (number.empty()) return failed("a number without octets");
  if (number[0] >= 0x80) return failed("a negative number");
  if (number.size() > 1 && number[0] == 0) {
    if (number[1] < 0x80) return failed("a number that is not in its shortest form");
    number = number.subspan(1);
  }
  if (number.size() > sizeof(std::uint64_t)) return failed("a number of more than 64 bits");
  std::uint64_t value = 0;
  for (const std::uint8_t byte : number) value = value << 8 | byte;
  return value;
}

Result<void> DerReader::Expect(const ObjectIdentifier& identifier) {
  const DerReader before = *this;
  if (!identifier.Is(TRY(Take(kDerObjectIdentifier)))) {
    *this = before;
    return Malformed("another object identifier than expected");
  }
  return {};
}

Result<void> DerReader::End() const {
  if (!rest_.empty()) return Malformed("bytes follow the last element");
  return {};
}

}  // namespace certfs
