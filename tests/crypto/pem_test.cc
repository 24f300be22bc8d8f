// Goal: what may stand in a file of a store is read strictly, kept as written, and put in order only where it
// must be. Method: tables of texts around one good vector; every truncation of good files.

#include "crypto/pem.h"

#include <gtest/gtest.h>

#include "crypto/store_file.h"
#include "tests/crypto/verdicts.h"
#include "tests/support/rounds.h"

namespace certfs {
namespace {

using namespace test;

std::string RuleOf(const std::string& text) {
  const auto file = ReadCertificateFile(AsBytes(text));
  return file.has_value() ? "accepted" : std::string(file.error().rule());
}

TEST(Pem, WhatStandsAroundABlock) {
  const std::string leaf = Text("leaf.pem");
  ASSERT_FALSE(leaf.empty());
  const struct {
    std::string text;
    std::string rule;
  } rows[] = {
      {leaf, "accepted"},
      {"\n  \n" + leaf, "accepted"},
      {"# a comment\n" + leaf, "accepted"},
      {"subject=CN = www\nissuer=CN = ca\n" + leaf, "accepted"},
      {"Bag Attributes\n    friendlyName: x\n" + leaf, "accepted"},
      {"Certificate:\n    Data:\n" + leaf, "accepted"},
      {leaf + "\n\n", "accepted"},
      {leaf + "# end\n", "accepted"},
      {leaf + "between\n" + leaf, "accepted"},
      {leaf + "Private-Key: (256 bit)\npriv:\n    00:11\n", "accepted"},
      {"read EC key\n" + leaf, "accepted"},
      {"read me\n" + leaf, "unreadable"},
      {"# \x01\n" + leaf, "unreadable"},
      {"-----BEGIN\n" + leaf, "unreadable"},
      {"-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\n" + leaf.substr(28), "pem-headers"},
      {"-----BEGIN CERTIFICATE-----\nComment: x\n\n" + leaf.substr(28), "pem-headers"},
      {leaf.substr(0, leaf.size() - 1), "accepted"},
      {"garbage\n" + leaf, "unreadable"},
      {leaf + "garbage\n", "trailing-data"},
      {leaf + std::string("\0", 1), "trailing-data"},
      {"-----BEGIN " + std::string(65, 'X') + "-----\nAAAA\n-----END " + std::string(65, 'X') + "-----\n",
       "unreadable"},
      {"-----BEGIN \x1b[1m-----\nAAAA\n-----END \x1b[1m-----\n", "unreadable"},
      {"garbage", "unreadable"},
      {"", "unreadable"},
      {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "empty-body"},
      {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----\n", "unreadable"},
      {"-----BEGIN CERTIFICATE-----\nAA*A\n-----END CERTIFICATE-----\n", "unreadable"},
      {"-----BEGIN CERTIFICATE-----\nAAB=\n-----END CERTIFICATE-----\n", "unreadable"},
      {"-----BEGIN CERTIFICATE-----\nAAAA\n", "unreadable"},
      {leaf + Text("leaf.key"), "wrong-kind"},
      {std::string(kFileBytesMax + 1, '\n'), "too-large"},
  };
  for (const auto& row : rows) EXPECT_EQ(RuleOf(row.text), row.rule) << row.text.substr(0, 60);
}

TEST(Pem, EveryPrefixOfAGoodFileMayBeginAndNoneIsAWholeOne) {
  for (const char* name :
       {"chain.pem", "leaf.key", "leaf-sec1.key", "crl-5.pem", "leaf.der", "leaf.key.der"}) {
    const Bytes whole = Vector(name);
    ASSERT_FALSE(whole.empty()) << name;
    for (std::size_t size = 0; size < whole.size(); size += RoundsStride()) {
      const BytesView part = BytesView(whole).first(size);
      EXPECT_TRUE(MayBegin(part.first(std::min<std::size_t>(size, 64)))) << name << " " << size;
      // Without its last newline a file is whole; the first half of a chain is a certificate of its own.
      if (whole.front() == 0x30 || (name != std::string("chain.pem") && size + 1 < whole.size())) {
        EXPECT_FALSE(ReadCertificateFile(part).has_value() || ReadKeyFile(part).has_value() ||
                     ReadRevocationListFile(part).has_value())
            << name << " " << size;
      }
    }
  }
}

TEST(Pem, HopelessStarts) {
  for (const char* text : {"garbage", "x", "read me", "\n\ngarbage", " {", "{\"a\":1}", "-----END", "--x",
                           "BEGIN", "PK\x03\x04"}) {
    EXPECT_FALSE(MayBegin(AsBytes(text))) << text;
  }
  for (const char* text : {"", "-", "-----B", "s", "subj", "#", " ", "\n", "0", "Bag", "Certificate:"}) {
    EXPECT_TRUE(MayBegin(AsBytes(text))) << text;
  }
}

}  // namespace
}  // namespace certfs
