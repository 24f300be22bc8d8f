// Goal: damage to what verdicts rest on makes no verdict milder, and what is damaged can be replaced.
// Method: records of a keystore on disk are changed by somebody without the key, then the door is asked.

#include <fstream>
#include <optional>

#include "store/kept_state.h"
#include "store/key_release.h"
#include "store/sealed_table.h"
#include "tests/store/damage_door.h"

namespace certfs {

namespace {

constexpr Member kCertificate = Member::kCertificate;
constexpr Member kList = Member::kRevocationList;

class KeystoreDamage : public DamageDoor {
 protected:
  // Sixty entries with chain.pem, on pages of their own, in a keystore that was opened after them.
  std::vector<Number> FillAndOpenAnew() {
    std::vector<Number> numbers;
    for (int i = 0; i < 60; ++i) {
      numbers.push_back(Make("machine", "e" + std::to_string(i)));
      Put(numbers.back(), kCertificate, "chain.pem");
    }
    keystore_.reset();
    keystore_ = Must(Keystore::Open(directory_.path(), TestSecret(), clock_.get()));
    return numbers;
  }
  Result<std::string> CertificateOf(Number number) {
    const auto snapshot = TRY(keystore_->Snapshot());
    const auto entry = TRY(snapshot->FindEntryByNumber(number));
    if (!entry) return Error(ErrorCode::kNotFound, "the entry");
    const SecretBytes bytes = TRY(snapshot->ReadFile(*entry, kCertificate));
    return std::string(AsText(bytes.Reveal()));
  }
  ErrorCode Code(Number number, Member member, const std::string& vector) {
    const auto outcome = WriteVector(number, member, vector);
    return outcome.has_value() ? ErrorCode::kInternal : outcome.error().code();
  }
};

INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreDamage, kOnDisk, NameOfDoor);

// A disk that fails shows as a bus error where a file is mapped; so does a file that was cut short beneath
// us.
TEST_P(KeystoreDamage, APageThatCannotBeReadIsDamageAndNoCrash) {
  const std::vector<Number> numbers = FillAndOpenAnew();
  const std::string wanted(AsText(VectorOf("chain.pem")));
  const auto file = directory_.path() / "data.mdb";
  const auto whole = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, whole / 2 & ~std::uintmax_t{4095});
  int read = 0;
  int damaged = 0;
  for (const Number number : numbers) {
    const auto text = CertificateOf(number);
    if (text.has_value()) {
      EXPECT_EQ(text.value(), wanted);
      ++read;
    } else {
      EXPECT_EQ(text.error().code(), ErrorCode::kCorrupt) << text.error().message();
      ++damaged;
    }
  }
  EXPECT_GT(damaged, 0);
  std::cout << read << " read, " << damaged << " damaged\n";
}

// Goal: what the disk gives again is served again, by the process that has met zeros in its place. Method:
// half of the file is gone for one read.
TEST_P(KeystoreDamage, APageThatCanBeReadAgainIsServedAgain) {
  const std::vector<Number> numbers = FillAndOpenAnew();
  const std::string wanted(AsText(VectorOf("chain.pem")));
  // Then all of it has been examined.
  for (const Number number : numbers) EXPECT_EQ(Must(CertificateOf(number)), wanted);

  const auto file = directory_.path() / "data.mdb";
  const Bytes whole = test::ReadAll(file.string());
  const std::size_t half = whole.size() / 2 & ~std::size_t{4095};
  std::filesystem::resize_file(file, half);
  std::optional<Number> lost;
  // The first one alone: whoever reads next has the file examined.
  for (std::size_t i = 0; i < numbers.size() && !lost; ++i) {
    const auto read = CertificateOf(numbers[i]);
    if (read.has_value()) continue;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << read.error().message();
    lost = numbers[i];
  }
  ASSERT_TRUE(lost);
  std::ofstream(file, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(whole.data() + half),
             static_cast<std::streamsize>(whole.size() - half));
  EXPECT_EQ(test::ReadAll(file.string()), whole);
  EXPECT_EQ(Must(CertificateOf(*lost)), wanted);
  for (const Number number : numbers) EXPECT_EQ(Must(CertificateOf(number)), wanted);
}

