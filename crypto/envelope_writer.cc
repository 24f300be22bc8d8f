#include "crypto/envelope_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/envelope_frame.h"
#include "crypto/openssl/envelope_recipients.h"
#include "crypto/openssl/gcm_stream.h"
#include "crypto/sealing.h"

namespace certfs {

namespace {

// As much as one call of the cipher takes, and as one call of the sink gets.
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

Result<void> CheckAny(const EnvelopeRecipients& recipients) {
  if (recipients.password.empty() && recipients.certificates.empty())
    return Error(ErrorCode::kPasswordRequired,
                 "there is neither a password nor a certificate to encrypt for");
  return {};
}

}  // namespace

Result<void> CheckEnvelopeRecipient(const Certificate& certificate) {
  TRY(openssl::CertificateRecipientBytes(certificate));
  return {};
}

Result<std::uint64_t> MeasureEnvelope(const EnvelopeRecipients& recipients, std::uint64_t message_bytes) {
  TRY(CheckAny(recipients));
  std::size_t recipient_bytes = 0;
  if (!recipients.password.empty()) recipient_bytes += openssl::PasswordRecipientBytes(recipients.rounds);
  for (const Certificate& certificate : recipients.certificates)
    recipient_bytes += TRY(openssl::CertificateRecipientBytes(certificate));
  const openssl::EnvelopeFrame frame{recipient_bytes, message_bytes};
  TRY(frame.Check());
  return frame.bytes();
}

Result<SealedRecipients> SealRecipients(const EnvelopeRecipients& recipients) {
  TRY(CheckAny(recipients));
  SecretBytes content_key(openssl::kContentKeyBytes);
  TRY(FillRandom({content_key.data(), content_key.size()}));
  std::vector<Bytes> elements;
  if (!recipients.password.empty())
    elements.push_back(TRY(openssl::SealForPassword(recipients.password, recipients.rounds, content_key)));
  for (const Certificate& certificate : recipients.certificates)
    elements.push_back(TRY(openssl::SealForCertificate(certificate, content_key)));
  SortForSetOf(elements);
  Bytes joined;
  for (const Bytes& element : elements) joined.insert(joined.end(), element.begin(), element.end());
  return SealedRecipients{std::move(joined), std::move(content_key)};
}

struct EnvelopeWriter::State {
  EnvelopeSink sink;
  std::uint64_t left;  // Of the message.
  openssl::GcmStream cipher;
  Bytes piece;  // Ciphertext on its way.
};

EnvelopeWriter::EnvelopeWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
EnvelopeWriter::EnvelopeWriter(EnvelopeWriter&&) noexcept = default;
EnvelopeWriter& EnvelopeWriter::operator=(EnvelopeWriter&&) noexcept = default;
EnvelopeWriter::~EnvelopeWriter() = default;

Result<EnvelopeWriter> EnvelopeWriter::Begin(SealedRecipients recipients, std::uint64_t message_bytes,
                                             EnvelopeSink sink) {
  const openssl::EnvelopeFrame frame{recipients.encoding.size(), message_bytes};
  TRY(frame.Check());
  std::array<std::uint8_t, openssl::kGcmNonceBytes> nonce{};
  TRY(FillRandom(nonce));
  TRY(sink(frame.Head(recipients.encoding, nonce)));
  auto cipher = TRY(openssl::GcmStream::Encrypt(recipients.content_key.Reveal(), nonce));
  return EnvelopeWriter(std::unique_ptr<State>(
      new State{std::move(sink), message_bytes, std::move(cipher), Bytes(kPieceBytes)}));
}

Result<void> EnvelopeWriter::Write(BytesView message) {
  if (message.size() > state_->left)
    return Error(ErrorCode::kInvalidArgument, "the message is longer than was said");
  while (!message.empty()) {
    const BytesView next = message.first(std::min(message.size(), kPieceBytes));
    TRY(state_->cipher.Update(next, state_->piece.data()));
    TRY(state_->sink(BytesView(state_->piece).first(next.size())));
    state_->left -= next.size();
    message = message.subspan(next.size());
  }
  return {};
}

Result<void> EnvelopeWriter::Finish() {
  if (state_->left != 0) return Error(ErrorCode::kInvalidArgument, "the message is shorter than was said");
  Bytes tail;
  DerWriter(tail).OctetString(TRY(state_->cipher.Finish()));
  return state_->sink(tail);
}

}  // namespace certfs
