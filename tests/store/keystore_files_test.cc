// Goal: what is written through the one door is judged, normalised and kept as the rules have it, on both
// tables. Method: vectors at a fixed moment; whatever is refused leaves the state as it was.

#include "store/keystore.h"

#include <algorithm>

#include "tests/store/keystore_fixture.h"

namespace certfs {

namespace {

class KeystoreFiles : public Door {};
INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreFiles, kBothDoors, NameOfDoor);

using enum ErrorCode;
constexpr Member kCertificate = Member::kCertificate;
constexpr Member kKey = Member::kKey;
constexpr Member kList = Member::kRevocationList;
constexpr Member kSecret = Member::kSecret;

std::string TextOf(const std::string& vector) { return std::string(AsText(VectorOf(vector))); }

TEST_P(KeystoreFiles, APairIsTakenInEitherOrder) {
  for (const bool key_first : {true, false}) {
    const Number number = Make("machine", key_first ? "a" : "b");
    const Member first = key_first ? kKey : kCertificate;
    const Member second = key_first ? kCertificate : kKey;
    const auto vector = [](Member member) { return member == kKey ? "leaf.key" : "chain.pem"; };
    EXPECT_EQ(Put(number, first, vector(first)).revision, 1U);
    clock_.Tick();
    const Entry entry = Put(number, second, vector(second));
    EXPECT_EQ(entry.revision, 2U);
    EXPECT_EQ(Text(number, kKey), TextOf("leaf.key"));
    EXPECT_EQ(Text(number, kCertificate), TextOf("chain.pem"));
    EXPECT_EQ(entry.file(kKey)->attributes.mode, 0600U);
    EXPECT_EQ(entry.file(kCertificate)->attributes.mode, 0644U);
    for (const Member member : {kKey, kCertificate}) {
      EXPECT_EQ(entry.file(member)->attributes.mtime, clock_.now());
      EXPECT_EQ(entry.file(member)->attributes.ctime, clock_.now());
      EXPECT_EQ(entry.file(member)->size, Text(number, member).size());
    }
    EXPECT_EQ(entry.attributes.mtime, clock_.now());
  }
}

TEST_P(KeystoreFiles, APairThatDoesNotMatchIsRejected) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "other.key");
  ExpectRefused(kRejected, number, kCertificate, "leaf.pem", "key-mismatch");
  Put(number, kKey, "leaf.key");  // A lone key may be replaced by any other.
  Put(number, kCertificate, "leaf.pem");
  ExpectRefused(kRejected, number, kKey, "other.key", "key-mismatch");
  ExpectRefused(kRejected, number, kCertificate, "root.pem", "key-mismatch");
}

// What was parsed of the live key is kept from one renewal to the next; it must go with that key.
TEST_P(KeystoreFiles, ARenewalIsJudgedByTheKeyOfTheMoment) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "leaf.key");
  for (int i = 0; i < 2; ++i) {
    Put(number, kCertificate, "leaf.pem");
    Put(number, kCertificate, "zero-serial.pem");
  }
  Must(keystore_->RemoveFile(number, kCertificate, kRoot));
  Put(number, kKey, "rsa2048.key");
  for (int i = 0; i < 2; ++i) {
    const auto refused = Write(number, kCertificate, VectorOf("leaf.pem"), kRoot);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().rule(), "key-mismatch");
  }
  Put(number, kKey, "leaf.key");
  Put(number, kCertificate, "leaf.pem");
}

TEST_P(KeystoreFiles, ARenewalKeepsOwnerModeAndBirth) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "leaf.key");
  Put(number, kCertificate, "leaf.pem");
  Must(keystore_->SetFileAttributes(number, kCertificate, {0640, 5, 6, {}, {}}));
  Must(keystore_->SetFileAttributes(number, kKey, {0440, 7, 8, {}, {}}));
  const Entry before = Get(number);
  clock_.Tick();
  // What a writer asks for holds for a new file alone; the directory does not move.
  auto outcome = Write(number, kCertificate, VectorOf("zero-serial.pem"), kAlice, {0777, 1, 1, {}, {}});
  ASSERT_TRUE(outcome.has_value());
  const Entry after = outcome.value().entry;
  EXPECT_EQ(after.revision, before.revision + 1);
  EXPECT_EQ(after.attributes, before.attributes);
  for (const Member member : {kCertificate, kKey}) {
    const Attributes& was = before.file(member)->attributes;
    const Attributes& is = after.file(member)->attributes;
    EXPECT_EQ(is.mode, was.mode);
    EXPECT_EQ(is.uid, was.uid);
    EXPECT_EQ(is.gid, was.gid);
    EXPECT_EQ(is.atime, was.atime);
    EXPECT_EQ(is.mtime, clock_.now());
    EXPECT_EQ(is.ctime, clock_.now());
  }
  EXPECT_EQ(Text(number, kCertificate), TextOf("zero-serial.pem"));
  EXPECT_EQ(Text(number, kKey), TextOf("leaf.key"));
  EXPECT_FALSE(outcome.value().findings.empty());  // A serial number of zero is warned about.
}

