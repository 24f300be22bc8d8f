// Goal: what DerWriter writes is DER, what DerReader takes is nothing else, and sizes are known beforehand.
// Method: encodings given by X.690 and by OpenSSL's own functions; hostile lengths, and every cut of a good
// one.

#include "crypto/der.h"

#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/objects.h>

#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/secret.h"

namespace certfs {
namespace {

using namespace std::string_view_literals;

template <typename Fill>
std::string Hex(Fill&& fill) {
  Bytes out;
  DerWriter<Bytes> der(out);
  fill(der);
  return ToHex(out);
}

TEST(DerWriter, Values) {
  using W = DerWriter<Bytes>;
  EXPECT_EQ(Hex([](W& der) { der.Null(); }), "0500");
  EXPECT_EQ(Hex([](W& der) { der.Boolean(true); }), "0101ff");
  EXPECT_EQ(Hex([](W& der) { der.Integer(0); }), "020100");
  EXPECT_EQ(Hex([](W& der) { der.Integer(127); }), "02017f");
  EXPECT_EQ(Hex([](W& der) { der.Integer(128); }), "02020080");
  EXPECT_EQ(Hex([](W& der) { der.Integer(256); }), "02020100");
  EXPECT_EQ(Hex([](W& der) { der.Integer(UINT64_MAX); }), "020900ffffffffffffffff");
  EXPECT_EQ(Hex([](W& der) { der.Integer(BytesView()); }), "020100");
  EXPECT_EQ(Hex([](W& der) { der.Integer(Bytes{0, 0, 0x7F, 1}); }), "02027f01");
  EXPECT_EQ(Hex([](W& der) { der.OctetString(AsBytes("ab")); }), "04026162");
  EXPECT_EQ(Hex([](W& der) { der.Utf8String("ä"); }), "0c02c3a4");
  EXPECT_EQ(Hex([](W& der) { der.BmpString("aä€"); }), "1e06006100e420ac");
  EXPECT_EQ(Hex([](W& der) { der.BmpString("\U0001F511"); }), "1e04d83ddd11");
  EXPECT_EQ(Hex([](W& der) { der.Primitive(DerContextPrimitive(1), AsBytes("x")); }), "810178");
}

TEST(DerWriter, Nesting) {
  using W = DerWriter<Bytes>;
  EXPECT_EQ(Hex([](W& der) { der.Sequence([&] { der.Set([&] { der.Null(); }); }); }), "300431020500");
  EXPECT_EQ(Hex([](W& der) { der.Context(0, [&] { der.OctetStringOf([&] { der.Null(); }); }); }),
            "a00404020500");
  // What stands before is left alone.
  EXPECT_EQ(Hex([](W& der) {
              der.Integer(1);
              const std::size_t start = der.size();
              der.Integer(2);
              der.Integer(3);
              der.Enclose(kDerSequence, start);
            }),
            "0201013006020102020103");
}

TEST(DerWriter, SetOfIsInOrder) {
  using W = DerWriter<Bytes>;
  const Bytes longer{0x04, 0x02, 0x00, 0x00};
  const Bytes shorter{0x04, 0x01, 0xFF};
  const Bytes number{0x02, 0x01, 0x05};
  EXPECT_EQ(Hex([&](W& der) { der.SetOf({longer, shorter, number}); }), "310a0201050401ff04020000");
}

TEST(DerWriter, SecretsAreWrittenAlike) {
  SecretBytes secret;
  DerWriter<SecretBytes> der(secret);
  der.Sequence([&] {
    der.Integer(0);
    der.OctetString(Bytes(300, 7));
  });
  Bytes plain;
  DerWriter<Bytes> other(plain);
  other.Sequence([&] {
    other.Integer(0);
    other.OctetString(Bytes(300, 7));
  });
  EXPECT_EQ(ToHex(secret.Reveal()), ToHex(plain));
}

// Against OpenSSL's own encoder.
TEST(ObjectIdentifiers, AsOpensslEncodesThem) {
  for (const char* dotted :
       {"0.0", "1.39", "2.5.29.37.0", "2.999", "1.2.840.113549.1.7.1", "1.2.840.113549.1.12.10.1.2",
        "2.16.840.1.113894.746875.1.1", "1.3.6.1.4.1.4294967295.1"}) {
    ASN1_OBJECT* const object = OBJ_txt2obj(dotted, 1);
    ASSERT_NE(object, nullptr) << dotted;
    const BytesView expected(OBJ_get0_data(object), OBJ_length(object));
    EXPECT_EQ(ToHex(ObjectIdentifier(dotted).content()), ToHex(expected)) << dotted;
    EXPECT_TRUE(ObjectIdentifier(dotted).Is(expected)) << dotted;
    EXPECT_FALSE(ObjectIdentifier("1.2.3").Is(expected)) << dotted;
    ASN1_OBJECT_free(object);
  }
}

TEST(ObjectIdentifiers, TextThatIsNone) {
  for (const char* text :
       {"", "1", "1.", ".1", "1..2", "1.2.", "3.1", "1.40", "1.2.x", "1.2.-1", "1.2.99999999999",
        "1.2.4294967295.4294967295.4294967295.4294967295.4294967295.4294967295"}) {
    EXPECT_DEATH(static_cast<void>(ObjectIdentifier(text)), "") << text;
  }
  static_assert(ObjectIdentifier("1.2.840").content().size() == 3, "made by the compiler");
}

TEST(DerSizes, AreWhatIsWritten) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 255U, 256U, 65535U, 65536U, 16777215U, 16777216U}) {
    Bytes header;
    DerWriter<Bytes>(header).Header(kDerOctetString, size);
    EXPECT_EQ(header.size(), DerHeaderBytes(size)) << size;
    EXPECT_EQ(DerBytes(size), DerHeaderBytes(size) + size);
  }
  for (const std::string_view text : {""sv, "a"sv, "ä"sv, "€"sv, "\U0001F511x"sv}) {
    Bytes out;
    AppendBmp(text, out);
    EXPECT_EQ(out.size(), BmpBytes(text)) << text;
  }
}

