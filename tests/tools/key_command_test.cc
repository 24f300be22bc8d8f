// Goal: `certfs key` changes what opens a keystore, and says what it refuses. Method: the program over a
// keystore in a directory, with key files, passphrases and recovery certificates.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "tests/tools/program.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

std::string Recovery(const std::string& name) {
  return Quoted(std::filesystem::path(CERTFS_SOURCE_DIR) / "tests/vectors/recovery" / name);
}

class KeyCommand : public testing::Test {
 protected:
  KeyCommand() { EXPECT_EQ(Certfs("init " + keystore_).code, 0); }
  End Key(const std::string& part, const std::string& rest = {}) {
    return Certfs("key " + part + " " + keystore_ + " " + rest);
  }
  std::string File(const std::string& name) { return Quoted(scratch_ / name); }

  ScratchDirectory scratch_;
  std::string keystore_ = Quoted(scratch_ / "ks");
};

TEST_F(KeyCommand, AddsSlotsOfEveryType) {
  End end = Key("add", "--new-keyfile " + File("k2"));
  EXPECT_EQ(end.code, 0) << end.words;
  EXPECT_EQ(end.words, "added slot 2\n");
  struct stat status {};
  ASSERT_EQ(stat((scratch_ / "k2").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(status.st_size, 32);
  const std::string passphrase = Quoted(scratch_.Write("pass", "correct horse\n"));
  EXPECT_EQ(Key("add", "--new-passphrase-file " + passphrase).code, 0);
  end = Key("add", "--keyfile " + File("k2") + " --recovery " + Recovery("rsa.pem"));
  EXPECT_TRUE(Has(end, "slot 4") && Has(end, "Recovery rsa")) << end.words;
  // Each of them lists, hence unlocks.
  const std::string key = Quoted(scratch_ / "recovery.key");
  std::filesystem::copy(std::filesystem::path(CERTFS_SOURCE_DIR) / "tests/vectors/recovery/rsa.key",
                        scratch_ / "recovery.key");
  std::filesystem::permissions(scratch_ / "recovery.key", std::filesystem::perms(0600));
  for (const std::string& unlock : {"--keyfile " + File("ks.key"), "--keyfile " + File("k2"),
                                    "--passphrase-file " + passphrase, "--recovery-key " + key}) {
    const End list = Key("list", unlock);
    EXPECT_EQ(list.code, 0) << list.words;
    EXPECT_TRUE(Has(list, "CN=Recovery rsa,O=Acme")) << list.words;
  }
  const End json = Key("list", "--json");
  EXPECT_TRUE(Has(json, "\"type\": \"passphrase\"") && Has(json, "\"rotating\": false")) << json.words;
}

TEST_F(KeyCommand, ANewKeyFileIsNeverOverwrittenAndNeverLeftBehind) {
  scratch_.Write("k2", std::string(32, 'k'));
  EXPECT_EQ(Key("add", "--new-keyfile " + File("k2")).code, 0);
  EXPECT_EQ(Key("list", "--keyfile " + File("k2")).code, 0);
  scratch_.Write("odd", "not a key");
  EXPECT_EQ(Key("add", "--new-keyfile " + File("odd")).code, 2);
  EXPECT_EQ(std::filesystem::file_size(scratch_ / "odd"), 9U);
  // With the wrong key nothing is added, and no file is left that would open nothing.
  const std::string wrong = Quoted(scratch_.Write("wrong", std::string(32, 'w')));
  EXPECT_EQ(Key("add", "--keyfile " + wrong + " --new-keyfile " + File("k3")).code, 3);
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "k3"));
  EXPECT_EQ(Key("add", "--new-keyfile " + File("k2")).code, 1);  // It opens slot 2 already.
}

TEST_F(KeyCommand, RefusesWhatCannotBeARecoveryCertificate) {
  for (const char* const name :
       {"rsa-signs.pem", "p256-signs.pem", "rsa1024.pem", "k256.pem", "ed25519.pem"}) {
    const End end = Key("add", "--recovery " + Recovery(name));
    EXPECT_EQ(end.code, 1) << end.words;
    EXPECT_TRUE(Has(end, name) && Has(end, "cannot be a recovery certificate")) << end.words;
  }
  EXPECT_EQ(Key("add", "--recovery " + Recovery("rsa.key")).code, 2);
  EXPECT_EQ(Key("add", "").code, 2);
  EXPECT_EQ(Key("add", "--new-keyfile x --recovery " + Recovery("rsa.pem")).code, 2);
  // Expired ones are warned about.
  const std::string expired =
      Quoted(std::filesystem::path(CERTFS_SOURCE_DIR) / "tests/vectors/pki/expired.pem");
  EXPECT_TRUE(Has(Key("add", "--recovery " + expired), "expired at"));
}

TEST_F(KeyCommand, RemovesAllButTheLast) {
  EXPECT_EQ(Key("remove", "1").code, 1);
  EXPECT_EQ(Key("remove", "7").code, 1);
  EXPECT_EQ(Key("remove", "x").code, 2);
  ASSERT_EQ(Key("add", "--recovery " + Recovery("p256.pem")).code, 0);
  const End end = Key("remove", "1");
  EXPECT_EQ(end.code, 0) << end.words;
  EXPECT_TRUE(Has(end, "only recovery slots are left")) << end.words;
  EXPECT_EQ(Key("list").code, 3);
  std::filesystem::remove(scratch_ / "ks.key");
  // Without any key, what anybody may know.
  const End list = Key("list");
  EXPECT_EQ(list.code, 0) << list.words;
  EXPECT_TRUE(Has(list, "not checked") && Has(list, "recovery") && !Has(list, "Acme")) << list.words;
  EXPECT_TRUE(Has(Key("list", "--json"), "\"epoch\": null"));
}

