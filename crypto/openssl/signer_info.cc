#include "crypto/openssl/signer_info.h"

#include <openssl/evp.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/signer_rules.h"
#include "crypto/openssl/words.h"

namespace certfs::openssl {

namespace {

constexpr std::size_t kCertificatesMax = 32;

Error Odd(std::string what) { return {ErrorCode::kMalformed, std::move(what)}; }

// An AlgorithmIdentifier: its parameters are absent, or NULL (RFC 5754, 2 and 3).
struct Algorithm {
  BytesView identifier;
  bool plain;
};
Result<Algorithm> ReadAlgorithm(DerReader& reader) {
  DerReader inner = TRY(reader.Enter(kDerSequence));
  Algorithm algorithm{TRY(inner.Take(kDerObjectIdentifier)), true};
  if (inner.empty()) return algorithm;
  const DerElement parameters = TRY(inner.Next());
  algorithm.plain = parameters.tag == kDerNull && parameters.content.empty();
  TRY(inner.End());
  return algorithm;
}

// One SignerInfo, taken apart.
struct SignerInfo {
  BytesView name;            // Issuer and serial number; empty where the signer is told otherwise,
  BytesView key_identifier;  // by this.
  BytesView attributes;      // The content of the SET OF them.
  BytesView signature_algorithm;
  BytesView signature;
};

Result<SignerInfo> ReadSignerInfo(DerReader& reader, const SignedDigest& digest) {
  DerReader inner = TRY(reader.Enter(kDerSequence));
  SignerInfo info{};
  const std::uint64_t version = TRY(inner.Integer());
  if (version == kSignerByName) {
    info.name = TRY(inner.Take(kDerSequence));
  } else if (version == kSignerByKeyIdentifier) {
    info.key_identifier = TRY(inner.Take(DerContextPrimitive(0)));
  } else {
    return Odd("a signature of another version");
  }
  const Algorithm used = TRY(ReadAlgorithm(inner));
  if (!used.plain || !digest.identifier.Is(used.identifier)) return Odd("a signature over another digest");
  // Without attributes the signature would be over the message itself, which may look like attributes
  // (RFC 5652, 5.4): there would be two readings of one signature.
  const auto attributes = TRY(inner.TakeIf(DerContext(0)));
  if (!attributes) return Odd("a signature without signed attributes");
  info.attributes = *attributes;
  const Algorithm signing = TRY(ReadAlgorithm(inner));
  if (!signing.plain) return Odd("a signature with parameters, as RSASSA-PSS has them");
  info.signature_algorithm = signing.identifier;
  info.signature = TRY(inner.Take(kDerOctetString));
  if (!inner.empty()) return Odd("attributes beside the signature that nobody signed");
  return info;
}

struct Tail {
  std::vector<Certificate> certificates;
  SignerInfo info;
};

Result<Tail> ReadTail(BytesView tail, const SignedDigest& digest) {
  DerReader reader(tail);
  Tail read{};
  const auto certificates = TRY(reader.TakeIf(DerContext(0)));
  for (DerReader each(certificates.value_or(BytesView())); !each.empty();) {
    const DerElement element = TRY(each.Next());
    if (element.tag != kDerSequence) return Odd("a certificate of another kind than X.509's");
    if (read.certificates.size() == kCertificatesMax)
      return Odd("more than " + std::to_string(kCertificatesMax) + " certificates");
    auto certificate = Certificate::FromDer(element.encoding);
    if (!certificate.has_value()) return std::move(certificate).error().Within("a certificate in it");
    read.certificates.push_back(std::move(certificate).value());
  }
  if (reader.tag() == DerContext(1))
    return Odd("revocation lists come along, which are not taken from there");
  DerReader signers = TRY(reader.Enter(kDerSet));
  if (signers.empty()) return Odd("nobody has signed it");
  read.info = TRY(ReadSignerInfo(signers, digest));
  if (!signers.empty()) return Odd("several have signed it, where one may");
  TRY(reader.End());
  return read;
}

// What the signed attributes say, as far as it matters here.
struct Attributes {
  BytesView content_type;
  BytesView digest;
  std::optional<std::chrono::sys_seconds> time;
  BytesView certificate;  // Its SHA-256; empty where it is not said.
};

// The single value of an attribute that may stand once (RFC 5652, 11).
Result<DerElement> OnlyValue(BytesView values) {
  DerReader reader(values);
  const DerElement value = TRY(reader.Next());
  TRY(reader.End());
  return value;
}

std::optional<std::chrono::sys_seconds> ReadTime(const DerElement& value) {
  const std::uint8_t* at = value.encoding.data();
  const Handle<ASN1_TIME, ASN1_TIME_free> time(
      d2i_ASN1_TIME(nullptr, &at, static_cast<long>(value.encoding.size())));
  if (!time || !IsTime(time.get())) return std::nullopt;
  return TimeValue(time.get());
}

// SigningCertificateV2 (RFC 5035, 3): the first is the signer's. Nothing for digests other than its default.
Result<BytesView> ReadSigningCertificate(BytesView content) {
  DerReader outer(content);
  DerReader identifiers = TRY(outer.Enter(kDerSequence));
  DerReader first = TRY(identifiers.Enter(kDerSequence));
  if (first.tag() == kDerSequence) {
    const Algorithm algorithm = TRY(ReadAlgorithm(first));
    if (!kSignedDigests[0].identifier.Is(algorithm.identifier)) return BytesView();
  }
  return TRY(first.Take(kDerOctetString));
}

Result<Attributes> ReadAttributes(BytesView content) {
  Attributes attributes{};
  for (DerReader reader(content); !reader.empty();) {
    DerReader attribute = TRY(reader.Enter(kDerSequence));
    const BytesView type = TRY(attribute.Take(kDerObjectIdentifier));
    const BytesView values = TRY(attribute.Take(kDerSet));
    TRY(attribute.End());
    const auto is = [&](const ObjectIdentifier& wanted, std::uint8_t tag,
                        bool known) -> Result<std::optional<DerElement>> {
      if (!wanted.Is(type)) return std::optional<DerElement>();
      const DerElement value = TRY(OnlyValue(values));
      if (known || value.tag != tag)
        return Odd("a signed attribute that stands twice, or is of another kind");
      return std::optional(value);
    };
    if (const auto value = TRY(is(kIdContentType, kDerObjectIdentifier, !attributes.content_type.empty())))
      attributes.content_type = value->content;
    if (const auto value = TRY(is(kIdMessageDigest, kDerOctetString, !attributes.digest.empty())))
      attributes.digest = value->content;
    if (const auto value = TRY(is(kIdSigningCertificateV2, kDerSequence, !attributes.certificate.empty()))) {
      attributes.certificate = TRY(ReadSigningCertificate(value->content));
    }
    if (kIdSigningTime.Is(type)) {
      const auto time = ReadTime(TRY(OnlyValue(values)));
      if (!time || attributes.time) return Odd("a signing time that is none, or stands twice");
      attributes.time = time;
    }
  }
  if (!kIdData.Is(attributes.content_type)) return Odd("a signature over another kind of content");
  if (attributes.digest.empty()) return Odd("a signature without the message's digest");
  return attributes;
}

// The certificate whose key made the signature, out of those that came along.
const Certificate* FindSigner(const Tail& tail) {
  const SignerInfo& info = tail.info;
  const auto found = std::ranges::find_if(tail.certificates, [&](const Certificate& each) {
    return info.name.empty() ? std::ranges::equal(each.subject_key_identifier(), info.key_identifier)
                             : std::ranges::equal(each.IssuerAndSerial(), info.name);
  });
  return found == tail.certificates.end() ? nullptr : &*found;
}

// The words for the signature's algorithm; nothing for one that does not go with key and digest.
std::optional<std::string> AlgorithmWords(BytesView identifier, const EVP_PKEY* key,
                                          const SignedDigest& digest) {
  const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  const bool fits = rsa ? digest.with_rsa.Is(identifier) || kIdRsaEncryption.Is(identifier)
                        : digest.with_ecdsa.Is(identifier);
  if (!fits) return std::nullopt;
  return std::string(rsa ? "RSA with " : "ECDSA with ") + digest.name;
}

bool Verifies(EVP_PKEY* key, const SignedDigest& digest, BytesView attributes, BytesView signature) {
  Bytes signed_bytes;
  DerWriter(signed_bytes).Primitive(kDerSet, attributes);
  const DigestContextHandle context(EVP_MD_CTX_new());
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, digest.name, nullptr, nullptr, key, nullptr) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), signed_bytes.data(),
                          signed_bytes.size()) == 1;
}

}  // namespace

