#include "crypto/envelope_reader.h"

#include <algorithm>
#include <climits>
#include <string>
#include <utility>

#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/envelope_frame.h"
#include "crypto/openssl/envelope_recipients.h"
#include "crypto/openssl/gcm_stream.h"
#include "crypto/openssl/message_input.h"

namespace certfs {

namespace {

Error NotThisForm() {
  return {ErrorCode::kMalformed, "is no CMS AuthEnvelopedData in the form that certfs writes"};
}

// Takes the envelope's own bytes off a source.
class Input : public openssl::MessageInput {
 public:
  explicit Input(EnvelopeSource source) : MessageInput(std::move(source), ErrorCode::kCorrupt) {}

  // Appends the next `count` bytes.
  Result<void> Append(std::size_t count, Bytes& out) {
    const std::size_t start = out.size();
    out.resize(start + count);
    return Fill(std::span(out).subspan(start));
  }

  // Appends tag and length of an element, and returns the length. That it is in its shortest form, and that
  // the tag is the right one, shows when the whole frame is compared.
  Result<std::uint64_t> AppendHeader(Bytes& out) {
    TRY(Append(2, out));
    if (out.back() < 0x80) return std::uint64_t{out.back()};
    const std::size_t octets = out.back() & 0x7FU;
    if (octets == 0 || octets > sizeof(std::uint64_t)) return NotThisForm();
    TRY(Append(octets, out));
    std::uint64_t length = 0;
    for (const std::uint8_t byte : BytesView(out).last(octets)) length = length << 8 | byte;
    return length;
  }
};

// What stands before the message.
struct Head {
  Bytes encoding;
  Bytes recipients;
  Bytes nonce;
  std::uint64_t message_bytes = 0;
};

// Reads up to the recipients; returns how many bytes of these follow.
Result<std::uint64_t> ReadFront(Input& input, Bytes& front) {
  constexpr std::size_t kIdentifierBytes = DerBytes(openssl::kIdAuthEnvelopedData.content().size());
  auto known = [&]() -> Result<void> {
    TRY(input.AppendHeader(front));
    TRY(input.Append(kIdentifierBytes, front));
    DerReader identifier(BytesView(front).last(kIdentifierBytes));
    return identifier.Expect(openssl::kIdAuthEnvelopedData);
  }();
  // Whatever is wrong so early, it is another kind of file; unless it cannot be read at all.
  if (!known.has_value()) {
    const ErrorCode code = known.error().code();
    if (code != ErrorCode::kCorrupt && code != ErrorCode::kMalformed) return std::move(known).error();
    return NotThisForm();
  }
  TRY(input.AppendHeader(front));  // [0]
  TRY(input.AppendHeader(front));  // AuthEnvelopedData
  TRY(input.Append(3, front));     // Its version.
  return input.AppendHeader(front);
}

Result<Head> ReadHead(Input& input) {
  Bytes front;
  const std::uint64_t recipient_bytes = TRY(ReadFront(input, front));
  if (recipient_bytes > openssl::kRecipientBytesMax) return NotThisForm();
  Head head;
  TRY(input.Append(static_cast<std::size_t>(recipient_bytes), head.recipients));

  Bytes behind;
  TRY(input.AppendHeader(behind));  // EncryptedContentInfo
  constexpr std::size_t kIdentifierBytes = DerBytes(openssl::kIdData.content().size());
  TRY(input.Append(kIdentifierBytes, behind));
  const std::uint64_t algorithm_bytes = TRY(input.AppendHeader(behind));
  if (algorithm_bytes > 64) return NotThisForm();
  TRY(input.Append(static_cast<std::size_t>(algorithm_bytes), behind));
  // The nonce is the last but the tag's length, a number of three bytes.
  constexpr std::size_t kFromEnd = openssl::kGcmNonceBytes + 3;
  if (algorithm_bytes < kFromEnd) return NotThisForm();
  head.nonce.assign(behind.end() - kFromEnd, behind.end() - 3);
  head.message_bytes = TRY(input.AppendHeader(behind));
  if (head.message_bytes > openssl::kGcmBytesMax) return NotThisForm();

  const openssl::EnvelopeFrame frame{recipient_bytes, head.message_bytes};
  if (front != frame.BeforeRecipients() || behind != frame.BehindRecipients(head.nonce)) return NotThisForm();
  head.encoding = frame.Head(head.recipients, head.nonce);
  return head;
}

template <typename T>
Result<T> OfRecipients(Result<T> found) {
  if (!found.has_value() && found.error().code() == ErrorCode::kMalformed)
    return std::move(found).error().Within("its recipients are not in the form that certfs writes");
  return found;
}

Result<SecretBytes> ContentKey(BytesView recipients, const EnvelopeKey& key) {
  const SecretBytes* const password = std::get_if<SecretBytes>(&key);
  return OfRecipients(password != nullptr ? openssl::OpenWithPassword(recipients, *password)
                                          : openssl::OpenWithKey(recipients, std::get<PrivateKey>(key)));
}

}  // namespace

Result<std::vector<Bytes>> ReadEnvelopeRecipients(EnvelopeSource source) {
  Input input(std::move(source));
  const Head head = TRY(ReadHead(input));
  return OfRecipients(openssl::CertificatesAmong(head.recipients));
}

struct EnvelopeReader::State {
  Input input;
  Head head;
  SecretBytes content_key;
  openssl::GcmStream cipher;
  std::uint64_t left;  // Of the message.
  Bytes piece;         // Ciphertext on its way.
  bool verified = false;
};

EnvelopeReader::EnvelopeReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
EnvelopeReader::EnvelopeReader(EnvelopeReader&&) noexcept = default;
EnvelopeReader& EnvelopeReader::operator=(EnvelopeReader&&) noexcept = default;
EnvelopeReader::~EnvelopeReader() = default;

std::uint64_t EnvelopeReader::message_bytes() const { return state_->head.message_bytes; }

Result<EnvelopeReader> EnvelopeReader::Open(EnvelopeSource source, const EnvelopeKey& key) {
  Input input(std::move(source));
  Head head = TRY(ReadHead(input));
  SecretBytes content_key = TRY(ContentKey(head.recipients, key));
  auto cipher = TRY(openssl::GcmStream::Decrypt(content_key.Reveal(), head.nonce));
  const std::uint64_t left = head.message_bytes;
  return EnvelopeReader(std::unique_ptr<State>(
      new State{std::move(input), std::move(head), std::move(content_key), std::move(cipher), left, {}}));
}

Result<EnvelopeReader> EnvelopeReader::OpenAgain(EnvelopeSource source, const EnvelopeReader& first) {
  Input input(std::move(source));
  Head head = TRY(ReadHead(input));
  if (head.encoding != first.state_->head.encoding)
    return Error(ErrorCode::kCorrupt, "has changed while it was read");
  SecretBytes content_key = first.state_->content_key.Clone();
  auto cipher = TRY(openssl::GcmStream::Decrypt(content_key.Reveal(), head.nonce));
  const std::uint64_t left = head.message_bytes;
  return EnvelopeReader(std::unique_ptr<State>(
      new State{std::move(input), std::move(head), std::move(content_key), std::move(cipher), left, {}}));
}

Result<std::size_t> EnvelopeReader::Read(std::span<std::uint8_t> out) {
  State& state = *state_;
  if (state.verified) return std::size_t{0};
  if (state.left == 0) {
    openssl::GcmTag tag{};
    std::array<std::uint8_t, 2> header{};
    TRY(state.input.Fill(header));
    TRY(state.input.Fill(tag));
    TRY(state.cipher.Verify(tag));
    if (header != std::array<std::uint8_t, 2>{kDerOctetString, openssl::kGcmTagBytes})
      return Error(ErrorCode::kCorrupt, "no tag follows the message");
    TRY(state.input.ExpectEnd());
    state.verified = true;
    return std::size_t{0};
  }
  const std::size_t count =
      static_cast<std::size_t>(std::min<std::uint64_t>({out.size(), state.left, INT_MAX}));
  if (state.piece.size() < count) state.piece.resize(count);
  const std::span<std::uint8_t> piece = std::span(state.piece).first(count);
  TRY(state.input.Fill(piece));
  TRY(state.cipher.Update(piece, out.data()));
  state.left -= count;
  return count;
}

}  // namespace certfs
