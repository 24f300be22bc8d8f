#include "tools/unlock.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

// Goal: a key file has exactly 32 bytes. Method: sizes around it, a directory, nothing, and a FIFO that
// nobody writes.
TEST(KeyFile, HasExactly32Bytes) {
  const ScratchDirectory scratch;
  for (const std::size_t size : {0u, 31u, 33u}) {
    const auto secret = ReadKeyFileSecret(scratch.Write("key", std::string(size, 'k')));
    ASSERT_FALSE(secret.has_value()) << size;
    EXPECT_EQ(secret.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(secret.error().message().find(std::to_string(size)), std::string::npos)
        << secret.error().message();
  }
  const auto secret = ReadKeyFileSecret(scratch.Write("key", std::string(31, 'k') + "\n"));
  ASSERT_TRUE(secret.has_value());
  EXPECT_EQ(secret.value().type, SlotType::kKeyFile);
  EXPECT_EQ(AsText(secret.value().bytes.Reveal()), std::string(31, 'k') + "\n");
  EXPECT_FALSE(ReadKeyFileSecret(scratch / "").has_value());
  EXPECT_EQ(ReadKeyFileSecret(scratch / "none").error().code(), ErrorCode::kNotFound);
  ASSERT_EQ(mkfifo((scratch / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(ReadKeyFileSecret(scratch / "fifo").has_value());
}

// Goal: others' access to a key is warned about, with the cure. Method: a key file of mode 0640.
TEST(KeyFile, WarnsWhenOthersCanRead) {
  const ScratchDirectory scratch;
  const auto path = scratch.Write("key", std::string(32, 'k'));
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(ReadKeyFileSecret(path).has_value());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("chmod 600"), std::string::npos);
}

// Goal: one trailing newline of a passphrase is not part of it. Method: a table of contents.
TEST(PassphraseFile, LosesOneNewline) {
  const ScratchDirectory scratch;
  const struct {
    const char* content;
    const char* passphrase;
  } rows[] = {{"secret", "secret"}, {"secret\n", "secret"}, {"secret\n\n", "secret\n"}, {" s\r\n", " s\r"}};
  for (const auto& row : rows) {
    const auto secret = ReadPassphraseFile(scratch.Write("pass", row.content));
    ASSERT_TRUE(secret.has_value());
    EXPECT_EQ(secret.value().type, SlotType::kPassphrase);
    EXPECT_EQ(AsText(secret.value().bytes.Reveal()), row.passphrase);
  }
  EXPECT_EQ(ReadPassphraseFile(scratch.Write("pass", "")).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(ReadPassphraseFile(scratch.Write("pass", "\n")).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(ReadPassphraseFile(scratch.Write("pass", std::string(4096, 'p'))).has_value());
  EXPECT_EQ(ReadPassphraseFile(scratch.Write("pass", std::string(4097, 'p'))).error().code(),
            ErrorCode::kInvalidArgument);
}

// Goal: a key file is made once, private, and random. Method: make two, and one of them again.
TEST(KeyFile, IsMadeOnce) {
  const ScratchDirectory scratch;
  const auto one = MakeKeyFile(scratch / "one");
  const auto two = MakeKeyFile(scratch / "two");
  ASSERT_TRUE(one.has_value() && two.has_value());
  EXPECT_FALSE(EqualSecrets(one.value().bytes.Reveal(), two.value().bytes.Reveal()));
  struct stat status {};
  ASSERT_EQ(stat((scratch / "one").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_size, 32);
  EXPECT_EQ(MakeKeyFile(scratch / "one").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(
      EqualSecrets(ReadKeyFileSecret(scratch / "one").value().bytes.Reveal(), one.value().bytes.Reveal()));
}

// Goal: a credential is a key of 32 bytes, or else a passphrase. Method: a directory as systemd makes it.
TEST(Credential, IsAKeyOrAPassphrase) {
  const ScratchDirectory scratch;
  unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_EQ(ReadCredential("key").error().code(), ErrorCode::kInvalidArgument);
  setenv("CREDENTIALS_DIRECTORY", (scratch / "").c_str(), 1);
  scratch.Write("key", std::string(32, 'k'));
  scratch.Write("pass", "correct horse\n");
  EXPECT_EQ(ReadCredential("key").value().type, SlotType::kKeyFile);
  EXPECT_EQ(ReadCredential("pass").value().type, SlotType::kPassphrase);
  EXPECT_EQ(AsText(ReadCredential("pass").value().bytes.Reveal()), "correct horse");
  EXPECT_EQ(ReadCredential("none").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(ReadCredential("../key").error().code(), ErrorCode::kInvalidArgument);
  unsetenv("CREDENTIALS_DIRECTORY");
}

// Goal: a recovery key is a private key. Method: one of each encoding, and what is none.
TEST(RecoveryKey, IsAPrivateKey) {
  const ScratchDirectory scratch;
  const std::filesystem::path vectors = std::filesystem::path(CERTFS_SOURCE_DIR) / "tests/vectors";
  EXPECT_EQ(ReadRecoveryKey(vectors / "recovery/rsa.key").value().type, SlotType::kRecovery);
  EXPECT_TRUE(ReadRecoveryKey(vectors / "pki/leaf.key.der").has_value());
  EXPECT_EQ(ReadRecoveryKey(vectors / "recovery/rsa.pem").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(ReadRecoveryKey(scratch.Write("long", std::string(20'000, 'x'))).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(ReadRecoveryKey(scratch / "none").error().code(), ErrorCode::kNotFound);
}

// Goal: without an option the keystore's own key file is taken, and where there is none one learns what to
// say. Method: with and without the file.
TEST(ReadUnlockSecret, TakesTheKeyBesideTheKeystore) {
  const ScratchDirectory scratch;
  const auto none = ReadUnlockSecret(scratch / "ks", {});
  EXPECT_EQ(none.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(none.error().message().find("--recovery-key"), std::string::npos);
  scratch.Write("ks.key", std::string(32, 'k'));
  EXPECT_EQ(ReadUnlockSecret(scratch / "ks", {}).value().type, SlotType::kKeyFile);
}

// Goal: the default key stands beside the keystore, however its path is written. Method: a table of
// spellings.
TEST(DefaultKeyFile, StandsBesideTheKeystore) {
  for (const char* path : {"/a/ks", "/a/ks/", "/a/./ks", "/a/b/../ks/"})
    EXPECT_EQ(DefaultKeyFile(path), "/a/ks.key") << path;
}

}  // namespace
}  // namespace certfs
