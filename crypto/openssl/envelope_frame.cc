#include "crypto/openssl/envelope_frame.h"

#include <array>

#include "crypto/der.h"
#include "crypto/openssl/envelope_format.h"

namespace certfs::openssl {

namespace {

constexpr std::size_t kTagElementBytes = DerBytes(kGcmTagBytes);
constexpr std::size_t kVersionBytes = 3;

// AES-256-GCM (RFC 5084, 3.2): the nonce, and the tag's length, which is 12 where nothing is said.
Bytes ContentAlgorithm(BytesView nonce) {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] {
    der.Identifier(kIdAes256Gcm);
    der.Sequence([&] {
      der.OctetString(nonce);
      der.Integer(kGcmTagBytes);
    });
  });
  return out;
}

std::size_t AlgorithmBytes() { return ContentAlgorithm(std::array<std::uint8_t, kGcmNonceBytes>{}).size(); }

}  // namespace

Result<void> EnvelopeFrame::Check() const {
  if (recipient_bytes > kRecipientBytesMax) return Error(ErrorCode::kTooLarge, "too many recipients");
  if (message_bytes > kGcmBytesMax) return Error(ErrorCode::kTooLarge, "a message of more than 64 GiB");
  return {};
}

std::uint64_t EnvelopeFrame::content_bytes() const {
  return DerBytes(kIdData.content().size()) + AlgorithmBytes() + DerBytes(message_bytes);
}

std::uint64_t EnvelopeFrame::enveloped_bytes() const {
  return kVersionBytes + DerBytes(recipient_bytes) + DerBytes(content_bytes()) + kTagElementBytes;
}

std::uint64_t EnvelopeFrame::outer_bytes() const {
  return DerBytes(kIdAuthEnvelopedData.content().size()) + DerBytes(DerBytes(enveloped_bytes()));
}

std::uint64_t EnvelopeFrame::bytes() const { return DerBytes(outer_bytes()); }

Bytes EnvelopeFrame::BeforeRecipients() const {
  Bytes out;
  DerWriter der(out);
  der.Header(kDerSequence, outer_bytes());
  der.Identifier(kIdAuthEnvelopedData);
  der.Header(DerContext(0), DerBytes(enveloped_bytes()));
  der.Header(kDerSequence, enveloped_bytes());
  der.Integer(0);
  der.Header(kDerSet, recipient_bytes);
  return out;
}

Bytes EnvelopeFrame::BehindRecipients(BytesView nonce) const {
  Bytes out;
  DerWriter der(out);
  der.Header(kDerSequence, content_bytes());
  der.Identifier(kIdData);
  der.Raw(ContentAlgorithm(nonce));
  der.Header(DerContextPrimitive(0), message_bytes);
  return out;
}

Bytes EnvelopeFrame::Head(BytesView recipients, BytesView nonce) const {
  Bytes head = BeforeRecipients();
  head.insert(head.end(), recipients.begin(), recipients.end());
  const Bytes behind = BehindRecipients(nonce);
  head.insert(head.end(), behind.begin(), behind.end());
  return head;
}

}  // namespace certfs::openssl
