// Goal: threads and processes that share a keystore see whole states, lose no change and trust nothing stale.
// Method: writers and readers of one Keystore at once; store_writer, another program, on the same directory.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "tests/store/keystore_fixture.h"

extern char** environ;

namespace certfs {

namespace {

constexpr Member kCertificate = Member::kCertificate;
constexpr Member kKey = Member::kKey;

class KeystoreThreads : public Door {};
INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreThreads, kBothDoors, NameOfDoor);

// Reads all of `store` in one snapshot: as many entries as the store says, each file whole and one of
// `texts`.
void CheckWhole(Keystore& keystore, Number store, const std::set<std::string>& texts) {
  const auto snapshot = Must(keystore.Snapshot());
  std::uint64_t seen = 0;
  for (Cursor after = 0;;) {
    const auto next = Must(snapshot->NextEntry(store, after, nullptr));
    if (!next) break;
    after = next->at;
    ++seen;
    const Entry entry = Must(snapshot->FindEntry(store, next->item.alias)).value_or(Entry{});
    EXPECT_EQ(entry.number, next->item.number);
    EXPECT_EQ(Must(snapshot->FindEntryByNumber(entry.number)).value_or(Entry{}).revision,
              next->item.revision);
    for (const Member member : {kCertificate, kKey}) {
      if (!entry.file(member)) continue;
      const std::string text = ReadText(*snapshot, entry, member);
      EXPECT_EQ(text.size(), entry.file(member)->size);
      EXPECT_EQ(texts.count(text), 1U) << "neither the old bytes nor the new";
    }
  }
  EXPECT_EQ(Must(snapshot->FindStoreByNumber(store))->entry_count, seen);
}

TEST_P(KeystoreThreads, SeeWholeStatesAndLoseNothing) {
  const int rounds = getenv("CERTFS_SOAK") != nullptr ? 200 : 15;
  const Bytes key = VectorOf("leaf.key");
  const Bytes first = VectorOf("leaf.pem");
  const Bytes second = VectorOf("zero-serial.pem");
  const Bytes root = VectorOf("root.pem");
  std::set<std::string> texts;
  for (const Bytes* each : {&key, &first, &second}) texts.emplace(AsText(*each));
  const Number store = StoreNumber("machine");
  const Number roots = StoreNumber("TRUSTED_ROOTS");
  const Number trusted = Make("TRUSTED_ROOTS", "root");
  std::vector<Number> numbers;
  for (int i = 0; i < 3; ++i) {
    numbers.push_back(Make("machine", "w" + std::to_string(i)));
    Must(Write(numbers[i], kKey, key));
  }

  std::atomic<int> writing = 4;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const std::string mine = "t" + std::to_string(i);
      for (int round = 0; round < rounds; ++round) {
        Must(Write(numbers[i], kCertificate, round % 2 == 0 ? first : second));
        Must(keystore_->CreateEntry(store, AliasOf(mine), kRoot, 0755));
        Must(keystore_->RenameEntry(store, AliasOf(mine), AliasOf(mine + "r"), kRoot));
        Must(keystore_->RemoveEntry(store, AliasOf(mine + "r"), kRoot));
      }
      --writing;
    });
  }
  threads.emplace_back([&] {
    for (int round = 0; round < rounds; ++round) {
      Must(Write(trusted, kCertificate, root));
      Must(keystore_->RemoveFile(trusted, kCertificate, kRoot));
    }
    --writing;
  });
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (writing != 0) {
        CheckWhole(*keystore_, store, texts);
        CheckWhole(*keystore_, roots, {std::string(AsText(root))});
        EXPECT_GT(keystore_->GetUsage().limit, 0U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CheckWhole(*keystore_, store, texts);
  for (const Number number : numbers) {
    EXPECT_EQ(Get(number).revision, static_cast<Revision>(1 + rounds));
    EXPECT_EQ(Text(number, kCertificate), AsText(rounds % 2 == 1 ? first : second));
  }
  EXPECT_EQ(Must(Must(keystore_->Snapshot())->FindStoreByNumber(store))->entry_count, 3U);
  EXPECT_EQ(Get(trusted).revision, static_cast<Revision>(rounds));
}

// store_writer, started and not yet told to write.
class OtherWriter {
 public:
  OtherWriter(const std::filesystem::path& directory, const char* store, const char* alias, const char* count,
              const char* member, const std::string& file) {
    int in[2];
    int out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    const char* const arguments[] = {STORE_WRITER, directory.c_str(), store,  alias, count,
                                     member,       file.c_str(),      nullptr};
    EXPECT_EQ(posix_spawn(&child_, STORE_WRITER, &actions, nullptr, const_cast<char**>(arguments), environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
    char byte = 0;
    EXPECT_EQ(read(from_, &byte, 1), 1) << "it could not open the keystore";
  }
  void Start() { EXPECT_EQ(write(to_, "g", 1), 1); }
  // Waits until it has ended.
  void Finish() {
    int status = -1;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    EXPECT_EQ(status, 0);
    close(to_);
    close(from_);
  }

 private:
  pid_t child_ = -1;
  int to_ = -1;
  int from_ = -1;
};

class KeystoreProcesses : public Door {
 protected:
  std::uint64_t CountOf(TableSnapshot& snapshot, std::string_view store) {
    return Must(snapshot.FindStore(NameOf(store)))->entry_count;
  }
  static std::string PathOf(const std::string& vector) {
    return std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/" + vector;
  }
};
INSTANTIATE_TEST_SUITE_P(Keystores, KeystoreProcesses, testing::Values(DoorKind{"Disk", MakeKeystoreOnDisk}),
                         NameOfDoor);

TEST_P(KeystoreProcesses, ACommitOfAnotherShowsInTheNextSnapshot) {
  OtherWriter other(directory_.path(), "machine", "other", "5", "key.pem", PathOf("leaf.key"));
  Make("machine", "mine");
  const auto before = Must(keystore_->Snapshot());
  const std::uint64_t foreign = Must(keystore_->ForeignCommits());
  other.Start();
  other.Finish();
  // Ten changes, and at its end the anchor of its audit log.
  EXPECT_EQ(Must(keystore_->ForeignCommits()), foreign + 11);
  EXPECT_EQ(CountOf(*before, "machine"), 1U);
  const auto after = Must(keystore_->Snapshot());
  EXPECT_EQ(CountOf(*after, "machine"), 6U);
  const Entry entry = *Must(after->FindEntry(StoreNumber("machine"), AliasOf("other4")));
  EXPECT_EQ(ReadText(*after, entry, kKey), AsText(VectorOf("leaf.key")));
  Put(entry.number, kCertificate, "leaf.pem");
}

TEST_P(KeystoreProcesses, TwoThatWriteAtOnceLoseNothing) {
  OtherWriter other(directory_.path(), "machine", "other", "20", "key.pem", PathOf("leaf.key"));
  other.Start();
  std::set<Number> numbers;
  for (int i = 0; i < 20; ++i) {
    const Number number = Make("machine", "mine" + std::to_string(i));
    EXPECT_TRUE(numbers.insert(number).second);
    Put(number, kKey, "other.key");
  }
  other.Finish();
  const auto snapshot = Must(keystore_->Snapshot());
  EXPECT_EQ(CountOf(*snapshot, "machine"), 40U);
  for (int i = 0; i < 20; ++i) {
    const auto entry =
        Must(snapshot->FindEntry(StoreNumber("machine"), AliasOf("other" + std::to_string(i))));
    ASSERT_TRUE(entry);
    EXPECT_TRUE(numbers.insert(entry->number).second) << "a number was given twice";
    EXPECT_EQ(ReadText(*snapshot, *entry, kKey), AsText(VectorOf("leaf.key")));
  }
}

// What another process trusts or revokes holds for the next verdict here; and its serial numbers are taken.
TEST_P(KeystoreProcesses, VerdictsFollowTheTrustOfAnother) {
  const Number server = Make("MACHINE_SSL_CERT", "a");
  ExpectRefused(ErrorCode::kRejected, server, kCertificate, "chain.pem", "untrusted-issuer");
  const auto write = [&](const char* store, const char* member, const std::string& file) {
    OtherWriter other(directory_.path(), store, file.c_str(), "1", member, PathOf(file));
    other.Start();
    other.Finish();
  };
  write("TRUSTED_ROOTS", "cert.pem", "root.pem");
  Put(server, kCertificate, "chain.pem");
  Must(keystore_->RemoveFile(server, kCertificate, kRoot));
  write("TRUSTED_ROOTS", "cert.pem", "issuing.pem");
  write("TRUSTED_ROOTS_CRLS", "crl.pem", "crl-revokes-leaf.pem");
  ExpectRefused(ErrorCode::kRevoked, server, kCertificate, "chain.pem", "revoked");
}

}  // namespace

}  // namespace certfs
