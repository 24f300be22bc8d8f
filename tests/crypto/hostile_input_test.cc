// Goal: whatever bytes are written, reading and judging them ends soon, crashes nothing, leaves OpenSSL's
// error queue empty, and says which rule refuses them. Method: good files with bytes changed or
// everything behind one cut off; files as large, as deep and as long-winded as the limits allow.

#include <gtest/gtest.h>

#include "crypto/judgement.h"
#include "crypto/pem.h"
#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;
using namespace std::string_view_literals;

// A line of a report stays a line, however long the names in the object are.
constexpr std::size_t kWordsMax = 2048;

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead < 0x80       ? 0
                             : lead >> 5 == 6  ? 1
                             : lead >> 4 == 14 ? 2
                             : lead >> 3 == 30 ? 3
                                               : 9;
    if (more == 9 || i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

// A failure to read names a row of the table, and has that row's code.
void ExpectRule(const Error& error) {
  for (const Rule& rule : Rules()) {
    if (rule.id != error.rule()) continue;
    EXPECT_EQ(error.code(), rule.code) << rule.id;
    EXPECT_LE(error.message().size(), kWordsMax);
    return;
  }
  ADD_FAILURE() << "no row \"" << error.rule() << "\": " << error.message();
}

void ExpectWords(const Verdict& verdict) {
  for (const Finding& finding : verdict.findings()) {
    EXPECT_LE(finding.Describe().size(), kWordsMax) << finding.rule->id;
    EXPECT_TRUE(IsUtf8(finding.Describe())) << finding.rule->id;
  }
}

void ReadAsCertificates(BytesView bytes) {
  auto file = ReadCertificateFile(bytes);
  if (!file.has_value()) return ExpectRule(file.error());
  Arrange(file.value(), nullptr);
  for (const RuleSet rules : {RuleSet::kServer, RuleSet::kGeneral, RuleSet::kTrust}) {
    Question question = Ask(rules);
    question.host = "www.example.com";
    ExpectWords(JudgeCertificates(file.value(), nullptr, question));
  }
  for (const Certificate& certificate : file.value().certificates) {
    EXPECT_TRUE(IsUtf8(certificate.subject()) && IsUtf8(certificate.issuer()));
    EXPECT_FALSE(certificate.serial().empty());
    EXPECT_FALSE(certificate.IssuerAndSerial().empty());
  }
}

void ReadAsKey(BytesView bytes) {
  const auto file = ReadKeyFile(bytes);
  if (!file.has_value()) return ExpectRule(file.error());
  static const CertificateFile partner = File("chain.pem");
  ExpectWords(JudgeKey(file.value(), &partner, Ask(RuleSet::kGeneral)));
  EXPECT_FALSE(file.value().key.Describe().empty());
  static_cast<void>(file.value().key.ToPkcs8());
}

void ReadAsList(BytesView bytes) {
  const auto file = ReadRevocationListFile(bytes);
  if (!file.has_value()) return ExpectRule(file.error());
  static const RevocationList live = List("crl-5.pem");
  static const Certificate leaf = Certificates("leaf.pem").front();
  ExpectWords(JudgeRevocationList(file.value(), &live, Ask(RuleSet::kTrust)));
  EXPECT_TRUE(IsUtf8(file.value().list.issuer()));
  static_cast<void>(file.value().list.Revokes(leaf));
}

using Read = void (*)(BytesView);

struct Good {
  const char* name;
  Read read;
};

constexpr Good kGood[] = {
    {"leaf.der", ReadAsCertificates},
    {"chain.pem", ReadAsCertificates},
    {"name-constraints.pem", ReadAsCertificates},
    {"explicit-curve-leaf.pem", ReadAsCertificates},
    {"empty-subject-critical-san.pem", ReadAsCertificates},
    {"leaf.key", ReadAsKey},
    {"leaf.key.der", ReadAsKey},
    {"leaf-sec1.key", ReadAsKey},
    {"ed25519.key", ReadAsKey},
    {"rsa2048.key", ReadAsKey},
    {"rsa2048-pkcs1.key", ReadAsKey},
    {"explicit-curve.key", ReadAsKey},
    {"dsa.key", ReadAsKey},
    {"encrypted.key", ReadAsKey},
    {"encrypted-traditional.key", ReadAsKey},
    {"crl-5.der", ReadAsList},
    {"crl-5.pem", ReadAsList},
    {"crl-revokes-leaf.pem", ReadAsList},
    {"crl-odd-entry.pem", ReadAsList},
    {"crl-partial.pem", ReadAsList},
};

// The bytes of a file, and besides those inside its PEM, where damage reaches deeper than into base64.
std::vector<Bytes> Forms(const char* name) {
  std::vector<Bytes> forms{Vector(name)};
  EXPECT_FALSE(forms.front().empty()) << name;
  if (forms.front().front() == 0x30) return forms;
  const std::vector<PemBlock> blocks = ReadPem(forms.front()).value();
  for (const PemBlock& block : blocks) {
    if (block.encrypted || block.label == "EC PARAMETERS") continue;
    forms.emplace_back(block.body.Reveal().begin(), block.body.Reveal().end());
  }
  return forms;
}

class HostileInputTest : public testing::TestWithParam<Good> {};

TEST_P(HostileInputTest, FlippedBits) {
  for (const Bytes& good : Forms(GetParam().name)) {
    // An RSA key that is read is signed with, which takes its time: every seventh byte reaches all its parts.
    const std::size_t step = (good.size() > 1000 ? 7 : 1) * RoundsStride();
    for (std::size_t i = 0; i < good.size(); i += step) {
      Bytes flipped = good;
      flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ (1U << i % 8));
      GetParam().read(flipped);
      ASSERT_TRUE(QueueIsEmpty()) << "byte " << i;
    }
  }
}