Result<const SignedDigest*> ReadDigests(BytesView digests) {
  DerReader reader(digests);
  if (reader.empty()) return Odd("nobody has signed it");
  const Algorithm algorithm = TRY(ReadAlgorithm(reader));
  if (!reader.empty()) return Odd("signed with several digests, where one may be");
  for (const SignedDigest& each : kSignedDigests) {
    if (algorithm.plain && each.identifier.Is(algorithm.identifier)) return &each;
  }
  return Odd("signed with a digest other than SHA-256, SHA-384 or SHA-512");
}

Result<MessageDigest> MessageDigest::Begin(const SignedDigest& digest) {
  const EmptyQueue empty;
  DigestContextHandle context(EVP_MD_CTX_new());
  if (!context || EVP_DigestInit_ex2(context.get(), EVP_get_digestbyname(digest.name), nullptr) != 1)
    return Error(ErrorCode::kInternal, TakeReason("no digest"));
  return MessageDigest(std::move(context), digest.bytes);
}

Result<void> MessageDigest::Add(BytesView message) {
  const EmptyQueue empty;
  if (EVP_DigestUpdate(context_.get(), message.data(), message.size()) != 1)
    return Error(ErrorCode::kInternal, TakeReason("the digest failed"));
  return {};
}

Result<Bytes> MessageDigest::Finish() {
  const EmptyQueue empty;
  Bytes digest(bytes_);
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1)
    return Error(ErrorCode::kInternal, TakeReason("the digest failed"));
  return digest;
}

