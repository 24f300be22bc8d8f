#include "crypto/signed_data_writer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "crypto/issuing/signed_objects.h"
#include "crypto/openssl/envelope_format.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/signed_data_format.h"
#include "crypto/openssl/signer_rules.h"
#include "crypto/signer.h"

namespace certfs {

namespace {

using openssl::SignedDigest;

// The digest that `algorithm`, of a signature, is over; null for one that has none of its own.
const SignedDigest* DigestOf(BytesView algorithm) {
  DerReader outer(algorithm);
  auto inner = outer.Enter(kDerSequence);
  if (!inner.has_value()) return nullptr;
  const auto identifier = inner.value().Take(kDerObjectIdentifier);
  if (!identifier.has_value()) return nullptr;
  for (const SignedDigest& each : openssl::kSignedDigests) {
    if (each.with_rsa.Is(identifier.value()) || each.with_ecdsa.Is(identifier.value())) return &each;
  }
  return nullptr;
}

Bytes DigestAlgorithm(const SignedDigest& digest) {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] { der.Identifier(digest.identifier); });  // Without parameters: RFC 5754, 2.
  return out;
}

template <typename Fill>
Bytes Attribute(const ObjectIdentifier& type, Fill&& value) {
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] {
    der.Identifier(type);
    der.Set([&] { value(der); });
  });
  return out;
}

// The content of the SET OF signed attributes (RFC 5652, 11): which certificate signs is among them (RFC
// 5035, 4).
Bytes SignedAttributes(const Certificate& signer, BytesView digest, std::chrono::sys_seconds when) {
  std::vector<Bytes> attributes{
      Attribute(openssl::kIdContentType, [](DerWriter<Bytes>& der) { der.Identifier(openssl::kIdData); }),
      Attribute(openssl::kIdSigningTime, [&](DerWriter<Bytes>& der) { issuing::WriteTime(der, when); }),
      Attribute(openssl::kIdMessageDigest, [&](DerWriter<Bytes>& der) { der.OctetString(digest); }),
      Attribute(openssl::kIdSigningCertificateV2, [&](DerWriter<Bytes>& der) {
        der.Sequence(
            [&] { der.Sequence([&] { der.Sequence([&] { der.OctetString(signer.fingerprint()); }); }); });
      })};
  SortForSetOf(attributes);
  Bytes joined;
  for (const Bytes& each : attributes) joined.insert(joined.end(), each.begin(), each.end());
  return joined;
}

Bytes Tail(const std::vector<Certificate>& chain, const SignedDigest& digest, BytesView attributes,
           BytesView algorithm, BytesView signature) {
  std::vector<Bytes> certificates;
  for (const Certificate& each : chain) certificates.emplace_back(each.der().begin(), each.der().end());
  SortForSetOf(certificates);
  certificates.erase(std::unique(certificates.begin(), certificates.end()), certificates.end());
  Bytes tail;
  DerWriter der(tail);
  der.Context(0, [&] {
    for (const Bytes& each : certificates) der.Raw(each);
  });
  der.Set([&] {
    der.Sequence([&] {
      der.Integer(openssl::kSignerByName);
      der.Sequence([&] { der.Raw(chain.front().IssuerAndSerial()); });
      der.Raw(DigestAlgorithm(digest));
      der.Constructed(DerContext(0), [&] { der.Raw(attributes); });
      der.Raw(algorithm);
      der.OctetString(signature);
    });
  });
  return tail;
}

Bytes Head(const SignedDigest& digest, std::uint64_t message_bytes, std::uint64_t tail_bytes) {
  Bytes digests;
  DerWriter(digests).SetOf({DigestAlgorithm(digest)});
  const openssl::SignedDataFrame frame{digests.size(), message_bytes, tail_bytes};
  Bytes head;
  DerWriter der(head);
  der.Header(kDerSequence, frame.outer_bytes());
  der.Identifier(openssl::kIdSignedData);
  der.Header(DerContext(0), DerBytes(frame.signed_bytes()));
  der.Header(kDerSequence, frame.signed_bytes());
  der.Integer(openssl::kSignerByName);  // The same number for SignedData whose content is id-data.
  der.Raw(digests);
  der.Header(kDerSequence, frame.encapsulated_bytes());
  der.Identifier(openssl::kIdData);
  der.Header(DerContext(0), frame.octets_bytes());
  der.Header(kDerOctetString, message_bytes);
  return head;
}

}  // namespace

struct SignedDataWriter::State {
  std::vector<Certificate> chain;
  std::unique_ptr<Signer> signer;
  const SignedDigest& digest;
  std::chrono::sys_seconds when;
  openssl::DigestContextHandle context;
  std::uint64_t message_bytes = 0;
  bool sound = true;  // OpenSSL has never failed to digest.
};

SignedDataWriter::SignedDataWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SignedDataWriter::SignedDataWriter(SignedDataWriter&&) noexcept = default;
SignedDataWriter& SignedDataWriter::operator=(SignedDataWriter&&) noexcept = default;
SignedDataWriter::~SignedDataWriter() = default;

Result<SignedDataWriter> SignedDataWriter::Begin(std::vector<Certificate> chain, PrivateKey key,
                                                 std::chrono::sys_seconds when) {
  const openssl::EmptyQueue empty;
  if (chain.empty() || !key.Matches(chain.front()))
    return Error(ErrorCode::kInvalidArgument, "the certificate is not of the key that is to sign");
  const std::string kind = key.Describe();
  TRY(openssl::CheckSignerKeyUsage(chain.front()));
  auto signer = TRY(MakeSigner(std::move(key)));
  const SignedDigest* const digest = DigestOf(signer->algorithm());
  if (digest == nullptr || !openssl::IsSignerKey(signer->key().handle())) {
    return Error(ErrorCode::kUnsupported,
                 "messages are signed by RSA keys, or EC on P-256, P-384 or P-521, not by " + kind);
  }
  openssl::DigestContextHandle context(EVP_MD_CTX_new());
  if (!context || EVP_DigestInit_ex2(context.get(), EVP_get_digestbyname(digest->name), nullptr) != 1)
    return Error(ErrorCode::kInternal, openssl::TakeReason("no digest"));
  return SignedDataWriter(std::unique_ptr<State>(
      new State{std::move(chain), std::move(signer), *digest, when, std::move(context)}));
}

void SignedDataWriter::Add(BytesView message) {
  const openssl::EmptyQueue empty;
  state_->sound =
      EVP_DigestUpdate(state_->context.get(), message.data(), message.size()) == 1 && state_->sound;
  state_->message_bytes += message.size();
}

Result<SignedMessageEnds> SignedDataWriter::Finish() {
  const openssl::EmptyQueue empty;
  State& state = *state_;
  Bytes digest(state.digest.bytes);
  if (!state.sound || EVP_DigestFinal_ex(state.context.get(), digest.data(), nullptr) != 1)
    return Error(ErrorCode::kInternal, openssl::TakeReason("the digest failed"));
  const Bytes attributes = SignedAttributes(state.chain.front(), digest, state.when);
  // What is signed is the SET OF that they are; in the message they bear another tag (RFC 5652, 5.4).
  Bytes to_be_signed;
  DerWriter(to_be_signed).Primitive(kDerSet, attributes);
  const Bytes signature = TRY(state.signer->Sign(to_be_signed));
  SignedMessageEnds ends;
  ends.tail = Tail(state.chain, state.digest, attributes, state.signer->algorithm(), signature);
  ends.head = Head(state.digest, state.message_bytes, ends.tail.size());
  return ends;
}

}  // namespace certfs
