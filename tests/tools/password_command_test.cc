// Goal: `certfs password` sets and clears what exports are encrypted with, and says what it refuses. Method:
// the program over a keystore in a directory, which is opened again to see what it holds.

#include <gtest/gtest.h>

#include <chrono>

#include "store/keystore.h"
#include "tests/support/must.h"
#include "tests/tools/program.h"
#include "tests/tools/scratch_directory.h"
#include "tools/unlock.h"

namespace certfs {
namespace {

class PasswordCommand : public testing::Test {
 protected:
  PasswordCommand() { EXPECT_EQ(Certfs("init " + keystore_).code, 0); }
  End Set(const std::string& rest) { return Certfs("password set " + keystore_ + " " + rest); }
  End SetTo(const std::string& password, const std::string& rest = {}) {
    return Set("--password-file " + Quoted(scratch_.Write("password", password)) + " " + rest);
  }
  Settings Now() {
    const auto keystore = Must(Keystore::Open(scratch_ / "ks", Must(ReadKeyFileSecret(scratch_ / "ks.key")),
                                              std::chrono::system_clock::now));
    return Must(Must(keystore->Snapshot())->GetSettings());
  }
  std::string Password() { return std::string(AsText(Now().export_password.Reveal())); }

  ScratchDirectory scratch_;
  std::string keystore_ = Quoted(scratch_ / "ks");
};

TEST_F(PasswordCommand, SetsChangesAndClears) {
  const End set = SetTo("a good password\n");
  EXPECT_EQ(set.code, 0) << set.words;
  EXPECT_FALSE(Has(set, "warning")) << set.words;
  EXPECT_FALSE(Has(set, "a good password"));
  EXPECT_EQ(Password(), "a good password");
  EXPECT_EQ(Now().profile, ExportProfile::kModern);
  const End warned = SetTo("seven77");
  EXPECT_EQ(warned.code, 0);
  EXPECT_TRUE(Has(warned, "warning")) << warned.words;
  EXPECT_EQ(Password(), "seven77");
  EXPECT_EQ(Certfs("password clear " + keystore_).code, 0);
  EXPECT_EQ(Password(), "");
  EXPECT_EQ(Certfs("password clear " + keystore_).code, 0);
}

TEST_F(PasswordCommand, RefusesAndKeepsWhatWasSet) {
  ASSERT_EQ(SetTo("a good password").code, 0);
  for (const char* const password : {"short", "\n", "con\x01trol", "not \xC3\x28 UTF-8"}) {
    const End end = SetTo(password, "--compat");
    EXPECT_NE(end.code, 0) << password;
    EXPECT_TRUE(Has(end, "certfs: ")) << end.words;
  }
  EXPECT_EQ(Set("--password-file " + Quoted(scratch_ / "none")).code, 1);
  EXPECT_EQ(Set("--compat --modern").code, 2);
  EXPECT_EQ(Set("").code, 2);  // There is no terminal to ask on.
  EXPECT_EQ(
      SetTo("another password", "--keyfile " + Quoted(scratch_.Write("key", std::string(32, 'x')))).code, 3);
  EXPECT_EQ(Password(), "a good password");
  EXPECT_EQ(Now().profile, ExportProfile::kModern);
}

TEST_F(PasswordCommand, AProfileAloneKeepsThePassword) {
  EXPECT_EQ(Set("--compat").code, 2);  // None is set: it has to be asked for, and there is nobody.
  ASSERT_EQ(SetTo("a good password", "--compat").code, 0);
  EXPECT_EQ(Now().profile, ExportProfile::kCompatible);
  ASSERT_EQ(SetTo("another password").code, 0);
  EXPECT_EQ(Now().profile, ExportProfile::kCompatible);
  const End end = Set("--modern");
  EXPECT_EQ(end.code, 0) << end.words;
  EXPECT_EQ(Now().profile, ExportProfile::kModern);
  EXPECT_EQ(Password(), "another password");
}

}  // namespace
}  // namespace certfs
