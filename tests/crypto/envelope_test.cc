// Goal: an envelope opens for each recipient and for nobody else, by our reader and by libcrypto's CMS; no
// changed one passes.
// Method: messages of many sizes to every kind of recipient; each bit of an envelope flipped, each prefix
// cut.

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "crypto/der.h"
#include "crypto/envelope_reader.h"
#include "crypto/envelope_writer.h"
#include "tests/support/must.h"
#include "tests/support/recipients.h"
#include "tests/support/rounds.h"
#include "tests/support/vectors.h"

namespace certfs {

namespace {

using test::MakeRecipient;
using test::Recipient;

// Few, so that thousands of them take no time; any number is accepted up to a bound.
constexpr std::uint32_t kFewRounds = 3;

const SecretBytes& Password() {
  static const SecretBytes password = SecretBytes::CopyOf(AsBytes("correct horse"));
  return password;
}

EnvelopeRecipients RecipientsOf(const SecretBytes* password, const std::vector<Certificate>& certificates) {
  EnvelopeRecipients recipients{{}, certificates, kFewRounds};
  if (password != nullptr) recipients.password = password->Clone();
  return recipients;
}

Bytes MessageOf(std::size_t size) {
  Bytes message(size);
  for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return message;
}

// Writes `message` in pieces of odd sizes.
Bytes Seal(const EnvelopeRecipients& recipients, const Bytes& message) {
  Bytes out;
  auto writer = Must(EnvelopeWriter::Begin(Must(SealRecipients(recipients)), message.size(),
                                           [&](BytesView bytes) -> Result<void> {
                                             out.insert(out.end(), bytes.begin(), bytes.end());
                                             return {};
                                           }));
  for (std::size_t at = 0, step = 1; at < message.size(); step = step * 3 + 1) {
    const std::size_t count = std::min(step, message.size() - at);
    Must(writer.Write(BytesView(message).subspan(at, count)));
    at += count;
  }
  Must(writer.Finish());
  return out;
}

// Hands out `bytes`, a few at a time.
EnvelopeSource SourceOf(BytesView bytes, std::size_t at_once = 7) {
  return [bytes, at_once](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({bytes.size(), out.size(), at_once});
    std::copy_n(bytes.begin(), count, out.begin());
    bytes = bytes.subspan(count);
    return count;
  };
}

Result<Bytes> ReadAll(EnvelopeReader& reader) {
  Bytes message;
  std::array<std::uint8_t, 1000> piece{};
  for (;;) {
    const std::size_t got = TRY(reader.Read(piece));
    if (got == 0) return message;
    message.insert(message.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
}

Result<Bytes> Open(BytesView envelope, const EnvelopeKey& key) {
  auto reader = TRY(EnvelopeReader::Open(SourceOf(envelope), key));
  return ReadAll(reader);
}

template <typename T>
std::string CodeOf(const Result<T>& result) {
  return result.has_value() ? "ok" : std::string(ToString(result.error().code()));
}

// What libcrypto's CMS, hence `openssl cms -decrypt`, makes of it; nothing where it refuses.
std::optional<Bytes> OpenByCms(const Bytes& envelope, const EnvelopeKey& key, X509* certificate = nullptr) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(envelope.data(), static_cast<int>(envelope.size())), BIO_free);
  const std::unique_ptr<CMS_ContentInfo, decltype(&CMS_ContentInfo_free)> cms(d2i_CMS_bio(in.get(), nullptr),
                                                                              CMS_ContentInfo_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  bool opened = cms != nullptr;
  if (opened && std::holds_alternative<SecretBytes>(key)) {
    const BytesView text = std::get<SecretBytes>(key).Reveal();
    Bytes copy(text.begin(), text.end());
    opened = CMS_decrypt_set1_password(cms.get(), copy.data(), static_cast<ossl_ssize_t>(copy.size())) == 1;
  } else if (opened) {
    opened = CMS_decrypt_set1_pkey(cms.get(), std::get<PrivateKey>(key).handle(), certificate) == 1;
  }
  opened = opened && CMS_decrypt(cms.get(), nullptr, nullptr, nullptr, out.get(), CMS_BINARY) == 1;
  ERR_clear_error();
  if (!opened) return std::nullopt;
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return Bytes(data, data + size);
}

const std::vector<Recipient>& AllKinds() {
  static const auto kinds = [] {
    std::vector<Recipient> made;
    for (const char* kind : {"RSA-2048", "RSA-3072", "P-256", "P-384", "P-521"})
      made.push_back(MakeRecipient(kind, kind));
    return made;
  }();
  return kinds;
}

std::vector<Certificate> CertificatesOf(const std::vector<Recipient>& recipients) {
  std::vector<Certificate> certificates;
  for (const Recipient& each : recipients) certificates.push_back(each.certificate);
  return certificates;
}

TEST(EnvelopeTest, EverySizeIsMeasuredAndOpens) {
  // Around each size at which some length takes one more octet, and the writer's own pieces.
  const std::vector<std::size_t> sizes{0,   1,     15,    16,    100,   127,    128,   255,
                                       256, 65000, 65300, 65535, 65536, 131073, 300000};
  for (const std::size_t size : sizes) {
    SCOPED_TRACE(size);
    const Bytes message = MessageOf(size);
    const EnvelopeRecipients recipients = RecipientsOf(&Password(), {});
    const Bytes envelope = Seal(recipients, message);
    EXPECT_EQ(Must(MeasureEnvelope(recipients, size)), envelope.size());
    EXPECT_EQ(Must(Open(envelope, Password().Clone())), message);
    EXPECT_EQ(OpenByCms(envelope, Password().Clone()), message);
  }
}

// No length is computed in less than 64 bits.
TEST(EnvelopeTest, LargeSizesAreMeasured) {
  const EnvelopeRecipients recipients = RecipientsOf(&Password(), {});
  const std::uint64_t empty = Must(MeasureEnvelope(recipients, 0));
  // Of the message and of the four elements around it, each length now takes five octets more than its first.
  EXPECT_EQ(Must(MeasureEnvelope(recipients, std::uint64_t{40} << 30)),
            (std::uint64_t{40} << 30) + empty + 22);
  EXPECT_EQ(CodeOf(MeasureEnvelope(recipients, std::uint64_t{1} << 36)), "too-large");
}

// Whose key may open it can be told without one.
TEST(EnvelopeTest, TellsItsCertificates) {
  const std::vector<Certificate> certificates = CertificatesOf(AllKinds());
  const Bytes envelope = Seal(RecipientsOf(&Password(), certificates), MessageOf(100));
  std::vector<Bytes> wanted;
  for (const Certificate& each : certificates) wanted.push_back(each.IssuerAndSerial());
  std::vector<Bytes> found = Must(ReadEnvelopeRecipients(SourceOf(envelope)));
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, wanted);
  EXPECT_TRUE(Must(ReadEnvelopeRecipients(SourceOf(Seal(RecipientsOf(&Password(), {}), {})))).empty());
  EXPECT_EQ(CodeOf(ReadEnvelopeRecipients(SourceOf(AsBytes("0")))), "malformed");
}

TEST(EnvelopeTest, OpensForEveryRecipient) {
  const Bytes message = MessageOf(5000);
  const EnvelopeRecipients recipients = RecipientsOf(&Password(), CertificatesOf(AllKinds()));
  const Bytes envelope = Seal(recipients, message);
  EXPECT_EQ(Must(MeasureEnvelope(recipients, message.size())), envelope.size());
  EXPECT_EQ(Must(Open(envelope, Password().Clone())), message);
  EXPECT_EQ(OpenByCms(envelope, Password().Clone()), message);
  for (const Recipient& each : AllKinds()) {
    SCOPED_TRACE(each.key.Describe());
    EXPECT_EQ(Must(Open(envelope, each.key)), message);
    EXPECT_EQ(OpenByCms(envelope, each.key, each.certificate.handle()), message);
    EXPECT_EQ(OpenByCms(envelope, each.key), message) << "without its certificate";
  }
}

TEST(EnvelopeTest, OpensForOneRecipientAlone) {
  const Bytes message = MessageOf(100);
  for (const Recipient& each : AllKinds()) {
    SCOPED_TRACE(each.key.Describe());
    const EnvelopeRecipients recipients = RecipientsOf(nullptr, {each.certificate});
    const Bytes envelope = Seal(recipients, message);
    EXPECT_EQ(Must(MeasureEnvelope(recipients, message.size())), envelope.size());
    EXPECT_EQ(Must(Open(envelope, each.key)), message);
    EXPECT_EQ(OpenByCms(envelope, each.key), message);
    EXPECT_EQ(CodeOf(Open(envelope, Password().Clone())), "access-denied");
  }
}

TEST(EnvelopeTest, OpensForNobodyElse) {
  const std::vector<Recipient>& kinds = AllKinds();
  const Bytes message = MessageOf(100);
  const Bytes to_all = Seal(RecipientsOf(&Password(), CertificatesOf(kinds)), message);
  for (const char* wrong : {"", "correct hors", "correct horse ", "Correct horse"})
    EXPECT_EQ(CodeOf(Open(to_all, SecretBytes::CopyOf(AsBytes(wrong)))), "access-denied") << wrong;
  for (const char* kind : {"RSA-2048", "P-256", "P-384", "P-521", "ED25519"})
    EXPECT_EQ(CodeOf(Open(to_all, MakeRecipient(kind, "stranger").key)), "access-denied") << kind;
  const Bytes by_password = Seal(RecipientsOf(&Password(), {}), message);
  for (const Recipient& each : kinds)
    EXPECT_EQ(CodeOf(Open(by_password, each.key)), "access-denied") << each.key.Describe();
}

TEST(EnvelopeTest, NobodyIsNoRecipient) {
  EXPECT_EQ(CodeOf(MeasureEnvelope({}, 1)), "password-required");
  EXPECT_EQ(CodeOf(SealRecipients({})), "password-required");
}

TEST(EnvelopeTest, RefusesKeysThatNothingIsEncryptedTo) {
  for (const char* kind : {"ED25519", "RSA-1024", "P-224"}) {
    SCOPED_TRACE(kind);
    const Certificate certificate = MakeRecipient(kind, "weak").certificate;
    EXPECT_EQ(CodeOf(CheckEnvelopeRecipient(certificate)), "rejected");
    const EnvelopeRecipients recipients = RecipientsOf(&Password(), {certificate});
    EXPECT_EQ(CodeOf(MeasureEnvelope(recipients, 1)), "rejected");
    const auto sealed = SealRecipients(recipients);
    ASSERT_FALSE(sealed.has_value());
    EXPECT_EQ(sealed.error().rule(), "envelope-recipient");
  }
  for (const Recipient& each : AllKinds()) Must(CheckEnvelopeRecipient(each.certificate));
}

TEST(EnvelopeTest, KeepsToTheSizeThatWasSaid) {
  const EnvelopeRecipients recipients = RecipientsOf(&Password(), {});
  const auto begin = [&] {
    return Must(
        EnvelopeWriter::Begin(Must(SealRecipients(recipients)), 3, [](BytesView) { return Result<void>(); }));
  };
  EXPECT_EQ(CodeOf(begin().Write(AsBytes("four"))), "invalid-argument");
  auto writer = begin();
  Must(writer.Write(AsBytes("to")));
  EXPECT_EQ(CodeOf(writer.Finish()), "invalid-argument");
  Must(writer.Write(AsBytes("o")));
  Must(writer.Finish());
}

TEST(EnvelopeTest, FailsAsItsSinkAndItsSource) {
  const Bytes message = MessageOf(1000);
  for (int fail_at = 0; fail_at < 3; ++fail_at) {
    int calls = 0;
    const auto write = [&]() -> Result<void> {
      auto writer = TRY(EnvelopeWriter::Begin(Must(SealRecipients(RecipientsOf(&Password(), {}))),
                                              message.size(), [&](BytesView) -> Result<void> {
                                                if (calls++ == fail_at)
                                                  return Error(ErrorCode::kNoSpace, "the disk is full");
                                                return {};
                                              }));
      TRY(writer.Write(message));
      return writer.Finish();
    };
    EXPECT_EQ(CodeOf(write()), "no-space") << fail_at;
  }
  const Bytes envelope = Seal(RecipientsOf(&Password(), {}), message);
  for (std::size_t good = 0; good < envelope.size(); good += 50) {
    const auto source = [inner = SourceOf(envelope, 10),
                         left = good](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
      if (left < 10) return Error(ErrorCode::kIo, "the disk is broken");
      left -= 10;
      return inner(out);
    };
    const auto read = [&]() -> Result<Bytes> {
      auto reader = TRY(EnvelopeReader::Open(source, Password().Clone()));
      return ReadAll(reader);
    };
    EXPECT_EQ(CodeOf(read()), "io") << good;
  }
}

TEST(EnvelopeTest, EachPrefixIsRefused) {
  const Bytes envelope = Seal(RecipientsOf(&Password(), {}), MessageOf(60));
  for (std::size_t size = 0; size < envelope.size(); ++size) {
    const auto opened = Open(BytesView(envelope).first(size), Password().Clone());
    ASSERT_FALSE(opened.has_value()) << size;
    const bool too_short_to_tell = size < 20;
    if (!too_short_to_tell) {
      EXPECT_EQ(CodeOf(opened), "corrupt") << size;
    }
  }
  Bytes longer = envelope;
  longer.push_back(0);
  EXPECT_EQ(CodeOf(Open(longer, Password().Clone())), "corrupt");
}

// A bit that is another in one's own part, or in what all share, is refused; one in the part of somebody else
// may go unnoticed, and then the message is what it was.
TEST(EnvelopeTest, EachFlippedBitIsRefusedOrHarmless) {
  const Recipient& friend_of_curves = AllKinds()[2];
  const Bytes message = MessageOf(40);
  const Bytes envelope = Seal(RecipientsOf(&Password(), {friend_of_curves.certificate}), message);
  std::size_t harmless = 0;
  for (std::size_t bit = 0; bit < envelope.size() * 8; bit += RoundsStride()) {
    Bytes changed = envelope;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    for (const EnvelopeKey& key : {EnvelopeKey(Password().Clone()), EnvelopeKey(friend_of_curves.key)}) {
      const auto opened = Open(changed, key);
      if (!opened.has_value()) continue;
      ++harmless;
      EXPECT_EQ(opened.value(), message) << bit;
    }
  }
  EXPECT_GT(harmless, 0U);
  const std::size_t shared_bits = (40 + 16 + 60) * 8;
  EXPECT_LT(harmless, 2 * (envelope.size() * 8 - shared_bits));
}

TEST(EnvelopeTest, ASecondReadingIsOfTheSame) {
  const Bytes message = MessageOf(3000);
  const Bytes envelope = Seal(RecipientsOf(&Password(), {}), message);
  const auto first = Must(EnvelopeReader::Open(SourceOf(envelope), Password().Clone()));
  EXPECT_EQ(first.message_bytes(), message.size());
  auto second = Must(EnvelopeReader::OpenAgain(SourceOf(envelope), first));
  EXPECT_EQ(Must(ReadAll(second)), message);

  const Bytes other = Seal(RecipientsOf(&Password(), {}), message);
  EXPECT_EQ(CodeOf(EnvelopeReader::OpenAgain(SourceOf(other), first)), "corrupt");
  Bytes changed = envelope;
  changed[envelope.size() - 1000] ^= 1;
  auto third = Must(EnvelopeReader::OpenAgain(SourceOf(changed), first));
  EXPECT_EQ(CodeOf(ReadAll(third)), "corrupt");
}

// What other programs make of the same standard, and what only looks alike.
TEST(EnvelopeTest, OtherFilesAreNoEnvelopes) {
  Bytes enveloped;  // By libcrypto itself: lengths and recipients in another form.
  {
    const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf("text", 4), BIO_free);
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    const std::unique_ptr<CMS_ContentInfo, decltype(&CMS_ContentInfo_free)> cms(
        CMS_AuthEnvelopedData_create_ex(EVP_aes_256_gcm(), nullptr, nullptr), CMS_ContentInfo_free);
    CMS_set_detached(cms.get(), 0);
    CMS_add1_recipient_cert(cms.get(), AllKinds()[0].certificate.handle(), 0);
    CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY);
    i2d_CMS_bio(out.get(), cms.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    enveloped.assign(data, data + size);
  }
  ASSERT_EQ(OpenByCms(enveloped, AllKinds()[0].key), Bytes({'t', 'e', 'x', 't'}));
  EXPECT_EQ(CodeOf(Open(enveloped, AllKinds()[0].key)), "malformed");

