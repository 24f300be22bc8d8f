// The program itself: what it prints and how it ends, as far as no mount is needed.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/tools/program.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

// Goal: help and version everywhere, 0. Method: every command.
TEST(Cli, HelpsAndTellsItsVersion) {
  for (const char* command : {"",
                              "ca",
                              "ca init",
                              "ca import",
                              "ca show",
                              "ca issue",
                              "ca list",
                              "ca status",
                              "ca revoke",
                              "ca crl",
                              "ca backup",
                              "ca restore",
                              "ca replace-root",
                              "ca retire",
                              "ca ocsp",
                              "renew",
                              "import",
                              "init",
                              "key",
                              "key add",
                              "key remove",
                              "key list",
                              "key rotate",
                              "key revoke",
                              "mount",
                              "password",
                              "password set",
                              "password clear",
                              "revert",
                              "umount",
                              "verify",
                              "watch",
                              "why"}) {
    const End help = Certfs(std::string(command) + " --help");
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_TRUE(Has(help, "Usage")) << help.words;
    const bool of_parts = Has(help, "Subcommands:") && std::string(command).size() > 0;
    EXPECT_TRUE(of_parts || Has(help, "Example")) << help.words;
    const End version = Certfs(std::string(command) + " --version");
    EXPECT_EQ(version.code, 0) << command;
    EXPECT_EQ(version.words, "certfs " CERTFS_VERSION "\n");
  }
}

// Goal: wrong usage is 2, with words. Method: a table of command lines.
TEST(Cli, RefusesWrongUsage) {
  const ScratchDirectory scratch;
  const std::string short_key = Quoted(scratch.Write("short", "123"));
  const std::string cert = Quoted(scratch.Write("cert.pem", "x"));
  for (const std::string& line : {std::string(),
                                  std::string("frob"),
                                  std::string("init"),
                                  "init " + Quoted(scratch / "k") + " --keyfile " + short_key,
                                  "init " + Quoted(scratch / "k") + " --passphrase",
                                  "init " + Quoted(scratch / "k") + " --passphrase --keyfile x",
                                  "mount " + Quoted(scratch / "") + " " + Quoted(scratch / "") + " -o frob",
                                  "mount " + Quoted(scratch / "") + " " + Quoted(scratch / ""),
                                  "verify " + Quoted(scratch / "none"),
                                  std::string("key"),
                                  std::string("key add"),
                                  std::string("key remove " + Quoted(scratch / "k")),
                                  "init " + Quoted(scratch / "k") + " --recovery-key x",
                                  std::string("ca"),
                                  std::string("ca issue"),
                                  std::string("ca revoke"),
                                  std::string("ca init --key dsa"),
                                  std::string("ca init --days 0"),
                                  std::string("ca init --import x --name y"),
                                  std::string("ca replace-root"),
                                  std::string("ca replace-root --json"),
                                  std::string("ca replace-root --resume --roll-back"),
                                  std::string("ca retire --now"),
                                  std::string("ca backup"),
                                  std::string("renew"),
                                  std::string("renew --all machine/web"),
                                  std::string("renew --all"),
                                  std::string("renew --all --json"),
                                  std::string("renew machine --yes"),
                                  std::string("password"),
                                  std::string("password set"),
                                  std::string("revert"),
                                  std::string("revert machine"),
                                  std::string("revert machine/"),
                                  std::string("revert machine/a/b"),
                                  std::string("revert machine/a@b"),
                                  std::string("watch"),
                                  std::string("watch -- true"),
                                  std::string("watch machine/web"),
                                  std::string("watch machine/web --"),
                                  std::string("watch machine -- true"),
                                  std::string("watch machine/a@b -- true"),
                                  "verify --at yesterday " + cert,
                                  "verify --purpose other " + cert,
                                  "verify --store BACKUP_STORE " + cert,
                                  "verify --store .x " + cert,
                                  "verify --roots " + Quoted(scratch / "none") + " " + cert}) {
    const End end = Certfs(line);
    EXPECT_EQ(end.code, 2) << line << "\n" << end.words;
    EXPECT_FALSE(end.words.empty()) << line;
  }
}