TEST_P(KeystoreFiles, TheSameBytesMoveNothing) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "leaf.key");
  Put(number, kCertificate, "chain.pem");
  const std::string before = State();
  clock_.Tick();
  for (const auto& [member, vector] :
       {std::pair(kKey, "leaf.key"), std::pair(kKey, "leaf.key.der"), std::pair(kCertificate, "chain.pem"),
        std::pair(kCertificate, "chain-wrong-order.pem")}) {
    auto outcome = WriteVector(number, member, vector);
    ASSERT_TRUE(outcome.has_value()) << vector;
    EXPECT_FALSE(outcome.value().changed) << vector;
    EXPECT_EQ(State(), before) << vector;
  }
  // What is live is not judged again, though it has expired since.
  clock_.Tick(std::chrono::days(800));
  EXPECT_FALSE(Must(WriteVector(number, kCertificate, "chain.pem")).changed);
}

TEST_P(KeystoreFiles, TheSameBytesWithTimesMoveThoseTimesAlone) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "leaf.key");
  Put(number, kCertificate, "leaf.pem");
  const Entry before = Get(number);
  clock_.Tick();
  const Time past = Time(std::chrono::seconds(5));
  const WriteOutcome outcome =
      Must(Write(number, kCertificate, VectorOf("leaf.pem"), kRoot, {{}, {}, {}, past, past}));
  EXPECT_FALSE(outcome.changed);
  EXPECT_EQ(outcome.entry.revision, before.revision);
  EXPECT_EQ(outcome.entry.file(kCertificate)->attributes.mtime, past);
  EXPECT_EQ(outcome.entry.file(kCertificate)->attributes.atime, past);
  EXPECT_EQ(outcome.entry.file(kCertificate)->attributes.ctime, clock_.now());  // As utimens has it.
  EXPECT_EQ(outcome.entry.file(kKey)->attributes, before.file(kKey)->attributes);
  EXPECT_EQ(Get(number).file(kCertificate)->attributes.mtime, past);
}

TEST_P(KeystoreFiles, ExplicitTimesHoldForTheirMember) {
  const Number number = Make("machine", "a");
  const Time past = Time(std::chrono::seconds(5));
  Put(number, kKey, "leaf.key");
  clock_.Tick();
  const Entry entry =
      Must(Write(number, kCertificate, VectorOf("leaf.pem"), kRoot, {{}, {}, {}, past, past})).entry;
  EXPECT_EQ(entry.file(kCertificate)->attributes.mtime, past);
  EXPECT_EQ(entry.file(kCertificate)->attributes.atime, past);
  EXPECT_EQ(entry.file(kCertificate)->attributes.ctime, clock_.now());
  EXPECT_EQ(entry.file(kKey)->attributes.mtime, clock_.now());
}

TEST_P(KeystoreFiles, ANewFileTakesWhatItsKindAllows) {
  const Number number = Make("machine", "a");
  const AttributeChange asked{0647, 3, 4, {}, {}};
  const Entry entry = Must(Write(number, kKey, VectorOf("leaf.key"), kAlice, asked)).entry;
  EXPECT_EQ(entry.file(kKey)->attributes.mode, 0640U);  // Bits for others are dropped.
  EXPECT_EQ(entry.file(kKey)->attributes.uid, 3U);
  EXPECT_EQ(entry.file(kKey)->attributes.gid, 4U);
  const Entry pair = Must(Write(number, kCertificate, VectorOf("leaf.pem"), kAlice, asked)).entry;
  EXPECT_EQ(pair.file(kCertificate)->attributes.mode, 0647U);
  const Number owned = Make("machine", "b");
  const Entry plain = Must(Write(owned, kSecret, AsBytes("hush"), kAlice)).entry;
  EXPECT_EQ(plain.file(kSecret)->attributes.mode, 0600U);
  EXPECT_EQ(plain.file(kSecret)->attributes.uid, kAlice.uid);
}

