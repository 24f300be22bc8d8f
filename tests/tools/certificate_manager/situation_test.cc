// Goal: what there is before an operation is read from the authority and the mount. Method: a directory that
// looks like stores/, an authority that answers by a script.

#include "tools/certificate_manager/situation.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/support/vectors.h"
#include "tests/tools/certificate_manager/scripted_authority.h"
#include "tests/tools/scratch_directory.h"

namespace certfs {
namespace {

class SituationTest : public testing::Test {
 protected:
  SituationTest() {
    Put("MACHINE_SSL_CERT/__MACHINE_CERT", "chain.pem");
    Put("TRUSTED_ROOTS/root", "root.pem");
    std::filesystem::create_directories(scratch_ / "vpxd");
  }
  void Put(const std::string& entry, const std::string& vector) {
    std::filesystem::create_directories(scratch_ / entry);
    const Bytes bytes = test::Vector(vector);
    scratch_.Write(entry + "/cert.pem", std::string(bytes.begin(), bytes.end()));
  }
  Situation Read(Operation operation) {
    return Must(ReadSituation(authority_.command(), scratch_ / "", operation));
  }

  const ScratchDirectory scratch_;
  ScriptedAuthority authority_;
};

constexpr auto kStatus = "status MACHINE_SSL_CERT/__MACHINE_CERT";

TEST_F(SituationTest, WithoutAnAuthority) {
  authority_.Answer("show", Json::parse(R"({"authority": null, "certificates": [], "replacement": null,
                                            "last_operation": null})"));
  const Situation situation = Read(Operation::kRootNew);
  EXPECT_FALSE(situation.has_authority);
  EXPECT_TRUE(situation.replacement.empty() && situation.last_operation.empty() && !situation.has_retiring);
  EXPECT_EQ(situation.stores, (std::set<std::string>{"machine_ssl_cert", "trusted_roots", "vpxd"}));
  EXPECT_EQ(situation.held.size(), 2u) << "the targets whose store is there";
  EXPECT_EQ(situation.held.at("MACHINE_SSL_CERT").certificate->subject(), "CN=www.example.com");
  EXPECT_FALSE(situation.held.at("vpxd").certificate);
  EXPECT_EQ(situation.trusted.size(), 1u);
  EXPECT_EQ(authority_.asked(), std::vector<std::string>{"show"});
}

TEST_F(SituationTest, WithAnAuthority) {
  authority_.Answer("show", Json::parse(R"({"authority": {"subject": "CN=Root"},
      "certificates": [{"role": "issuing"}, {"role": "retiring"}], "replacement": {"phase": "reissuing"},
      "last_operation": {"name": "machine-ssl", "reverted": false}})"));
  authority_.Answer(kStatus, Json::parse(R"({"state": "active", "issued": {"serial": "01"}})"));
  Situation situation = Read(Operation::kMachineSsl);
  EXPECT_TRUE(situation.has_authority && situation.has_retiring);
  EXPECT_EQ(situation.authority, "CN=Root");
  EXPECT_EQ(situation.replacement, "reissuing");
  EXPECT_EQ(situation.last_operation, "machine-ssl");
  EXPECT_TRUE(situation.held.at("MACHINE_SSL_CERT").issued_here);
  EXPECT_EQ(authority_.asked(), (std::vector<std::string>{"show", kStatus})) << "no ledger is read";
}

TEST_F(SituationTest, AnOperationThatWasRevertedIsNone) {
  authority_.Answer("show", Json::parse(R"({"authority": null, "last_operation":
                                            {"name": "machine-ssl", "reverted": true}})"));
  EXPECT_TRUE(Read(Operation::kRevert).last_operation.empty());
}

TEST_F(SituationTest, TheLedgerIsReadPageByPage) {
  authority_.Answer("show", Json::parse(R"({"authority": {"subject": "CN=Root"}})"));
  authority_.Answer("list --limit=1000", Json::parse(R"({"issued": [
      {"serial": "01", "subject": "CN=a", "not_after": "t", "entry": "web/a"},
      {"serial": "02", "subject": "CN=b", "not_after": "t", "entry": null}], "next": "c1"})"));
  authority_.Answer("list --limit=1000 --after=c1", Json::parse(R"({"issued": [
      {"serial": "03", "subject": "CN=c", "not_after": "t", "entry": "web/c"}], "next": null})"));
  const Situation situation = Read(Operation::kResetAll);
  ASSERT_EQ(situation.placed.size(), 2u);
  EXPECT_EQ(situation.placed[0].entry, "web/a");
  EXPECT_EQ(situation.placed[1].serial, "03");
}

TEST_F(SituationTest, FailuresComeThrough) {
  authority_.Refuse("show", Error(ErrorCode::kNotFound, "no ca/"));
  EXPECT_EQ(ReadSituation(authority_.command(), scratch_ / "", Operation::kRevert).error().message(),
            "no ca/");
  ScriptedAuthority silent;
  EXPECT_EQ(ReadSituation(silent.command(), scratch_ / "none", Operation::kRevert).error().code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace certfs
