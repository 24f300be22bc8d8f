// The distinguished encoding rules (X.690, 8 and 10): a writer for what certfs makes itself, a strict reader
// for what must be taken apart by hand, and the arithmetic that tells a size before anything is written.
//
// Thread-safety: values. Ownership: a writer borrows its container, a reader its input, and what a reader
// returns are views of that input. Errors: kMalformed, with what was expected. Tags are the identifier octet
// as it stands in the file; those of more than one octet are not known here.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/utf8.h"

namespace certfs {

inline constexpr std::uint8_t kDerBoolean = 0x01;
inline constexpr std::uint8_t kDerInteger = 0x02;
inline constexpr std::uint8_t kDerBitString = 0x03;
inline constexpr std::uint8_t kDerOctetString = 0x04;
inline constexpr std::uint8_t kDerNull = 0x05;
inline constexpr std::uint8_t kDerObjectIdentifier = 0x06;
inline constexpr std::uint8_t kDerUtf8String = 0x0C;
inline constexpr std::uint8_t kDerBmpString = 0x1E;
inline constexpr std::uint8_t kDerSequence = 0x30;
inline constexpr std::uint8_t kDerSet = 0x31;

// The tag [number] of a context: constructed (an explicit tag, or an implicit one of a SEQUENCE or SET), or
// primitive (an implicit one of anything else). Precondition: number < 31.
constexpr std::uint8_t DerContext(unsigned number) { return static_cast<std::uint8_t>(0xA0 | number); }
constexpr std::uint8_t DerContextPrimitive(unsigned number) {
  return static_cast<std::uint8_t>(0x80 | number);
}

// How many bytes tag and length take in front of `content_bytes` bytes.
constexpr std::size_t DerHeaderBytes(std::size_t content_bytes) {
  if (content_bytes < 0x80) return 2;
  std::size_t octets = 0;
  for (; content_bytes != 0; content_bytes >>= 8) ++octets;
  return 2 + octets;
}

// How many bytes an element with that much content takes.
constexpr std::size_t DerBytes(std::size_t content_bytes) {
  return DerHeaderBytes(content_bytes) + content_bytes;
}

// An object identifier, from its dotted text ("1.2.840.113549.1.7.1"). For constants: text that is none does
// not compile there, and aborts elsewhere.
class ObjectIdentifier {
 public:
  constexpr explicit ObjectIdentifier(std::string_view dotted) {
    const std::uint64_t root = Arc(dotted);
    const std::uint64_t second = Arc(dotted);
    if (root > 2 || (root < 2 && second > 39)) std::abort();
    Put(root * 40 + second);
    while (!dotted.empty()) Put(Arc(dotted));
  }

  // The content octets (X.690, 8.19), without tag and length.
  constexpr BytesView content() const { return {bytes_.data(), size_}; }

  // Says whether `content`, as a reader gives it, is this identifier.
  bool Is(BytesView content) const;

 private:
  // Takes the first number, and the dot behind it, off `dotted`.
  static constexpr std::uint64_t Arc(std::string_view& dotted) {
    std::size_t i = 0;
    std::uint64_t value = 0;
    for (; i < dotted.size() && dotted[i] != '.'; ++i) {
      if (dotted[i] < '0' || dotted[i] > '9' || value > UINT32_MAX) std::abort();
      value = value * 10 + static_cast<std::uint64_t>(dotted[i] - '0');
    }
    if (i == 0 || i + 1 == dotted.size()) std::abort();
    dotted.remove_prefix(i < dotted.size() ? i + 1 : i);
    return value;
  }

  constexpr void Put(std::uint64_t arc) {
    int shift = 0;
    while (arc >> (shift + 7) != 0) shift += 7;
    for (; shift >= 0; shift -= 7) {
      if (size_ == bytes_.size()) std::abort();
      bytes_[size_++] = static_cast<std::uint8_t>((arc >> shift & 0x7F) | (shift > 0 ? 0x80 : 0));
    }
  }

  std::array<std::uint8_t, 24> bytes_{};
  std::size_t size_ = 0;
};

// Appends `text`, valid UTF-8, as UTF-16 in big-endian order: the form of a BMPString, in which others too
// put characters beyond the basic plane as surrogate pairs. `Container` is Bytes or SecretBytes.
template <typename Container>
void AppendBmp(std::string_view text, Container& out) {
  Writer<Container> writer(out);
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    if (length == 0) std::abort();
    std::uint32_t point = static_cast<std::uint8_t>(text[0]) & (length == 1 ? 0x7FU : 0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
      point = point << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
    }
    if (point >= 0x10000) {
      writer.U16(static_cast<std::uint16_t>(0xD7C0 + (point >> 10)));
      point = 0xDC00 | (point & 0x3FF);
    }
    writer.U16(static_cast<std::uint16_t>(point));
    text.remove_prefix(length);
  }
}

// How many bytes AppendBmp appends.
std::size_t BmpBytes(std::string_view text);

// Appends elements to a container of bytes: Bytes, or SecretBytes where what is written is a secret. What
// encloses others is given a function that writes them, or is put around them afterwards:
//
//   der.Sequence([&] { der.Integer(3); der.OctetString(salt); });
//   const std::size_t start = der.size(); …; der.Enclose(kDerSequence, start);
template <typename Container>
class DerWriter {
 public:
  explicit DerWriter(Container& out) : out_(out) {}

  // How much the container holds.
  std::size_t size() const { return out_.size(); }