TEST_P(KeystoreFiles, WhatIsKeptIsNormalised) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "leaf.key.der");
  EXPECT_EQ(Text(number, kKey).rfind("-----BEGIN PRIVATE KEY-----", 0), 0U);
  const auto outcome = Must(WriteVector(number, kCertificate, "chain-wrong-order.pem"));
  EXPECT_EQ(Text(number, kCertificate), TextOf("chain.pem"));
  EXPECT_TRUE(std::any_of(outcome.findings.begin(), outcome.findings.end(),
                          [](const Finding& each) { return each.rule->id == "chain-rearranged"; }));
  Put(number, kCertificate, "leaf.der");
  EXPECT_EQ(Text(number, kCertificate).rfind("-----BEGIN CERTIFICATE-----", 0), 0U);
}

TEST_P(KeystoreFiles, RefusesWhatIsNoContent) {
  const Number number = Make("machine", "a");
  ExpectRefused(kInvalidArgument, [&] { return Write(number, kKey, {}); });
  ExpectRefused(
      kTooLarge, [&] { return Write(number, kSecret, Bytes((1 << 20) + 1)); }, "too-large");
  Must(Write(number, kSecret, Bytes(1 << 20)));
  EXPECT_EQ(Get(number).file(kSecret)->size, 1U << 20);
  ExpectRefused(kNotFound, 4'000'000, kKey, "leaf.key");
  const Number other = Make("machine", "b");
  ExpectRefused(kMalformed, other, kCertificate, "leaf.key", "wrong-kind");
  ExpectRefused(kMalformed, other, kKey, "leaf.pem", "wrong-kind");
  ExpectRefused(kPasswordRequired, other, kKey, "encrypted.key", "encrypted-key");
  ExpectRefused(kExpired, other, kCertificate, "expired.pem", "expired");
  ExpectRefused(kRejected, other, kCertificate, "sha1.pem", "sha1-signature");
  ExpectRefused(kRejected, other, kKey, "rsa1024.key", "weak-key");
}

TEST_P(KeystoreFiles, EachStoreHoldsItsKind) {
  Put(Make("TRUSTED_ROOTS", "root"), kCertificate, "root.pem");
  const Number root = Make("TRUSTED_ROOTS", "a");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "a");
  const Number secret = Make("APPLMGMT_PASSWORD", "a");
  const Number server = Make("MACHINE_SSL_CERT", "a");
  const Number any = Make("machine", "a");
  ExpectRefused(kNotPermitted, root, kKey, "leaf.key", "wrong-file");
  ExpectRefused(kNotPermitted, root, kList, "crl-5.pem", "wrong-file");
  ExpectRefused(kNotPermitted, list, kCertificate, "root.pem", "wrong-file");
  ExpectRefused(kNotPermitted, secret, kKey, "leaf.key", "wrong-file");
  ExpectRefused(kNotPermitted, server, kSecret, "leaf.key", "wrong-file");
  ExpectRefused(kNotPermitted, server, kList, "crl-5.pem", "wrong-file");
  // One kind an entry.
  Put(any, kList, "crl-5.pem");
  ExpectRefused(kNotPermitted, any, kKey, "leaf.key", "wrong-file");
  ExpectRefused(kNotPermitted, any, kSecret, "leaf.key", "wrong-file");
  // The rules are the store's.
  ExpectRefused(kRejected, server, kCertificate, "untrusted.pem", "untrusted-issuer");
  ExpectRefused(kRejected, server, kCertificate, "no-san.pem", "untrusted-issuer");
  Put(server, kCertificate, "chain.pem");
  ExpectRefused(kRejected, root, kCertificate, "leaf.pem", "not-a-ca");
  Put(root, kCertificate, "ca-expired.pem");
}

TEST_P(KeystoreFiles, TrustIsAsItStandsAtTheWrite) {
  const Number server = Make("MACHINE_SSL_CERT", "a");
  ExpectRefused(kRejected, server, kCertificate, "chain.pem", "untrusted-issuer");
  const Number root = Make("TRUSTED_ROOTS", "root");
  Put(root, kCertificate, "root.pem");
  Put(server, kCertificate, "chain.pem");
  Must(keystore_->RemoveFile(server, kCertificate, kRoot));
  Put(Make("TRUSTED_ROOTS", "issuing"), kCertificate, "issuing.pem");
  Put(Make("TRUSTED_ROOTS_CRLS", "issuing"), kList, "crl-revokes-leaf.pem");
  ExpectRefused(kRevoked, server, kCertificate, "chain.pem", "revoked");
  Must(keystore_->RemoveFile(root, kCertificate, kRoot));
  ExpectRefused(kRevoked, server, kCertificate, "chain.pem", "revoked");
}

