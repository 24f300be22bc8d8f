// What stands around the recipients and the message of an envelope (RFC 5083, 2.1; RFC 5652, 6.1): a few
// tags and lengths, each of which follows from two sizes. Private to crypto/.
//
// Thread-safety: values.

#pragma once

#include <cstdint>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/openssl/gcm_stream.h"

namespace certfs::openssl {

// A reader holds all recipients in memory before it knows whether any of it is true.
inline constexpr std::size_t kRecipientBytesMax = std::size_t{1} << 20;

struct EnvelopeFrame {
  std::uint64_t recipient_bytes;  // Of all RecipientInfos.
  std::uint64_t message_bytes;

  // kTooLarge for more recipients than a reader takes, or a message that is longer than GCM's longest.
  Result<void> Check() const;

  // Everything before the message; what follows it is the tag, an OCTET STRING. Precondition: `recipients`
  // has recipient_bytes, `nonce` kGcmNonceBytes.
  Bytes Head(BytesView recipients, BytesView nonce) const;

  // The same before the recipients and behind them: a reader compares.
  Bytes BeforeRecipients() const;
  Bytes BehindRecipients(BytesView nonce) const;

  // The whole.
  std::uint64_t bytes() const;

 private:
  // Contents of the nested elements, from the outside in.
  std::uint64_t outer_bytes() const;      // ContentInfo.
  std::uint64_t enveloped_bytes() const;  // AuthEnvelopedData.
  std::uint64_t content_bytes() const;    // EncryptedContentInfo.
};

}  // namespace certfs::openssl
