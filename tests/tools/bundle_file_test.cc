// Goal: the key of an authority and its whole chain, in order, out of files as people have them. Method: the
// vectors, in one file and in several, in the wrong order, and with something missing.

#include "tools/bundle_file.h"

#include <gtest/gtest.h>

#include "crypto/store_file.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

std::string Text(const std::string& name) { return std::string(AsText(test::Vector(name))); }

std::string Subjects(const SecretBytes& pem) {
  std::string words;
  for (const PemBlock& block : Must(ReadPem(pem.Reveal()))) {
    if (block.label != "CERTIFICATE") continue;
    words += Must(Certificate::FromDer(block.body.Reveal())).subject() + "\n";
  }
  return words;
}

TEST(KeyAndChain, AreFoundInOneFileOrSeveral) {
  const ScratchDirectory scratch;
  const std::string one = scratch.Write("one", Text("root.pem") + Text("leaf.key") + Text("chain.pem"));
  const SecretBytes whole = Must(ReadKeyAndChain({one}, ""));
  const std::string key = scratch.Write("key", Text("leaf.key"));
  const std::string chain = scratch.Write("chain", Text("chain.pem"));
  const std::string root = scratch.Write("root", Text("root.pem"));
  const SecretBytes several = Must(ReadKeyAndChain({key, root, chain}, ""));
  EXPECT_TRUE(EqualSecrets(whole.Reveal(), several.Reveal()));
  EXPECT_TRUE(AsText(whole.Reveal()).starts_with("-----BEGIN PRIVATE KEY-----"));
  EXPECT_TRUE(Subjects(whole).ends_with("CN=Vector Root\n")) << Subjects(whole);
  EXPECT_EQ(Must(ReadPem(whole.Reveal())).size(), Must(ReadPem(test::Vector("chain.pem"))).size() + 2);
}

TEST(KeyAndChain, SayWhatIsMissing) {
  const ScratchDirectory scratch;
  const std::string key = scratch.Write("key", Text("leaf.key"));
  const std::string other = scratch.Write("other", Text("ed25519.key"));
  const std::string root = scratch.Write("root", Text("root.pem"));
  for (const auto& files : {std::vector<std::string>{root}, {key}, {key, root}, {key, other, root}}) {
    const auto read = ReadKeyAndChain(files, "");
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), ErrorCode::kRejected) << read.error().message();
  }
  EXPECT_EQ(ReadKeyAndChain({scratch / "none"}, "").error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace certfs