TEST_P(KeystoreFiles, ListsGoForwardOnly) {
  Put(Make("TRUSTED_ROOTS", "root"), kCertificate, "root.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "root");
  ExpectRefused(kRejected, list, kList, "crl-other.pem", "crl-untrusted-issuer");
  ExpectRefused(kExpired, list, kList, "crl-future.pem", "crl-from-the-future");
  Put(list, kList, "crl-5.pem");
  ExpectRefused(kRejected, list, kList, "crl-5-other-bytes.pem", "crl-same-number");
  EXPECT_FALSE(Must(WriteVector(list, kList, "crl-5.pem")).changed);
  Put(list, kList, "crl-6.pem");
  ExpectRefused(kRejected, list, kList, "crl-5.pem", "crl-older");
  // One alias for each authority, one authority for each alias.
  const Number second = Make("TRUSTED_ROOTS_CRLS", "second");
  ExpectRefused(kAlreadyExists, second, kList, "crl-6.pem", "crl-second-alias");
  ExpectRefused(kAlreadyExists, second, kList, "crl-5.pem", "crl-second-alias");
  Put(Make("TRUSTED_ROOTS", "other"), kCertificate, "other-root.pem");
  ExpectRefused(kRejected, list, kList, "crl-other.pem", "crl-other-authority");
  Put(second, kList, "crl-other.pem");
}

// The name is all that their lists say of them; the keys tell them apart.
TEST_P(KeystoreFiles, TwoAuthoritiesWithOneNameHaveAListEach) {
  Put(Make("TRUSTED_ROOTS", "twin"), kCertificate, "twin.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "twin");
  Put(list, kList, "crl-twin.pem");
  Put(Make("TRUSTED_ROOTS", "other"), kCertificate, "twin-other.pem");
  ExpectRefused(kRejected, list, kList, "crl-twin-other.pem", "crl-other-authority");
  Put(Make("TRUSTED_ROOTS_CRLS", "other"), kList, "crl-twin-other.pem");
}

TEST_P(KeystoreFiles, ListsWithoutNumbersGoByThisUpdate) {
  Put(Make("TRUSTED_ROOTS", "plain"), kCertificate, "plain-root.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "plain");
  Put(list, kList, "plain-crl-early.pem");
  Put(list, kList, "plain-crl-late.pem");
  ExpectRefused(kRejected, list, kList, "plain-crl-early.pem", "crl-older");
  ExpectRefused(kRejected, list, kList, "plain-crl-late-other-bytes.pem", "crl-same-number");
}

TEST_P(KeystoreFiles, FilesAreRemovedOneByOne) {
  const Number number = Make("machine", "a");
  Put(number, kKey, "leaf.key");
  Put(number, kCertificate, "leaf.pem");
  const Entry before = Get(number);
  clock_.Tick();
  const Entry entry = Must(keystore_->RemoveFile(number, kCertificate, kAlice)).entry;
  EXPECT_FALSE(entry.file(kCertificate));
  EXPECT_EQ(entry.file(kKey), before.file(kKey));
  EXPECT_EQ(entry.attributes.mtime, clock_.now());
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveFile(number, kCertificate, kAlice); });
  ExpectRefused(kNotFound, [&] { return keystore_->RemoveFile(4'000'000, kKey, kAlice); });
  // Its name is free for another kind of owner, and the revision never repeats.
  const Entry again = Put(number, kCertificate, "zero-serial.pem");
  EXPECT_GT(again.revision, before.revision);
  Must(keystore_->RemoveFile(number, kCertificate, kAlice));
  EXPECT_TRUE(Must(keystore_->RemoveFile(number, kKey, kAlice)).entry.empty());
}

TEST_P(KeystoreFiles, TakesTheMozillaBundleWhole) {
  const std::filesystem::path bundle = "/usr/share/ca-certificates/mozilla";
  if (!std::filesystem::exists(bundle)) GTEST_SKIP() << "no Mozilla bundle at " << bundle;
  // Twice: the same bytes under another alias are nothing that a rule has a word about.
  std::size_t taken = 0;
  for (const std::string prefix : {"a-", "b-"}) {
    for (const auto& each : std::filesystem::directory_iterator(bundle)) {
      const Bytes bytes = test::ReadAll(each.path());
      const Number number = Make("TRUSTED_ROOTS", prefix + each.path().stem().string());
      const auto outcome = Write(number, kCertificate, bytes);
      EXPECT_TRUE(outcome.has_value()) << each.path() << ": " << outcome.error().message();
      ++taken;
    }
  }
  EXPECT_GT(taken, 200U);
}

}  // namespace

}  // namespace certfs
