// Goal: no two different certificates with one issuer and serial number are stored; the index of them is at
// all times what counting the files anew would give. Method: vectors that share a serial number, through the
// door over both tables, and random changes against a recount.

#include "store/serial_numbers.h"

#include <map>
#include <random>

#include "crypto/store_file.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/raw_lmdb.h"

namespace certfs {

namespace {

using enum ErrorCode;
constexpr Member kCertificate = Member::kCertificate;

std::vector<Certificate> CertificatesOf(BytesView bytes) {
  return Must(ReadCertificateFile(bytes)).certificates;
}

Bytes Joined(std::initializer_list<const char*> vectors) {
  Bytes all;
  for (const char* const vector : vectors) {
    const Bytes bytes = VectorOf(vector);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

IssuedSerial SerialOf(const Certificate& certificate) {
  const BytesView issuer = certificate.issuer_der();
  return {{issuer.begin(), issuer.end()}, certificate.serial_der()};
}

class SerialNumbers : public Door {
 protected:
  std::uint64_t FilesWith(const std::string& vector, std::size_t at = 0) {
    const Certificate certificate = CertificatesOf(VectorOf(vector)).at(at);
    const BytesView issuer = certificate.issuer_der();
    const auto holder = Must(
        Must(keystore_->Snapshot())->FindSerial({{issuer.begin(), issuer.end()}, certificate.serial_der()}));
    return holder && holder->certificate == certificate.fingerprint() ? holder->files : 0;
  }
};

INSTANTIATE_TEST_SUITE_P(Keystores, SerialNumbers, kBothDoors, NameOfDoor);

TEST_P(SerialNumbers, OneThatIsTakenIsRefused) {
  const Number first = Make("machine", "first");
  const Number second = Make("vpxd", "second");
  Put(first, kCertificate, "serial-first.pem");
  ExpectRefused(kRejected, second, kCertificate, "serial-second.pem", "serial-reused");
  Put(second, kCertificate, "serial-other.pem");
  ExpectRefused(kRejected, second, kCertificate, "serial-second.pem", "serial-reused");
  // As an anchor and as a server's certificate too; what is worse is said first.
  const Number root = Make("TRUSTED_ROOTS", "between");
  ExpectRefused(kRejected, root, kCertificate, "serial-authority.pem", "serial-reused");
  const Number server = Make("MACHINE_SSL_CERT", "server");
  ExpectRefused(kRejected, server, kCertificate, "serial-second.pem", "untrusted-issuer");
  Put(Make("TRUSTED_ROOTS", "plain"), kCertificate, "plain-root.pem");
  ExpectRefused(kRejected, server, kCertificate, "serial-second.pem", "serial-reused");
  Put(server, kCertificate, "serial-first.pem");
}

TEST_P(SerialNumbers, TheSameBytesAreNoReuse) {
  const Number first = Make("machine", "first");
  const Number second = Make("machine", "second");
  Put(first, kCertificate, "serial-first.pem");
  Put(second, kCertificate, "serial-first.pem");
  EXPECT_EQ(FilesWith("serial-first.pem"), 2U);
  Must(keystore_->RemoveFile(first, kCertificate, kRoot));
  EXPECT_EQ(FilesWith("serial-first.pem"), 1U);
  ExpectRefused(kRejected, first, kCertificate, "serial-second.pem", "serial-reused");
  // The last file that holds the old one may take the new one's place.
  Put(second, kCertificate, "serial-second.pem");
  EXPECT_EQ(FilesWith("serial-first.pem"), 0U);
  EXPECT_EQ(FilesWith("serial-second.pem"), 1U);
  ExpectRefused(kRejected, first, kCertificate, "serial-first.pem", "serial-reused");
  Must(keystore_->RemoveFile(second, kCertificate, kRoot));
  Put(first, kCertificate, "serial-first.pem");
}

TEST_P(SerialNumbers, AReplacementWhoseSerialAnotherFileHoldsIsRefused) {
  const Number first = Make("machine", "first");
  const Number second = Make("machine", "second");
  Put(first, kCertificate, "serial-first.pem");
  Put(second, kCertificate, "serial-first.pem");
  ExpectRefused(kRejected, first, kCertificate, "serial-second.pem", "serial-reused");
}

TEST_P(SerialNumbers, EveryCertificateOfAFileCounts) {
  const Number first = Make("machine", "first");
  const Number second = Make("machine", "second");
  Put(first, kCertificate, "chain.pem");
  Put(second, kCertificate, "leaf.pem");
  EXPECT_EQ(FilesWith("chain.pem", 0), 2U);
  EXPECT_EQ(FilesWith("chain.pem", 1), 1U);
  Put(second, kCertificate, "chain.pem");
  EXPECT_EQ(FilesWith("chain.pem", 0), 2U);
  EXPECT_EQ(FilesWith("chain.pem", 1), 2U);
  Put(first, kCertificate, "leaf.pem");
  EXPECT_EQ(FilesWith("chain.pem", 1), 1U);
  // An intermediate with a leaf's serial number, in another file or in the same.
  Put(first, kCertificate, "serial-first.pem");
  const Number third = Make("machine", "third");
  const Bytes both = Joined({"serial-other.pem", "serial-authority.pem"});
  ExpectRefused(
      kRejected, [&] { return Write(third, kCertificate, both); }, "serial-reused");
  ExpectRefused(
      kRejected,
      [&] {
        return Write(third, kCertificate, Joined({"serial-first.pem", "serial-authority.pem"}));
      },
      "serial-reused");
  // One certificate twice in one file counts once.
  Must(Write(third, kCertificate, Joined({"serial-first.pem", "serial-first.pem"})));
  EXPECT_EQ(FilesWith("serial-first.pem"), 2U);
}

TEST_P(SerialNumbers, TheIndexIsWhatARecountGives) {
  const char* const vectors[] = {"serial-first.pem",     "serial-second.pem", "serial-other.pem",
                                 "serial-authority.pem", "leaf.pem",          "chain.pem",
                                 "chain-with-root.pem",  "zero-serial.pem"};
  std::vector<Number> numbers;
  for (int i = 0; i < 6; ++i) numbers.push_back(Make("machine", "e" + std::to_string(i)));
  std::mt19937 random(20261125);
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    const Number number = numbers[random() % numbers.size()];
    if (random() % 4 == 0) {
      (void)keystore_->RemoveFile(number, kCertificate, kRoot).has_value();
    } else {
      refused +=
          WriteVector(number, kCertificate, vectors[random() % std::size(vectors)]).has_value() ? 0 : 1;
    }
    std::map<std::string, std::map<Digest, std::uint64_t>> counted;  // By the certificate's IssuerAndSerial.
    const auto snapshot = Must(keystore_->Snapshot());
    for (const Number each : numbers) {
      const Entry entry = *Must(snapshot->FindEntryByNumber(each));
      if (!entry.file(kCertificate)) continue;
      const SecretBytes text = Must(snapshot->ReadFile(entry, kCertificate));
      for (const Certificate& certificate : CertificatesOf(text.Reveal())) {
        ++counted[ToHex(certificate.IssuerAndSerial())][certificate.fingerprint()];
      }
    }
    for (const char* const vector : vectors) {
      for (const Certificate& certificate : CertificatesOf(VectorOf(vector))) {
        const auto holder = Must(snapshot->FindSerial(SerialOf(certificate)));
        const auto& files = counted[ToHex(certificate.IssuerAndSerial())];
        ASSERT_LE(files.size(), 1U) << "two certificates with one serial number";
        ASSERT_EQ(holder.has_value(), !files.empty()) << vector;
        if (!holder) continue;
        EXPECT_EQ(holder->certificate, files.begin()->first);
        EXPECT_EQ(holder->files, files.begin()->second);
      }
    }
  }
  EXPECT_GT(refused, 10);
}

// What a damaged file held cannot be told any more: its serial numbers stay taken.
TEST(SerialNumbersDamage, ADamagedFileKeepsItsSerials) {
  const TemporaryDirectory directory;
  auto keystore = MakeKeystoreOnDisk(directory.path(), FixedClock().get());
  const Number store = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->number;
  const Number number = Must(keystore->CreateEntry(store, AliasOf("a"), kRoot, 0755)).number;
  Must(keystore->WriteFile(number, kCertificate, VectorOf("serial-first.pem"), kRoot, {}));
  keystore.reset();
  {
    RawLmdb raw(directory.path());
    const auto contents = raw.ReadAll("contents");
    ASSERT_EQ(contents.size(), 1U);
    Bytes bytes = contents.begin()->second;
    bytes.back() ^= 1;
    raw.Put("contents", contents.begin()->first, bytes);
  }
  keystore = Must(Keystore::Open(directory.path(), TestSecret(), FixedClock().get()));
  Must(keystore->RemoveFile(number, kCertificate, kRoot));
  EXPECT_EQ(CodeOf(keystore->WriteFile(number, kCertificate, VectorOf("serial-second.pem"), kRoot, {})),
            kRejected);
  Must(keystore->WriteFile(number, kCertificate, VectorOf("serial-first.pem"), kRoot, {}));
}

TEST(SerialNumbersAtRest, NothingIsLeftWhenNothingIsHeld) {
  const TemporaryDirectory directory;
  {
    const auto keystore = MakeKeystoreOnDisk(directory.path(), FixedClock().get());
    const Number store = Must(Must(keystore->Snapshot())->FindStore(NameOf("machine")))->number;
    const Number number = Must(keystore->CreateEntry(store, AliasOf("a"), kRoot, 0755)).number;
    Must(keystore->WriteFile(number, kCertificate, VectorOf("chain.pem"), kRoot, {}));
    Must(keystore->RemoveFile(number, kCertificate, kRoot));
  }
  RawLmdb raw(directory.path());
  for (const auto& [key, node] : raw.ReadAll("nodes")) EXPECT_NE(Reader(key).U64(), 1U);
}

}  // namespace

}  // namespace certfs