// Goal: a merge is never done unasked, and no question is asked of a program.
TEST(Cli, MergingWithoutATerminalNeedsAWord) {
  const std::string line = "restore none.cms none --into-existing --password-file none ";
  End end = Certfs(line);
  EXPECT_TRUE(end.code == 2 && Has(end, "no terminal") && Has(end, "--yes")) << end.words;
  end = Certfs(line + "--json");
  EXPECT_TRUE(end.code == 2 && Has(end, "--json asks nothing")) << end.words;
  for (const char* const word : {"--yes", "--dry-run", "--json --yes", "--json --dry-run"}) {
    end = Certfs(line + word);
    EXPECT_FALSE(Has(end, "--into-existing") || Has(end, "terminal")) << end.words;
  }
}

// Goal: init makes key and keystore, never overwrites either, and leaves nothing behind when it fails.
// Method: twice, and where no directory can be made.
TEST(Cli, InitMakesAKeystoreOnce) {
  const ScratchDirectory scratch;
  const std::string keystore = Quoted(scratch / "ks");
  const End made = Certfs("init " + keystore);
  ASSERT_EQ(made.code, 0) << made.words;
  EXPECT_TRUE(Has(made, "ks.key"));
  EXPECT_EQ(std::filesystem::file_size(scratch / "ks.key"), 32u);
  EXPECT_TRUE(std::filesystem::exists(scratch / "ks" / "keystore.hdr"));
  EXPECT_EQ(Certfs("init " + keystore).code, 1);

  std::filesystem::rename(scratch / "ks.key", scratch / "kept.key");
  EXPECT_EQ(Certfs("init " + keystore).code, 1);
  EXPECT_FALSE(std::filesystem::exists(scratch / "ks.key"));
  const End nowhere = Certfs("init " + Quoted(scratch / "missing" / "ks"));
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_TRUE(Has(nowhere, (scratch / "missing").string() + ": No such file or directory")) << nowhere.words;
}

// Goal: the exit code tells a wrong key and a damaged keystore apart. Method: mount with another key, then
// flip a byte of the header; neither gets as far as mounting.
TEST(Cli, MountTellsWrongKeyFromDamage) {
  const ScratchDirectory scratch;
  ASSERT_EQ(Certfs("init " + Quoted(scratch / "ks")).code, 0);
  std::filesystem::create_directory(scratch / "mnt");
  const std::string line = "mount " + Quoted(scratch / "ks") + " " + Quoted(scratch / "mnt") + " --keyfile ";
  const End wrong = Certfs(line + Quoted(scratch.Write("other", std::string(32, 'k'))));
  EXPECT_EQ(wrong.code, 3) << wrong.words;

  std::fstream header(scratch / "ks" / "keystore.hdr", std::ios::in | std::ios::out | std::ios::binary);
  header.seekp(33);
  header.put('x');
  header.close();
  const End damaged = Certfs(line + Quoted(scratch / "ks.key"));
  EXPECT_EQ(damaged.code, 4) << damaged.words;
}

// Goal: verify says refused with 1, in words and in JSON. Method: a file that is no certificate.
TEST(Cli, VerifyRefuses) {
  const ScratchDirectory scratch;
  const std::string file = Quoted(scratch.Write("cert.pem", "no certificate\n"));
  // Roots of its own, so that a mount on this machine does not matter.
  const std::string roots =
      "--roots " + Quoted(std::filesystem::path(CERTFS_SOURCE_DIR) / "tests/vectors/pki/root.pem");
  const End text = Certfs("verify " + roots + " " + file);
  EXPECT_EQ(text.code, 1) << text.words;
  EXPECT_TRUE(Has(text, "\nrefused: ") && Has(text, "unreadable")) << text.words;
  const End json = Certfs("verify --json " + roots + " " + file);
  EXPECT_EQ(json.code, 1);
  EXPECT_TRUE(Has(json, "\"accepted\": false")) << json.words;
}

// Goal: what is no mount is said to be none. Method: a plain directory.
TEST(Cli, KnowsWhatIsNoMount) {
  const ScratchDirectory scratch;
  for (const std::string& line :
       {"umount " + Quoted(scratch / "x"), "why --mount " + Quoted(scratch / "x"),
        "revert machine/web --mount " + Quoted(scratch / "x"), "ca show --mount " + Quoted(scratch / "x"),
        "renew --all --yes --mount " + Quoted(scratch / "x"),
        "watch machine/web --mount " + Quoted(scratch / "x") + " -- true"}) {
    const End end = Certfs(line);
    EXPECT_EQ(end.code, 1) << line;
    EXPECT_TRUE(Has(end, "not a certfs mount")) << end.words;
  }
}

}  // namespace
}  // namespace certfs