  EXPECT_EQ(CodeOf(Open({}, Password().Clone())), "malformed");
  for (const char* vector : {"leaf.pem", "leaf.key", "crl-5.der"})
    EXPECT_EQ(CodeOf(Open(test::Vector(vector), Password().Clone())), "malformed") << vector;
}

// --- What a hostile file may ask for. Replaces the one place where `from` stands.
Bytes Replaced(Bytes bytes, const Bytes& from, const Bytes& to) {
  const auto at = std::search(bytes.begin(), bytes.end(), from.begin(), from.end());
  EXPECT_NE(at, bytes.end());
  EXPECT_EQ(from.size(), to.size());
  if (at != bytes.end()) std::copy(to.begin(), to.end(), at);
  return bytes;
}

TEST(EnvelopeTest, BoundsWhatAFileMayAskFor) {
  EnvelopeRecipients recipients = RecipientsOf(&Password(), {});
  recipients.rounds = 0x10000;
  const Bytes envelope = Seal(recipients, MessageOf(10));
  const Bytes said{kDerInteger, 3, 0x01, 0x00, 0x00};
  const Bytes fewer{kDerInteger, 3, 0x00, 0xFF, 0xFF};
  const Bytes bound{kDerInteger, 3, 0x4C, 0x4B, 0x40};  // 5,000,000
  const Bytes over{kDerInteger, 3, 0x4C, 0x4B, 0x41};
  EXPECT_EQ(CodeOf(Open(envelope, Password().Clone())), "ok");
  EXPECT_EQ(CodeOf(Open(Replaced(envelope, said, fewer), Password().Clone())), "access-denied");
  EXPECT_EQ(CodeOf(Open(Replaced(envelope, said, bound), Password().Clone())), "access-denied");
  EXPECT_EQ(CodeOf(Open(Replaced(envelope, said, over), Password().Clone())), "malformed");

  // Lengths that lie: of the whole, and of the recipients, up to 2^64 - 1.
  for (const std::size_t octets : {1, 2, 3, 4, 7, 8, 9, 127}) {
    Bytes header{kDerSequence, static_cast<std::uint8_t>(0x80 | octets)};
    header.insert(header.end(), octets, 0xFF);
    header.insert(header.end(), envelope.begin() + 2, envelope.end());
    EXPECT_FALSE(Open(header, Password().Clone()).has_value()) << octets;
  }
}

}  // namespace

}  // namespace certfs
