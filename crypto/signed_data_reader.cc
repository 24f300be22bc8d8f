#include "crypto/signed_data_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/message_input.h"
#include "crypto/openssl/signed_data_format.h"
#include "crypto/openssl/signer_info.h"

namespace certfs {

namespace {

// Certificates and the signature: a reader holds them in memory before it knows whether any of it is true.
constexpr std::uint64_t kTailBytesMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kDigestsBytesMax = 64;
constexpr std::string_view kPemStart = "-----BEGIN ";

Error NotThisForm() {
  return {ErrorCode::kMalformed,
          "is no signed message in the form that is taken: CMS SignedData in DER, "
          "with the message inside"};
}

// Takes what encloses the message off a source.
class Input : public openssl::MessageInput {
 public:
  explicit Input(SignedDataSource source) : MessageInput(std::move(source), ErrorCode::kMalformed) {}

  // Takes tag and length of an element, which must bear `tag`; returns the length.
  Result<std::uint64_t> Header(std::uint8_t tag) {
    std::array<std::uint8_t, 2> start{};
    TRY(Fill(start));
    if (start[0] != tag) return NotThisForm();
    if (start[1] < 0x80) return std::uint64_t{start[1]};
    const std::size_t octets = start[1] & 0x7FU;
    // None is the indefinite length of BER.
    if (octets == 0 || octets > sizeof(std::uint64_t)) return NotThisForm();
    std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
    TRY(Fill(std::span(bytes).first(octets)));
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < octets; ++i) length = length << 8 | bytes[i];
    // The shortest form of it (X.690, 10.1), and nothing that overflows when it is added up.
    if (bytes[0] == 0 || length < 0x80 || length >> 62 != 0) return NotThisForm();
    return length;
  }

  // Takes the next `count` bytes.
  Result<Bytes> Take(std::uint64_t count) {
    Bytes bytes(static_cast<std::size_t>(count));
    TRY(Fill(bytes));
    return bytes;
  }

  Result<void> Expect(const ObjectIdentifier& identifier) {
    const std::uint64_t length = TRY(Header(kDerObjectIdentifier));
    if (length != identifier.content().size()) return NotThisForm();
    if (!identifier.Is(TRY(Take(length)))) return NotThisForm();
    return {};
  }
};

struct Head {
  const openssl::SignedDigest* digest;
  std::uint64_t message_bytes;
  std::uint64_t tail_bytes;
};

Result<Head> ReadHead(Input& input) {
  const std::uint64_t outer = TRY(input.Header(kDerSequence));
  TRY(input.Expect(openssl::kIdSignedData));
  const std::uint64_t context = TRY(input.Header(DerContext(0)));
  const std::uint64_t inner = TRY(input.Header(kDerSequence));
  // That of messages whose content is plain data (RFC 5652, 5.1): 1, or 3 for a signer who is told by a key
  // identifier.
  if (TRY(input.Header(kDerInteger)) != 1) return NotThisForm();
  const std::uint8_t version = TRY(input.Take(1))[0];
  if (version != openssl::kSignerByName && version != openssl::kSignerByKeyIdentifier) return NotThisForm();
  const std::uint64_t digests = TRY(input.Header(kDerSet));
  if (digests > kDigestsBytesMax) return NotThisForm();
  Head head{TRY(openssl::ReadDigests(TRY(input.Take(digests)))), 0, 0};
  const std::uint64_t encapsulated = TRY(input.Header(kDerSequence));
  TRY(input.Expect(openssl::kIdData));
  const std::uint64_t content = TRY(input.Header(DerContext(0)));
  head.message_bytes = TRY(input.Header(kDerOctetString));

  openssl::SignedDataFrame frame{DerBytes(digests), head.message_bytes, 0};
  if (frame.signed_bytes() > inner) return NotThisForm();
  head.tail_bytes = frame.tail_bytes = inner - frame.signed_bytes();
  // Each element ends where what encloses it does.
  if (content != frame.octets_bytes() || encapsulated != frame.encapsulated_bytes() ||
      context != DerBytes(inner) || outer != frame.outer_bytes() || head.tail_bytes > kTailBytesMax) {
    return NotThisForm();
  }
  return head;
}

}  // namespace

MessageKind MessageKindOf(BytesView start) {
  if (AsText(start).starts_with(kPemStart)) return MessageKind::kPem;
  if (start.size() < 2 || start[0] != kDerSequence) return MessageKind::kOther;
  // The length may reach past what is there, or be indefinite.
  const std::size_t header = start[1] <= 0x80 ? 2 : 2 + (start[1] & 0x7FU);
  if (header >= start.size()) return MessageKind::kOther;
  DerReader reader(start.subspan(header));
  const auto type = reader.Take(kDerObjectIdentifier);
  if (!type.has_value()) return MessageKind::kOther;
  if (openssl::kIdSignedData.Is(type.value())) return MessageKind::kSigned;
  if (openssl::kIdAuthEnvelopedData.Is(type.value())) return MessageKind::kEncrypted;
  if (openssl::kIdEnvelopedData.Is(type.value())) return MessageKind::kEncryptedByOthers;
  return MessageKind::kOther;
}

struct SignedDataReader::State {
  Input input;
  Head head;
  openssl::MessageDigest digest;
  std::uint64_t left;  // Of the message.
  std::optional<MessageSigner> signer;
};

SignedDataReader::SignedDataReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SignedDataReader::SignedDataReader(SignedDataReader&&) noexcept = default;
SignedDataReader& SignedDataReader::operator=(SignedDataReader&&) noexcept = default;
SignedDataReader::~SignedDataReader() = default;

std::uint64_t SignedDataReader::message_bytes() const { return state_->head.message_bytes; }
const MessageSigner& SignedDataReader::signer() const { return state_->signer.value(); }

Result<SignedDataReader> SignedDataReader::Open(SignedDataSource source) {
  Input input(std::move(source));
  const Head head = TRY(ReadHead(input));
  auto digest = TRY(openssl::MessageDigest::Begin(*head.digest));
  return SignedDataReader(std::unique_ptr<State>(
      new State{std::move(input), head, std::move(digest), head.message_bytes, std::nullopt}));
}

Result<std::size_t> SignedDataReader::Read(std::span<std::uint8_t> out) {
  State& state = *state_;
  if (state.signer) return std::size_t{0};
  if (state.left == 0) {
    const Bytes tail = TRY(state.input.Take(state.head.tail_bytes));
    TRY(state.input.ExpectEnd());
    state.signer = TRY(openssl::VerifySignature(tail, *state.head.digest, TRY(state.digest.Finish())));
    return std::size_t{0};
  }
  const auto piece = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), state.left)));
  TRY(state.input.Fill(piece));
  TRY(state.digest.Add(piece));
  state.left -= piece.size();
  return piece.size();
}

}  // namespace certfs