TEST_F(KeyCommand, RotatesAndRevokes) {
  const End rotated = Key("rotate");
  EXPECT_EQ(rotated.code, 0) << rotated.words;
  EXPECT_TRUE(Has(rotated, "under a new data key") && !Has(rotated, "free space")) << rotated.words;
  EXPECT_TRUE(Has(Key("list", "--json"), "\"epoch\": 2"));
  ASSERT_EQ(Key("add", "--new-keyfile " + File("k2")).code, 0);
  ASSERT_EQ(Key("add", "--new-keyfile " + File("k3")).code, 0);
  const End refused = Key("revoke", "2");
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(Has(refused, "slots 2 and 3 would go") && Has(refused, "--drop-others")) << refused.words;
  EXPECT_EQ(Key("list", "--keyfile " + File("k2")).code, 0);
  const End revoked = Key("revoke", "2 --keep-keyfile " + File("k3"));
  EXPECT_EQ(revoked.code, 0) << revoked.words;
  EXPECT_TRUE(Has(revoked, "left are 1 and 3")) << revoked.words;
  EXPECT_EQ(Key("list", "--keyfile " + File("k2")).code, 3);
  EXPECT_EQ(Key("list", "--keyfile " + File("k3")).code, 0);
  EXPECT_EQ(Key("revoke", "1").code, 1);  // It is the one that unlocks.
  EXPECT_EQ(Key("revoke", "3 --drop-others").code, 0);
  EXPECT_EQ(Key("list", "--keyfile " + File("k3")).code, 3);
}

// Root looks after the keystore of somebody else, who has to be able to open it afterwards.
TEST_F(KeyCommand, LeavesTheKeystoreToItsOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  constexpr uid_t kUser = 65534;
  constexpr gid_t kGroup = 12345;
  const std::vector<std::string> names{"ks", "ks/keystore.hdr", "ks/data.mdb", "ks/lock.mdb"};
  const auto expect_owned = [&](const std::string& after) {
    for (const std::string& name : names) {
      struct stat status {};
      ASSERT_EQ(stat((scratch_ / name).c_str(), &status), 0) << name;
      EXPECT_EQ(status.st_uid, kUser) << name << after;
      EXPECT_EQ(status.st_gid, kGroup) << name << after;
      if (name != "ks") {
        EXPECT_EQ(status.st_mode & 07777, 0600U) << name << after;
      }
    }
  };
  for (const std::string& name : names) ASSERT_EQ(chown((scratch_ / name).c_str(), kUser, kGroup), 0);
  ASSERT_EQ(unlink((scratch_ / "ks/lock.mdb").c_str()), 0);
  EXPECT_EQ(Key("add", "--new-keyfile " + File("k2")).code, 0);
  expect_owned(" after add");
  const End rotated = Key("rotate");
  EXPECT_TRUE(rotated.code == 0 && !Has(rotated, "free space")) << rotated.words;
  expect_owned(" after rotate");
  EXPECT_EQ(Key("revoke", "2").code, 0);
  expect_owned(" after revoke");
  // A new one in a directory of his.
  std::filesystem::remove_all(scratch_ / "ks");
  std::filesystem::create_directory(scratch_ / "ks");
  ASSERT_EQ(chown((scratch_ / "ks").c_str(), kUser, kGroup), 0);
  EXPECT_EQ(Certfs("init --keyfile " + File("ks.key") + " " + keystore_).code, 0);
  expect_owned(" after init");
}

// Whoever looks after the keystore of somebody else writes to nothing that this one points him to.
TEST_F(KeyCommand, WritesToNothingOutsideOfTheKeystore) {
  const std::filesystem::path lock = scratch_ / "ks/lock.mdb";
  const std::filesystem::path victim = scratch_.Write("shadow", "root:*:19000:0:99999:7:::\n");
  if (geteuid() == 0) {
    for (const char* const name : {"ks", "ks/keystore.hdr", "ks/data.mdb"})
      ASSERT_EQ(chown((scratch_ / name).c_str(), 65534, 65534), 0);
  }
  const auto attempt = [&](const std::string& words) {
    for (const std::string& command : {"key add " + keystore_ + " --new-keyfile " + File("new"),
                                       "key rotate " + keystore_, "doctor " + keystore_}) {
      const End end = Certfs(command);
      EXPECT_NE(end.code, 0) << command;
      EXPECT_TRUE(Has(end, "lock.mdb") && Has(end, words)) << command << ": " << end.words;
      std::string now;
      std::ifstream file(victim);
      std::getline(file, now);
      EXPECT_EQ(now, "root:*:19000:0:99999:7:::") << command;
      EXPECT_EQ(std::filesystem::file_size(victim), 26U) << command;
    }
  };
  std::filesystem::remove(lock);
  std::filesystem::create_symlink(victim, lock);
  attempt("is a symbolic link");
  std::filesystem::remove(lock);
  std::filesystem::create_hard_link(victim, lock);
  attempt("has another name");
  std::filesystem::remove(lock);
  const End end = Key("add", "--new-keyfile " + File("k2"));
  EXPECT_EQ(end.code, 0) << end.words;
}

}  // namespace
}  // namespace certfs