  // Puts tag and length in front of everything that was appended since the container held `start` bytes. For
  // content whose making can fail.
  void Enclose(std::uint8_t tag, std::size_t start) {
    const std::size_t content = out_.size() - start;
    Bytes header;
    DerWriter<Bytes>(header).Header(tag, content);
    out_.insert(out_.end() - static_cast<std::ptrdiff_t>(content), header.begin(), header.end());
  }

  template <typename Fill>
  void Constructed(std::uint8_t tag, Fill&& fill) {
    const std::size_t start = out_.size();
    std::forward<Fill>(fill)();
    Enclose(tag, start);
  }
  template <typename Fill>
  void Sequence(Fill&& fill) {
    Constructed(kDerSequence, std::forward<Fill>(fill));
  }
  // The elements of a SET OF have an order (X.690, 11.6): whoever writes more than one uses SetOf.
  template <typename Fill>
  void Set(Fill&& fill) {
    Constructed(kDerSet, std::forward<Fill>(fill));
  }
  // An explicit tag [number], or an implicit one of a constructed type.
  template <typename Fill>
  void Context(unsigned number, Fill&& fill) {
    Constructed(DerContext(number), std::forward<Fill>(fill));
  }
  // An OCTET STRING whose content is DER itself.
  template <typename Fill>
  void OctetStringOf(Fill&& fill) {
    Constructed(kDerOctetString, std::forward<Fill>(fill));
  }

  // A SET OF whole elements, put in order.
  void SetOf(std::vector<Bytes> elements);

  void Primitive(std::uint8_t tag, BytesView content) {
    Header(tag, content.size());
    Raw(content);
  }
  void OctetString(BytesView content) { Primitive(kDerOctetString, content); }
  void Identifier(const ObjectIdentifier& identifier) {
    Primitive(kDerObjectIdentifier, identifier.content());
  }
  void Utf8String(std::string_view text) { Primitive(kDerUtf8String, AsBytes(text)); }
  // Precondition: `text` is valid UTF-8.
  void BmpString(std::string_view text) {
    Constructed(kDerBmpString, [&] { AppendBmp(text, out_); });
  }
  void Null() { Header(kDerNull, 0); }
  void Boolean(bool value) {
    Header(kDerBoolean, 1);
    out_.push_back(value ? 0xFF : 0x00);
  }
  // A number that is not negative.
  void Integer(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes{};
    for (std::size_t i = 0; i < 8; ++i) bytes[7 - i] = static_cast<std::uint8_t>(value >> (8 * i));
    Integer(BytesView(bytes));
  }
  // A number that is not negative, from its bytes, the highest first; leading zeros are left out.
  void Integer(BytesView magnitude) {
    while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
    const bool padded = magnitude.empty() || magnitude[0] >= 0x80;
    Header(kDerInteger, magnitude.size() + (padded ? 1 : 0));
    if (padded) out_.push_back(0);
    Raw(magnitude);
  }

  // Tag and length alone; the content follows by other means.
  void Header(std::uint8_t tag, std::size_t content_bytes) {
    out_.push_back(tag);
    if (content_bytes < 0x80) return out_.push_back(static_cast<std::uint8_t>(content_bytes));
    const std::size_t octets = DerHeaderBytes(content_bytes) - 2;
    out_.push_back(static_cast<std::uint8_t>(0x80 | octets));
    for (std::size_t i = octets; i > 0; --i) {
      out_.push_back(static_cast<std::uint8_t>(content_bytes >> (8 * (i - 1))));
    }
  }
  // Bytes that are DER already, or a part of one.
  void Raw(BytesView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

 private:
  Container& out_;
};

// Puts the encodings in the order of a SET OF (X.690, 11.6).
void SortForSetOf(std::vector<Bytes>& elements);

template <typename Container>
void DerWriter<Container>::SetOf(std::vector<Bytes> elements) {
  SortForSetOf(elements);
  Set([&] {
    for (const Bytes& element : elements) Raw(element);
  });
}

struct DerElement {
  std::uint8_t tag;
  BytesView content;
  BytesView encoding;  // Tag, length and content.
};

// Walks the elements that lie one behind the other in some bytes. Lengths are definite and minimal, and never
// reach past the end; what is inside an element is looked at when it is entered, so that depth is the
// caller's. A failure takes nothing off what remains.
class DerReader {
 public:
  explicit DerReader(BytesView bytes) : rest_(bytes) {}

  bool empty() const noexcept { return rest_.empty(); }
  BytesView rest() const noexcept { return rest_; }

  // Returns the tag of the next element; nothing at the end.
  std::optional<std::uint8_t> tag() const;

  // Takes the next element, whatever it is.
  Result<DerElement> Next();
  // Takes the next element, which must bear `tag`, and returns its content.
  Result<BytesView> Take(std::uint8_t tag);
  // The same, if the next element bears `tag`; takes nothing otherwise.
  Result<std::optional<BytesView>> TakeIf(std::uint8_t tag);
  // Takes the next element and returns a reader of what is in it.
  Result<DerReader> Enter(std::uint8_t tag);

  // Take an INTEGER of 0 to 2^64-1 in its shortest form; an OBJECT IDENTIFIER that is `identifier`.
  Result<std::uint64_t> Integer();
  Result<void> Expect(const ObjectIdentifier& identifier);

  // kMalformed if anything is left.
  Result<void> End() const;

 private:
  BytesView rest_;
};

}  // namespace certfs
