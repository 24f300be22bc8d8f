// Goal: a signed message opens here and by libcrypto's CMS, and theirs here; nothing passes that differs from
// what was signed.
// Method: messages of many sizes by each kind of key; each bit of one flipped, each prefix cut; messages that
// libcrypto signed twice, not at all, or in forms that are not taken.

#include "crypto/signed_data_reader.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/signed_data_writer.h"
#include "tests/support/must.h"
#include "tests/support/recipients.h"
#include "tests/support/rounds.h"
#include "tests/support/vectors.h"

namespace certfs {

namespace {

using test::kVectorTime;
using test::MakeRecipient;
using test::Recipient;

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
void FreeDer(unsigned char* der) { OPENSSL_free(der); }
using Message = std::unique_ptr<CMS_ContentInfo, FreeWith<CMS_ContentInfo_free>>;
using Memory = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

const Recipient& Signer(const std::string& kind) {
  static std::map<std::string, Recipient> made;
  const auto found = made.find(kind);
  if (found != made.end()) return found->second;
  return made.emplace(kind, MakeRecipient(kind, "Signer of " + kind)).first->second;
}

Bytes MessageOf(std::size_t size) {
  Bytes message(size);
  for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return message;
}

Bytes Join(const SignedMessageEnds& ends, const Bytes& message) {
  Bytes all = ends.head;
  all.insert(all.end(), message.begin(), message.end());
  all.insert(all.end(), ends.tail.begin(), ends.tail.end());
  return all;
}

Bytes Sign(const Recipient& signer, const Bytes& message, const std::vector<Certificate>& others = {}) {
  std::vector<Certificate> chain{signer.certificate};
  chain.insert(chain.end(), others.begin(), others.end());
  auto writer = Must(SignedDataWriter::Begin(chain, signer.key, kVectorTime));
  const std::size_t half = message.size() / 2;
  writer.Add(BytesView(message).first(half));
  writer.Add(BytesView(message).subspan(half));
  return Join(Must(writer.Finish()), message);
}

SignedDataSource SourceOf(BytesView bytes, std::size_t at_once = 7) {
  return [bytes, at_once](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({bytes.size(), out.size(), at_once});
    std::copy_n(bytes.begin(), count, out.begin());
    bytes = bytes.subspan(count);
    return count;
  };
}

struct Opened {
  Bytes message;
  MessageSigner signer;
};
Result<Opened> Open(BytesView file, std::size_t at_once = 4096) {
  auto reader = TRY(SignedDataReader::Open(SourceOf(file, at_once)));
  Bytes message;
  std::array<std::uint8_t, 1000> piece{};
  for (;;) {
    const std::size_t got = TRY(reader.Read(piece));
    if (got == 0) break;
    message.insert(message.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  EXPECT_EQ(message.size(), reader.message_bytes());
  return Opened{message, reader.signer()};
}

ErrorCode CodeOf(BytesView file) {
  const auto opened = Open(file);
  EXPECT_FALSE(opened.has_value());
  EXPECT_EQ(ERR_peek_error(), 0U);
  return opened.has_value() ? ErrorCode::kInternal : opened.error().code();
}
std::string_view RuleOf(BytesView file) {
  const auto opened = Open(file);
  return opened.has_value() ? "none" : opened.error().rule();
}

// What libcrypto makes of a message signed by all of `signers`.
Bytes SignedByOpenssl(const std::vector<const Recipient*>& signers, const Bytes& message, unsigned flags,
                      const EVP_MD* digest = nullptr) {
  const Memory content(BIO_new_mem_buf(message.data(), static_cast<int>(message.size())));
  const Message cms(CMS_sign(nullptr, nullptr, nullptr, content.get(), flags | CMS_PARTIAL | CMS_BINARY));
  for (const Recipient* each : signers) {
    EXPECT_NE(CMS_add1_signer(cms.get(), each->certificate.handle(), each->key.handle(), digest,
                              flags | CMS_BINARY),
              nullptr);
  }
  // It finishes none without a signer.
  if (!signers.empty()) {
    EXPECT_EQ(CMS_final(cms.get(), content.get(), nullptr, flags | CMS_BINARY), 1);
  }
  unsigned char* der = nullptr;
  const int size = i2d_CMS_ContentInfo(cms.get(), &der);
  const std::unique_ptr<unsigned char, FreeWith<FreeDer>> owner(der);
  ERR_clear_error();
  return {der, der + size};
}

// The message, as libcrypto verifies it; nothing where it does not.
std::optional<Bytes> VerifiedByOpenssl(const Bytes& file) {
  const unsigned char* at = file.data();
  const Message cms(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(file.size())));
  const Memory out(BIO_new(BIO_s_mem()));
  const bool verified = cms && CMS_verify(cms.get(), nullptr, nullptr, nullptr, out.get(),
                                          CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1;
  ERR_clear_error();
  if (!verified) return std::nullopt;
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return Bytes(data, data + size);
}

TEST(SignedData, OpensAsItWasSigned) {
  for (const char* const kind : {"RSA-2048", "P-256", "P-384", "P-521"}) {
    const Recipient& signer = Signer(kind);
    for (const std::size_t size : {0, 1, 100, 127, 128, 255, 256, 65'535, 65'536, 200'000}) {
      const Bytes message = MessageOf(size);
      const Bytes file = Sign(signer, message, {Signer("P-256").certificate});
      EXPECT_EQ(MessageKindOf(BytesView(file).first(64)), MessageKind::kSigned);
      const Opened opened = Must(Open(file, size < 1000 ? 1 : 4096));
      EXPECT_EQ(opened.message, message) << kind << " " << size;
      EXPECT_EQ(opened.signer.certificate.fingerprint(), signer.certificate.fingerprint());
      EXPECT_EQ(opened.signer.others.size(), std::string_view(kind) == "P-256" ? 0 : 1);
      EXPECT_EQ(opened.signer.signed_at, kVectorTime);
      EXPECT_EQ(VerifiedByOpenssl(file), message) << kind << " " << size;
      EXPECT_EQ(ERR_peek_error(), 0U);
    }
  }
}

TEST(SignedData, WhatLibcryptoSignedOpens) {
  const Bytes message = MessageOf(5000);
  for (const char* const kind : {"RSA-2048", "P-256", "P-384", "P-521"}) {
    for (const unsigned flags :
         {0U, static_cast<unsigned>(CMS_NOSMIMECAP), static_cast<unsigned>(CMS_CADES)}) {
      const Opened opened = Must(Open(SignedByOpenssl({&Signer(kind)}, message, flags)));
      EXPECT_EQ(opened.message, message) << kind;
      EXPECT_EQ(opened.signer.certificate.fingerprint(), Signer(kind).certificate.fingerprint());
    }
    EXPECT_EQ(Must(Open(SignedByOpenssl({&Signer(kind)}, message, 0, EVP_sha512()))).message, message);
  }
}

TEST(SignedData, RefusesSeveralSignersAndNone) {
  const Bytes message = MessageOf(50);
  EXPECT_EQ(CodeOf(SignedByOpenssl({&Signer("P-256"), &Signer("RSA-2048")}, message, 0)),
            ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(SignedByOpenssl({}, message, 0)), ErrorCode::kMalformed);
}

TEST(SignedData, RefusesOtherForms) {
  const Bytes message = MessageOf(50);
  const Recipient& signer = Signer("P-256");
  for (const unsigned flags : {CMS_NOATTR, CMS_NOCERTS, CMS_DETACHED}) {
    EXPECT_EQ(CodeOf(SignedByOpenssl({&signer}, message, flags)), ErrorCode::kMalformed) << flags;
  }
  EXPECT_EQ(CodeOf(SignedByOpenssl({&signer}, message, 0, EVP_sha1())), ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(Bytes{}), ErrorCode::kMalformed);
  EXPECT_EQ(CodeOf(AsBytes("-----BEGIN CMS-----\n")), ErrorCode::kMalformed);
  EXPECT_EQ(MessageKindOf(AsBytes("-----BEGIN CMS-----\n")), MessageKind::kPem);
  EXPECT_EQ(MessageKindOf({}), MessageKind::kOther);
  EXPECT_EQ(MessageKindOf(AsBytes("0")), MessageKind::kOther);
  EXPECT_EQ(MessageKindOf(AsBytes("0\xFF")), MessageKind::kOther);
}

// The length of BER that is not said beforehand, as streams have it.
TEST(SignedData, RefusesIndefiniteLengths) {
  Bytes file = Sign(Signer("P-256"), MessageOf(300));
  ASSERT_EQ(file[1], 0x82);
  file.erase(file.begin() + 2, file.begin() + 4);
  file[1] = 0x80;
  file.insert(file.end(), {0, 0});
  EXPECT_EQ(CodeOf(file), ErrorCode::kMalformed);
}

TEST(SignedData, RefusesAnotherSignersSignature) {
  const Bytes message = MessageOf(100);
  const Recipient real = MakeRecipient("P-256", "Same name");
  // With the same serial number. Only where they are of one length can one stand in for the other.
  Recipient other = MakeRecipient("P-256", "Same name");
  while (other.certificate.der().size() != real.certificate.der().size())
    other = MakeRecipient("P-256", "Same name");
  Bytes file = Sign(real, message);
  const BytesView before = real.certificate.der();
  const BytesView after = other.certificate.der();
  const auto at = std::search(file.begin(), file.end(), before.begin(), before.end());
  ASSERT_NE(at, file.end());
  std::copy(after.begin(), after.end(), at);
  EXPECT_EQ(RuleOf(file), "signature-invalid");
}

TEST(SignedData, TellsAChangedMessageFromAnInvalidSignature) {
  const Bytes message = MessageOf(100);
  auto writer =
      Must(SignedDataWriter::Begin({Signer("P-256").certificate}, Signer("P-256").key, kVectorTime));
  writer.Add(message);
  SignedMessageEnds ends = Must(writer.Finish());
  Bytes changed = message;
  changed[50] ^= 1;
  EXPECT_EQ(RuleOf(Join(ends, changed)), "message-changed");
  EXPECT_EQ(CodeOf(Join(ends, changed)), ErrorCode::kRejected);
  ends.tail.back() ^= 1;
  EXPECT_EQ(RuleOf(Join(ends, message)), "signature-invalid");
}

// A flip either is refused or changes nothing of what was signed, and nothing of who signed.
TEST(SignedData, NoFlippedBitPasses) {
  const Bytes message = MessageOf(40);
  const Recipient& signer = Signer("P-256");
  const Bytes file = Sign(signer, message, {Signer("P-384").certificate});
  std::size_t passed = 0;
  std::size_t others = 0;
  for (std::size_t bit = 0; bit < file.size() * 8; bit += RoundsStride()) {
    Bytes flipped = file;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    const auto opened = Open(flipped);
    EXPECT_EQ(ERR_peek_error(), 0U) << bit;
    if (!opened.has_value()) continue;
    ++passed;
    EXPECT_EQ(opened.value().message, message) << bit;
    EXPECT_EQ(opened.value().signer.certificate.fingerprint(), signer.certificate.fingerprint()) << bit;
    EXPECT_EQ(opened.value().signer.signed_at, kVectorTime) << bit;
    // Only certificates besides are outside of the signature: theirs are to be judged by who relies on them.
    ASSERT_EQ(opened.value().signer.others.size(), 1U) << bit;
    others += opened.value().signer.others[0].fingerprint() != Signer("P-384").certificate.fingerprint();
  }
  // One bit of the number of the version makes 3 of 1.
  EXPECT_LE(passed, others + 1);
  if (RoundsStride() == 1) {
    EXPECT_EQ(passed, others + 1);
  }
}

TEST(SignedData, NoPrefixAndNoSuffixPasses) {
  const Bytes file = Sign(Signer("P-256"), MessageOf(300));
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_EQ(CodeOf(BytesView(file).first(size)), ErrorCode::kMalformed) << size;
  Bytes longer = file;
  longer.push_back(0);
  EXPECT_EQ(CodeOf(longer), ErrorCode::kMalformed);
}

TEST(SignedData, RefusesAHugeDeclaredLength) {
  Bytes file = Sign(Signer("P-256"), MessageOf(300));
  // The whole of it claims 2^56 bytes.
  const Bytes length{0x88, 0x01, 0, 0, 0, 0, 0, 0, 0};
  file.erase(file.begin() + 1, file.begin() + 4);
  file.insert(file.begin() + 1, length.begin(), length.end());
  EXPECT_EQ(CodeOf(file), ErrorCode::kMalformed);
}

TEST(SignedData, PassesOnWhatTheSourceSays) {
  const auto source = [](std::span<std::uint8_t>) -> Result<std::size_t> {
    return Error(ErrorCode::kIo, "the disk is gone");
  };
  const auto opened = SignedDataReader::Open(source);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kIo);
}

TEST(SignedData, RefusesKeysThatSignNoMessages) {
  const Recipient edwards = MakeRecipient("ED25519", "Edwards");
  const auto begun = SignedDataWriter::Begin({edwards.certificate}, edwards.key, kVectorTime);
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().code(), ErrorCode::kUnsupported);
  const auto other = SignedDataWriter::Begin({Signer("P-256").certificate}, Signer("P-384").key, kVectorTime);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(SignedDataWriter::Begin({}, Signer("P-384").key, kVectorTime).has_value());
}

TEST(SignedData, RefusesWeakKeysBeforeTheyAreUsed) {
  const Recipient weak = MakeRecipient("RSA-1024", "Weak");
  EXPECT_EQ(RuleOf(SignedByOpenssl({&weak}, MessageOf(10), 0)), "weak-key");
}

// A signer whose keyUsage is `usage`.
Recipient WithKeyUsage(const char* usage) {
  const Recipient& plain = Signer("P-256");
  const std::unique_ptr<X509, FreeWith<X509_free>> certificate(X509_dup(plain.certificate.handle()));
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_key_usage, usage);
  X509_add_ext(certificate.get(), extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate.get(), plain.key.handle(), EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  const std::unique_ptr<unsigned char, FreeWith<FreeDer>> owner(der);
  return {Must(Certificate::FromDer({der, static_cast<std::size_t>(size)})), plain.key};
}

TEST(SignedData, KeyUsageDecides) {
  const Recipient no = WithKeyUsage("critical,keyAgreement");
  const auto begun = SignedDataWriter::Begin({no.certificate}, no.key, kVectorTime);
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().rule(), "signer-key-usage");
  EXPECT_EQ(RuleOf(SignedByOpenssl({&no}, MessageOf(10), 0)), "signer-key-usage");
  for (const char* const usage : {"digitalSignature", "nonRepudiation"}) {
    const Recipient yes = WithKeyUsage(usage);
    EXPECT_EQ(Must(Open(Sign(yes, MessageOf(10)))).message, MessageOf(10)) << usage;
  }
}

}  // namespace

}  // namespace certfs