TEST_P(HostileInputTest, CutOffAfterEachByte) {
  for (const Bytes& good : Forms(GetParam().name)) {
    for (std::size_t size = 0; size < good.size(); size += RoundsStride()) {
      GetParam().read(BytesView(good).first(size));
      ASSERT_TRUE(QueueIsEmpty()) << "after " << size;
    }
  }
}

// Each good file in the place of each other kind.
TEST_P(HostileInputTest, InAnotherFilesPlace) {
  for (const Bytes& good : Forms(GetParam().name)) {
    for (const Read read : {ReadAsCertificates, ReadAsKey, ReadAsList}) read(good);
    EXPECT_TRUE(QueueIsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Vectors, HostileInputTest, testing::ValuesIn(kGood),
                         [](const testing::TestParamInfo<Good>& each) {
                           std::string name = each.param.name;
                           for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
                           return name;
                         });

// --- Sizes

Bytes Tlv(std::uint8_t tag, BytesView content) {
  Bytes out{tag};
  const std::size_t size = content.size();
  if (size >= 0x10000) {
    out.insert(out.end(),
               {0x83, static_cast<std::uint8_t>(size >> 16), static_cast<std::uint8_t>(size >> 8)});
  } else if (size >= 0x100) {
    out.insert(out.end(), {0x82, static_cast<std::uint8_t>(size >> 8)});
  } else if (size >= 0x80) {
    out.push_back(0x81);
  }
  out.push_back(static_cast<std::uint8_t>(size));
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

// The elements of a SEQUENCE whose own header is well-formed.
std::vector<Bytes> Elements(BytesView der) {
  const auto header = [](BytesView at) -> std::pair<std::size_t, std::size_t> {
    if (at[1] < 0x80) return {2, at[1]};
    std::size_t size = 0;
    for (std::size_t i = 0; i < (at[1] & 0x7FU); ++i) size = size << 8 | at[2 + i];
    return {2 + (at[1] & 0x7FU), size};
  };
  std::vector<Bytes> elements;
  BytesView rest = der.subspan(header(der).first);
  while (!rest.empty()) {
    const auto [skip, size] = header(rest);
    elements.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(skip + size));
    rest = rest.subspan(skip + size);
  }
  return elements;
}

Bytes Sequence(const std::vector<Bytes>& elements) {
  Bytes content;
  for (const Bytes& each : elements) content.insert(content.end(), each.begin(), each.end());
  return Tlv(0x30, content);
}

// The leaf with one part of its TBSCertificate replaced: 1 is the serial number, 3 the issuer, 5 the subject.
Bytes LeafWith(std::size_t place, const Bytes& part) {
  std::vector<Bytes> whole = Elements(Vector("leaf.der"));
  std::vector<Bytes> fields = Elements(whole[0]);
  fields[place] = part;
  whole[0] = Sequence(fields);
  return Sequence(whole);
}

Bytes NameOf(const Bytes& common_name) {
  const Bytes id{0x06, 0x03, 0x55, 0x04, 0x03};
  return Sequence({Tlv(0x31, Sequence({id, Tlv(0x0C, common_name)}))});
}

TEST(HostileInput, HugeSerialNumbersAndNames) {
  constexpr std::size_t kHuge = 750000;  // As PEM, what is kept, nearly 1 MiB.
  const Bytes serial = LeafWith(1, Tlv(0x02, Bytes(kHuge, 0x5A)));
  ReadAsCertificates(serial);
  const Verdict verdict = JudgeCertificates(File(serial), nullptr, Ask(RuleSet::kGeneral));
  EXPECT_TRUE(Ids(verdict).contains("serial-too-long"));
  ReadAsCertificates(LeafWith(1, Tlv(0x02, Bytes(kHuge, 0xA5))));
  for (const std::size_t place : {3, 5}) {
    ReadAsCertificates(LeafWith(place, NameOf(Bytes(kHuge, 'n'))));
    // Characters of two bytes, so that a line may not be cut inside one.
    Bytes wide;
    for (std::size_t i = 0; i < 1001; ++i) wide.insert(wide.end(), {0xC3, 0xA4});
    ReadAsCertificates(LeafWith(place, NameOf(wide)));
    wide.insert(wide.begin(), 'x');
    ReadAsCertificates(LeafWith(place, NameOf(wide)));
    // Control characters and bytes that are not UTF-8.
    ReadAsCertificates(LeafWith(place, NameOf({'a', '\n', 0x1B, '"', 0x00, 'b'})));
    ReadAsCertificates(LeafWith(place, NameOf({0xFF, 0xFE, 0xC3})));
    // A thousand relative names.
    Bytes many;
    const Bytes one = NameOf({'n'});
    for (int i = 0; i < 1000; ++i) many.insert(many.end(), one.begin() + 2, one.end());
    ReadAsCertificates(LeafWith(place, Tlv(0x30, many)));
  }
  EXPECT_TRUE(QueueIsEmpty());
}

TEST(HostileInput, DeepNesting) {
  Bytes nested{0x05, 0x00};
  for (int i = 0; i < 2000; ++i) nested = Tlv(0x30, nested);
  // Without end: a header inside a header, indefinite and definite.
  Bytes indefinite;
  for (int i = 0; i < 100000; ++i) indefinite.insert(indefinite.end(), {0x30, 0x80});
  for (const Bytes& each : {nested, indefinite, LeafWith(5, nested), LeafWith(6, nested), LeafWith(7, nested),
                            LeafWith(7, Tlv(0xA3, nested))}) {
    for (const Read read : {ReadAsCertificates, ReadAsKey, ReadAsList}) read(each);
    EXPECT_FALSE(ReadCertificateFile(each).has_value() || ReadKeyFile(each).has_value() ||
                 ReadRevocationListFile(each).has_value());
  }
  EXPECT_TRUE(QueueIsEmpty());
}

// Lengths that promise more than there is, up to the largest that can be written.
TEST(HostileInput, LengthsThatLie) {
  for (const std::string_view start :
       {"\x30\x84\xff\xff\xff\xff"sv, "\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff"sv, "\x30\xff"sv,
        "\x30\x80"sv, "\x30\x83\x0f\xff\xff"sv, "\x30"sv}) {
    for (const Read read : {ReadAsCertificates, ReadAsKey, ReadAsList}) {
      read(AsBytes(start));
      const std::string longer = std::string(start) + Text("leaf.der");
      read(AsBytes(longer));
    }
  }
  EXPECT_TRUE(QueueIsEmpty());
}

TEST(HostileInput, AsLargeAsAFileMayBe) {
  const std::string leaf = Text("leaf.pem");
  const Bytes pem(kFileBytesMax + 1, 'A');
  const Bytes der(kFileBytesMax + 1, 0x30);
  for (const Bytes& each : {pem, der}) {
    EXPECT_EQ(ReadCertificateFile(each).error().code(), ErrorCode::kTooLarge);
    EXPECT_EQ(ReadKeyFile(each).error().code(), ErrorCode::kTooLarge);
    EXPECT_EQ(ReadRevocationListFile(each).error().code(), ErrorCode::kTooLarge);
  }
  // Explanatory text may fill a file to its last byte.
  std::string padded = "# " + std::string(kFileBytesMax - leaf.size() - 3, 'x') + "\n" + leaf;
  EXPECT_TRUE(ReadCertificateFile(AsBytes(padded)).has_value());
  padded.insert(2, "x");
  EXPECT_EQ(ReadCertificateFile(AsBytes(padded)).error().rule(), "too-large");
  // So may one block, one line, or as many lines and blocks as fit.
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  const std::string end = "\n-----END CERTIFICATE-----\n";
  std::string blocks;
  for (int i = 0; i < 10000; ++i) blocks += begin + "AAAA" + end;
  for (const std::string& text :
       {begin + std::string(1000000, 'A') + end, std::string(kFileBytesMax, '-'),
        std::string(kFileBytesMax, '\n'), std::string(kFileBytesMax / 2, '\n') + leaf, blocks,
        begin + std::string(1000000, '\n') + end, begin + std::string(1000000, ':') + end}) {
    for (const Read read : {ReadAsCertificates, ReadAsKey, ReadAsList}) read(AsBytes(text));
  }
  EXPECT_TRUE(QueueIsEmpty());
}

TEST(HostileInput, ChainsWithoutEnd) {
  std::string many;
  for (int i = 0; i < 16; ++i) many += Text("issuing.pem") + Text("rekeyed-ca.pem");
  ReadAsCertificates(AsBytes(many));
  // Certificates that issued each other: no walk from one to the next may go round for ever.
  const auto named = [](std::string_view subject, std::string_view issuer) {
    std::vector<Bytes> whole = Elements(Vector("leaf.der"));
    std::vector<Bytes> fields = Elements(whole[0]);
    fields[3] = NameOf(Bytes(issuer.begin(), issuer.end()));
    fields[5] = NameOf(Bytes(subject.begin(), subject.end()));
    fields.resize(7);  // Without extensions nothing but the names links them.
    whole[0] = Sequence(fields);
    return std::string(AsText(WritePem("CERTIFICATE", Sequence(whole)).Reveal()));
  };
  const std::string circle = named("a", "b") + named("b", "c") + named("c", "a");
  ASSERT_TRUE(ReadCertificateFile(AsBytes(circle)).has_value());
  ReadAsCertificates(AsBytes(circle));
  EXPECT_TRUE(QueueIsEmpty());
}

// A list of as many entries as fit is still read, and its faults are one finding each.
TEST(HostileInput, ManyRevocations) {
  std::vector<Bytes> whole = Elements(Vector("crl-empty-entries.der"));
  std::vector<Bytes> fields = Elements(whole[0]);
  const std::string date = "260301000000Z";
  const Bytes when = Tlv(0x17, AsBytes(date));
  Bytes entries;
  for (std::uint32_t i = 0; i < 33000; ++i) {
    const Bytes serial{0x01, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                       static_cast<std::uint8_t>(i)};
    const Bytes entry = Sequence({Tlv(0x02, serial), when});
    entries.insert(entries.end(), entry.begin(), entry.end());
  }
  fields[5] = Tlv(0x30, entries);
  whole[0] = Sequence(fields);
  const Bytes list = Sequence(whole);
  ASSERT_LE(list.size(), kFileBytesMax);
  ReadAsList(list);
  const Verdict verdict =
      JudgeRevocationList(ReadRevocationListFile(list).value(), nullptr, Ask(RuleSet::kTrust));
  EXPECT_TRUE(Ids(verdict).contains("crl-odd-entry")) << All(verdict);
  EXPECT_LE(verdict.findings().size(), 4U);
}

// Decoding a DSA or DH key computes g^x mod p, which would take hours with numbers as long as a file.
TEST(HostileInput, KeysThatTakeForEver) {
  const Bytes number = Tlv(0x02, Bytes(200001, 0x5B));
  const Bytes zero{0x02, 0x01, 0x00};
  for (const Bytes& id : {Bytes{0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01},
                          Bytes{0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x03, 0x01},
                          Bytes{0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3E, 0x02, 0x01}}) {
    const Bytes key = Sequence({zero, Sequence({id, Sequence({number, number, number})}), Tlv(0x04, number)});
    EXPECT_EQ(ReadKeyFile(key).error().rule(), "key-algorithm");
  }
  // An RSA key of 1.6 million bits is read, and refused before anybody signs with it.
  const Bytes one{0x02, 0x01, 0x01};
  const auto file = ReadKeyFile(Sequence({zero, number, number, number, one, one, one, one, one}));
  ASSERT_TRUE(file.has_value()) << file.error().message();
  EXPECT_TRUE(RefusingIds(JudgeKey(file.value(), nullptr, Ask(RuleSet::kGeneral))).contains("oversized-key"));
  EXPECT_TRUE(QueueIsEmpty());
}

}  // namespace
}  // namespace certfs