// Without its CRL, a revoked certificate would pass.
TEST_P(KeystoreDamage, ADamagedListLetsNothingThrough) {
  Put(Make("TRUSTED_ROOTS", "root"), kCertificate, "root.pem");
  Put(Make("TRUSTED_ROOTS", "issuing"), kCertificate, "issuing.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "issuing");
  const Number second = Make("TRUSTED_ROOTS_CRLS", "second");
  Put(list, kList, "crl-revokes-leaf.pem");
  const Number server = Make("MACHINE_SSL_CERT", "a");
  ASSERT_EQ(Code(server, kCertificate, "chain.pem"), ErrorCode::kRevoked);

  Flip("contents", KeyOf(list, kList));
  EXPECT_EQ(Code(server, kCertificate, "chain.pem"), ErrorCode::kCorrupt);
  EXPECT_EQ(Code(second, kList, "crl-revokes-leaf.pem"), ErrorCode::kCorrupt);
  EXPECT_EQ(Code(server, kCertificate, "leaf.key"), ErrorCode::kMalformed);
  // The list itself can be written again, and all is as it was.
  Put(list, kList, "crl-revokes-leaf.pem");
  EXPECT_EQ(Code(server, kCertificate, "chain.pem"), ErrorCode::kRevoked);
  EXPECT_EQ(Code(second, kList, "crl-revokes-leaf.pem"), ErrorCode::kAlreadyExists);

  Flip("entries", KeyOf(list));
  EXPECT_EQ(Code(server, kCertificate, "chain.pem"), ErrorCode::kCorrupt);
  Flip("entries", KeyOf(list));  // Flipped back.
  EXPECT_EQ(Code(server, kCertificate, "chain.pem"), ErrorCode::kRevoked);
}

// A key that is to be withheld once its certificate is revoked is withheld while nobody can tell.
TEST_P(KeystoreDamage, ADamagedListReleasesNoKey) {
  Put(Make("TRUSTED_ROOTS", "root"), kCertificate, "root.pem");
  const Number issuing = Make("TRUSTED_ROOTS", "issuing");
  Put(issuing, kCertificate, "issuing.pem");
  const Number list = Make("TRUSTED_ROOTS_CRLS", "issuing");
  Put(list, kList, "crl-5.pem");
  const Number server = Make("machine", "a");
  Put(server, Member::kKey, "leaf.key");
  Put(server, kCertificate, "chain.pem");
  const auto release = [&]() -> std::optional<ErrorCode> {
    KeyRelease gate(*keystore_);
    const auto snapshot = Must(keystore_->Snapshot());
    auto released = gate.Check(*snapshot, *Must(snapshot->FindEntryByNumber(server)));
    return released.has_value() ? std::nullopt : std::optional(released.error().code());
  };
  Must(keystore_->SetEnforceRevocation(StoreNumber("machine"), true));
  EXPECT_EQ(release(), std::nullopt);
  // Without its root nobody can tell whom the list speaks for.
  Flip("contents", KeyOf(issuing, kCertificate));
  EXPECT_EQ(release(), ErrorCode::kCorrupt);
  Flip("contents", KeyOf(issuing, kCertificate));
  EXPECT_EQ(release(), std::nullopt);
  Flip("contents", KeyOf(list, kList));
  EXPECT_EQ(release(), ErrorCode::kCorrupt);
  Must(keystore_->SetEnforceRevocation(StoreNumber("machine"), false));
  EXPECT_EQ(release(), std::nullopt);
}

TEST_P(KeystoreDamage, ADamagedRootIsNotTrusted) {
  const Number root = Make("TRUSTED_ROOTS", "root");
  Put(root, kCertificate, "root.pem");
  const Number server = Make("MACHINE_SSL_CERT", "a");
  Flip("contents", KeyOf(root, kCertificate));
  EXPECT_EQ(Code(server, kCertificate, "chain.pem"), ErrorCode::kRejected);
  // Where nobody has to be trusted it may have revoked what is written.
  const Number any = Make("machine", "a");
  EXPECT_EQ(Code(any, kCertificate, "chain.pem"), ErrorCode::kCorrupt);
  Put(root, kCertificate, "root.pem");
  Put(server, kCertificate, "chain.pem");
  Put(any, kCertificate, "chain.pem");
}

// Whose it is, nobody can tell: it stays, and what is kept from now on goes beside it.
TEST_P(KeystoreDamage, ADamagedKeptStateHoldsNoWriteUp) {
  const Number number = Make("machine", "web");
  Put(number, Member::kKey, "leaf.key");
  Put(number, kCertificate, "leaf.pem");
  const auto kept = [&] {
    const auto snapshot = Must(keystore_->Snapshot());
    return FindKeptState(*snapshot, *Must(snapshot->FindStore(NameOf("machine"))), AliasOf("web"));
  };
  Flip("entries", KeyOf(Must(kept())->number));
  ASSERT_FALSE(kept().has_value());
  EXPECT_EQ(kept().error().code(), ErrorCode::kCorrupt);
  Put(number, kCertificate, "chain.pem");
  const auto beside = Must(kept());
  ASSERT_TRUE(beside);
  EXPECT_EQ(beside->alias.text(), "bkp_web@machine");
  EXPECT_EQ(Text(beside->number, kCertificate), AsText(VectorOf("leaf.pem")));
  EXPECT_EQ(Text(beside->number, Member::kKey), AsText(VectorOf("leaf.key")));
  // The same place the next time, and no other store's.
  Put(number, kCertificate, "leaf.pem");
  EXPECT_EQ(Must(kept())->number, beside->number);
  Must(keystore_->RemoveFile(number, kCertificate, kRoot));
  EXPECT_EQ(Text(beside->number, kCertificate), AsText(VectorOf("leaf.pem")));
}

TEST_P(KeystoreDamage, ADamagedFileIsReplacedOrRemoved) {
  const Number number = Make("machine", "a");
  Put(number, Member::kKey, "leaf.key");
  Put(number, kCertificate, "leaf.pem");
  const Entry before = Get(number);
  Flip("contents", KeyOf(number, kCertificate));
  Put(number, kCertificate, "leaf.pem");
  EXPECT_EQ(Get(number).revision, before.revision + 1);
  EXPECT_EQ(Get(number).file(kCertificate)->attributes.uid, before.file(kCertificate)->attributes.uid);
  Flip("contents", KeyOf(number, kCertificate));
  Must(keystore_->RemoveFile(number, kCertificate, kRoot));
  // A key that cannot be read matches nothing.
  Flip("contents", KeyOf(number, Member::kKey));
  EXPECT_EQ(Code(number, kCertificate, "leaf.pem"), ErrorCode::kCorrupt);
}

}  // namespace

}  // namespace certfs
