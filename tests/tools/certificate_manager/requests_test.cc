// Goal: keys and requests are written that belong together, and no key is written over. Method: into a
// scratch directory, read back by crypto/.

#include "tools/certificate_manager/requests.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "crypto/certification_request.h"
#include "crypto/description.h"
#include "crypto/store_file.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

RequestDescription Described(const std::filesystem::path& path) {
  return Must(DescribeRequest(Must(CertificationRequest::Parse(test::ReadAll(path))).der()));
}

Inputs Of(Operation operation, const std::string& config) {
  Inputs inputs;
  inputs.operation = operation;
  if (!config.empty()) inputs.configs[""] = config;
  return inputs;
}

TEST(Requests, ForSolutionUsersEachWithItsName) {
  const ScratchDirectory scratch;
  Inputs inputs = Of(Operation::kSolutionUsersCustom, "Name = base\nHostname = x.example.com\n");
  inputs.users = {"vpxd", "hvc"};
  const auto paths = Must(WriteRequests(inputs, {}, scratch / "made"));
  ASSERT_EQ(paths.size(), 4u);
  EXPECT_EQ(paths[0], scratch / "made" / "vpxd.key");
  const RequestDescription described = Described(paths[1]);
  EXPECT_EQ(described.subject, "CN=vpxd");
  EXPECT_EQ(described.names, std::vector<std::string>{"DNS:x.example.com"});
  EXPECT_EQ(described.key, "EC P-256");
  struct stat status {};
  ASSERT_EQ(stat(paths[0].c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_TRUE(ReadKeyFile(test::ReadAll(paths[0])).has_value());

  const auto again = WriteRequests(inputs, {}, scratch / "made");
  ASSERT_FALSE(again.has_value()) << "what a key is for may be signed already";
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
}

TEST(Requests, ForTheMachineAndTheRoot) {
  const ScratchDirectory scratch;
  Situation situation;
  situation.held["MACHINE_SSL_CERT"].certificate = Must(Certificate::FromDer(test::Vector("leaf.der")));
  const auto machine = Must(WriteRequests(Of(Operation::kMachineSslCustom, ""), situation, scratch / "m"));
  EXPECT_EQ(machine[1].filename(), "MACHINE_SSL_CERT.csr");
  EXPECT_EQ(Described(machine[1]).subject, "CN=www.example.com");
  const auto root =
      Must(WriteRequests(Of(Operation::kRootCustom, "Name = Root\nKeyType = ec-p384\n"), {}, scratch / "r"));
  EXPECT_EQ(root[1].filename(), "root.csr");
  EXPECT_EQ(Described(root[1]).key, "EC P-384");
}

TEST(Requests, WhatIsMissingIsSaidBeforeAnythingIsMade) {
  const ScratchDirectory scratch;
  for (const Operation operation : {Operation::kMachineSslCustom, Operation::kRootCustom}) {
    EXPECT_EQ(WriteRequests(Of(operation, ""), {}, scratch / "made").error().code(),
              ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(
      WriteRequests(Of(Operation::kMachineSslCustom, "Hostname = a b\n"), {}, scratch / "made").has_value());
  EXPECT_FALSE(std::filesystem::exists(scratch / "made"));
}

}  // namespace
}  // namespace certfs
