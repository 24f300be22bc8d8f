// Goal: what the command line names is read and goes where it belongs, and what does not go with an operation
// is refused. Method: files of the vectors under a scratch directory; a table of wrong usage.

#include "tools/certificate_manager/inputs.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

std::string Vector(const std::string& name) {
  return std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/pki/" + name;
}

std::string Text(const SecretBytes& bytes) { return std::string(AsText(bytes.Reveal())); }

std::string Failure(const ManagerOptions& options, Operation operation) {
  const auto inputs = ReadInputs(options, operation);
  return inputs.has_value() ? "" : inputs.error().message();
}

TEST(Inputs, PairsGoWhereTheyBelong) {
  ManagerOptions options;
  options.certificates = {Vector("chain.pem")};
  options.keys = {Vector("leaf.key")};
  options.roots = {Vector("root.pem")};
  Inputs inputs = Must(ReadInputs(options, Operation::kMachineSslCustom));
  ASSERT_EQ(inputs.pairs.count("machine_ssl_cert"), 1u);
  const std::string pair = Text(inputs.pairs.at("machine_ssl_cert"));
  EXPECT_NE(pair.find("PRIVATE KEY-----"), std::string::npos);
  EXPECT_NE(pair.find("-----BEGIN CERTIFICATE-----"), std::string::npos);
  ASSERT_EQ(inputs.roots.size(), 1u);

  options.certificates = {"VPXD=" + Vector("chain.pem")};
  options.keys = {"vpxd=" + Vector("leaf.key")};
  inputs = Must(ReadInputs(options, Operation::kSolutionUsersCustom));
  EXPECT_EQ(inputs.pairs.count("vpxd"), 1u);

  options.certificates = {Vector("chain.pem")};
  options.keys = {Vector("leaf.key")};
  options.users = {"hvc"};
  inputs = Must(ReadInputs(options, Operation::kSolutionUsersCustom));
  EXPECT_EQ(inputs.pairs.count("hvc"), 1u) << "there is but one that it can be for";
}

TEST(Inputs, ConfigsAreForAllOrForOne) {
  const ScratchDirectory scratch;
  ManagerOptions options;
  options.configs = {scratch.Write("a=b.cfg", "\xEF\xBB\xBFName = base\n").string(),
                     "hvc=" + scratch.Write("hvc.cfg", "Name = own\n").string()};
  const Inputs inputs = Must(ReadInputs(options, Operation::kSolutionUsers));
  EXPECT_EQ(inputs.ConfigFor("hvc", "hvc"), "Name = own\n");
  EXPECT_EQ(inputs.ConfigFor("vpxd", "vpxd"), "Name = vpxd\n");
  EXPECT_EQ(inputs.ConfigFor("MACHINE_SSL_CERT", ""), "Name = base\n") << "without the byte order mark";
  EXPECT_EQ(Inputs().ConfigFor("vpxd", "vpxd"), "");
}

TEST(Inputs, AResetMakesNewKeys) {
  EXPECT_TRUE(Must(ReadInputs({}, Operation::kResetAll)).rekey);
  EXPECT_FALSE(Must(ReadInputs({}, Operation::kRootNew)).rekey);
}

TEST(Inputs, WrongFilesAreNamed) {
  const ScratchDirectory scratch;
  ManagerOptions options;
  options.configs = {scratch.Write("x.cfg", "Name = x\nHostname = server.acme.com\n").string()};
  const std::string template_value = Failure(options, Operation::kMachineSsl);
  EXPECT_NE(template_value.find("x.cfg: line 2:"), std::string::npos) << template_value;
  options.configs = {(scratch / "none").string()};
  EXPECT_NE(Failure(options, Operation::kMachineSsl).find("No such file"), std::string::npos);
  const std::string config = scratch.Write("y.cfg", "Name = x\n").string();
  options.configs = {config, config};
  EXPECT_NE(Failure(options, Operation::kMachineSsl).find("a second request file"), std::string::npos);

  ManagerOptions pair;
  pair.certificates = {Vector("leaf.pem")};
  pair.keys = {Vector("other.key")};
  EXPECT_NE(Failure(pair, Operation::kMachineSslCustom), "") << "the key is another one";
  pair.keys = {Vector("leaf.key")};
  pair.roots = {Vector("leaf.key")};
  EXPECT_NE(Failure(pair, Operation::kMachineSslCustom).find("holds a key; --root takes certificates"),
            std::string::npos);
  pair.roots = {Vector("crl-5.pem")};
  EXPECT_NE(Failure(pair, Operation::kMachineSslCustom).find("holds no certificate"), std::string::npos);
}

TEST(Inputs, WhatDoesNotGoTogetherIsRefused) {
  const ManagerOptions none;
  ManagerOptions pair;
  pair.certificates = {"x"};
  ManagerOptions root;
  root.roots = {"x"};
  ManagerOptions config;
  config.configs = {"x"};
  ManagerOptions user;
  user.users = {"vpxd"};
  ManagerOptions stranger;
  stranger.users = {"nobody"};
  ManagerOptions requests;
  requests.requests = "x";
  ManagerOptions rekey;
  rekey.rekey = true;
  ManagerOptions key_type;
  key_type.key_type = "ec-p384";
  ManagerOptions of_other;
  of_other.certificates = {"vpxd=x"};
  struct Case {
    const ManagerOptions& options;
    Operation operation;
    std::string words;
  };
  for (const Case& each : {Case{pair, Operation::kMachineSsl, "takes no --cert"},
                           Case{pair, Operation::kSolutionUsersCustom, "say which solution user it is for"},
                           Case{root, Operation::kRevert, "takes no --root"},
                           Case{none, Operation::kMachineSslCustom, "takes --cert FILE and --key FILE"},
                           Case{config, Operation::kRevert, "takes no --config"},
                           Case{user, Operation::kMachineSsl, "takes no --user"},
                           Case{stranger, Operation::kSolutionUsers, "'nobody' is no solution user"},
                           Case{requests, Operation::kRootNew, "--requests goes with"},
                           Case{rekey, Operation::kMachineSsl, "takes no --rekey"},
                           Case{key_type, Operation::kRevert, "takes no --root-key"},
                           Case{of_other, Operation::kMachineSslCustom, "is about MACHINE_SSL_CERT"},
                           Case{of_other, Operation::kRootCustom, "takes the root's certificate"}}) {
    const auto inputs = ReadInputs(each.options, each.operation);
    ASSERT_FALSE(inputs.has_value()) << each.words;
    EXPECT_EQ(inputs.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(inputs.error().message().find(each.words), std::string::npos) << inputs.error().message();
  }
}

TEST(Operations, AreFoundByNumberAndByName) {
  for (const OperationRow& row : Operations()) {
    EXPECT_EQ(Must(ParseOperation(row.name)), row.operation);
    EXPECT_EQ(Must(ParseOperation(std::to_string(static_cast<int>(row.operation)))), row.operation);
    EXPECT_EQ(RowOf(row.operation).name, row.name);
  }
  for (const char* text : {"", "0", "9", "1 ", "Revert"}) {
    EXPECT_EQ(ParseOperation(text).error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace certfs