Result<MessageSigner> VerifySignature(BytesView tail, const SignedDigest& algorithm, BytesView digest) {
  const EmptyQueue empty;
  const Tail read = TRY(ReadTail(tail, algorithm));
  const Attributes attributes = TRY(ReadAttributes(read.info.attributes));
  const Certificate* const signer = FindSigner(read);
  if (signer == nullptr) return Odd("the signer's certificate does not come along");
  TRY(CheckSigner(*signer));
  EVP_PKEY* const key = X509_get0_pubkey(signer->handle());
  auto words = AlgorithmWords(read.info.signature_algorithm, key, algorithm);
  if (!words) return Odd("a signature by an algorithm that does not go with the key, or is not taken");
  const auto invalid = [&](std::string why) {
    return Error(ErrorCode::kRejected, "signature-invalid",
                 "signature-invalid: the signature does not verify: " + std::move(why));
  };
  if (!attributes.certificate.empty() && !std::ranges::equal(attributes.certificate, signer->fingerprint()))
    return invalid("it was made for another certificate than that which comes along");
  if (!Verifies(key, algorithm, read.info.attributes, read.info.signature))
    return invalid("by the key of " + Shortened(signer->subject()));
  // Looked at last, so that it is said of a signature that somebody has made.
  if (!std::ranges::equal(attributes.digest, digest)) {
    return Error(ErrorCode::kRejected, "message-changed",
                 "message-changed: the content is not what was signed by " + Shortened(signer->subject()));
  }
  MessageSigner found{*signer, {}, attributes.time, *std::move(words)};
  for (const Certificate& each : read.certificates) {
    if (each.fingerprint() != signer->fingerprint()) found.others.push_back(each);
  }
  return found;
}

}  // namespace certfs::openssl