TEST(DerReader, TakesApartWhatWasWritten) {
  Bytes out;
  DerWriter<Bytes> der(out);
  const ObjectIdentifier data("1.2.840.113549.1.7.1");
  der.Sequence([&] {
    der.Integer(70000);
    der.Identifier(data);
    der.Context(0, [&] { der.OctetString(Bytes(200, 1)); });
  });
  DerReader file(out);
  auto sequence = file.Enter(kDerSequence);
  ASSERT_TRUE(sequence.has_value());
  EXPECT_TRUE(file.End().has_value());
  DerReader& inside = sequence.value();
  EXPECT_EQ(inside.Integer().value(), 70000U);
  EXPECT_FALSE(inside.Expect(ObjectIdentifier("1.2.3")).has_value());
  EXPECT_TRUE(inside.Expect(data).has_value());
  EXPECT_FALSE(inside.TakeIf(kDerNull).value().has_value());
  EXPECT_FALSE(inside.Take(kDerNull).has_value());
  EXPECT_FALSE(inside.End().has_value());
  EXPECT_EQ(inside.tag(), DerContext(0));
  const auto context = inside.TakeIf(DerContext(0)).value();
  ASSERT_TRUE(context.has_value());
  const DerElement octets = DerReader(*context).Next().value();
  EXPECT_EQ(octets.tag, kDerOctetString);
  EXPECT_EQ(octets.content.size(), 200U);
  EXPECT_EQ(octets.encoding.size(), 203U);
  EXPECT_TRUE(inside.empty());
  EXPECT_EQ(inside.tag(), std::nullopt);
  EXPECT_EQ(inside.Next().error().code(), ErrorCode::kMalformed);
}

TEST(DerReader, Numbers) {
  struct Case {
    std::string_view bytes;
    std::optional<std::uint64_t> value;
  };
  for (const Case& each :
       {Case{"\x02\x01\x00"sv, 0}, Case{"\x02\x02\x00\x80"sv, 128},
        Case{"\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"sv, UINT64_MAX}, Case{"\x02\x00"sv, {}},
        Case{"\x02\x01\x80"sv, {}}, Case{"\x02\x02\x00\x7f"sv, {}},
        Case{"\x02\x09\x01\xff\xff\xff\xff\xff\xff\xff\xff"sv, {}}, Case{"\x04\x01\x00"sv, {}}}) {
    DerReader reader(AsBytes(each.bytes));
    const auto value = reader.Integer();
    EXPECT_EQ(value.has_value(), each.value.has_value()) << ToHex(AsBytes(each.bytes));
    if (each.value && value.has_value()) {
      EXPECT_EQ(value.value(), *each.value);
    }
    EXPECT_EQ(reader.empty(), each.value.has_value()) << "a failure takes nothing";
  }
}

TEST(DerReader, HostileLengths) {
  for (const std::string_view bytes :
       {"\x30"sv, "\x30\x01"sv, "\x30\x80\x00\x00"sv, "\x30\x81\x7f"sv, "\x30\x81"sv, "\x30\x82\x00\xff"sv,
        "\x30\x84\xff\xff\xff\xff"sv, "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff"sv,
        "\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff"sv, "\x30\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00"sv,
        "\x30\xff"sv, "\x1f\x01\x00"sv, "\x3f\x81\x01\x00"sv, "\x30\x83\x00\x00\x80"sv}) {
    DerReader reader(AsBytes(bytes));
    const auto element = reader.Next();
    ASSERT_FALSE(element.has_value()) << ToHex(AsBytes(bytes));
    EXPECT_EQ(element.error().code(), ErrorCode::kMalformed);
    EXPECT_EQ(reader.rest().size(), bytes.size()) << "a failure takes nothing";
  }
}

TEST(DerReader, EveryCutIsNoticed) {
  Bytes out;
  DerWriter<Bytes> der(out);
  der.Sequence([&] { der.OctetString(Bytes(300, 1)); });
  for (std::size_t size = 0; size < out.size(); ++size) {
    DerReader reader(BytesView(out).first(size));
    EXPECT_FALSE(reader.Next().has_value()) << size;
  }
}

}  // namespace
}  // namespace certfs
