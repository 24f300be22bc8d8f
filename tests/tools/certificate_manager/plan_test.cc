// Goal: each operation becomes the entries and commands that it stands for, and nothing that was not given is
// made up. Method: situations and inputs, put together by hand; certificates of the vectors.

#include "tools/certificate_manager/plan.h"

#include <gtest/gtest.h>

#include "crypto/description.h"
#include "crypto/pem.h"
#include "store/name.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs {
namespace {

std::string Text(const std::string& name) {
  const Bytes bytes = test::Vector(name);
  return {bytes.begin(), bytes.end()};
}

SecretBytes Pair(const std::string& key, const std::string& certificates) {
  return SecretBytes::CopyOf(AsBytes(Text(key) + Text(certificates)));
}

Certificate Der(const std::string& name) { return Must(Certificate::FromDer(test::Vector(name))); }

Certificate Root() {
  const auto blocks = Must(ReadPem(test::Vector("root.pem")));
  return Must(Certificate::FromDer(blocks.front().body.Reveal()));
}

// A machine with an authority, a certificate of it, and one of a solution user from elsewhere.
Situation Machine() {
  Situation situation;
  situation.has_authority = true;
  situation.authority = "CN=Old Root";
  for (const Target& target : kTargets) {
    situation.stores.insert(FoldName(std::string(target.store)));
    situation.held[std::string(target.store)] = {};
  }
  situation.held["MACHINE_SSL_CERT"] = {Der("leaf.der"), true};
  situation.held["vpxd"] = {Der("leaf.der"), false};
  situation.placed = {{"MACHINE_SSL_CERT/__MACHINE_CERT", "CN=m", "01", "2027-01-01T00:00:00Z"},
                      {"web/a", "CN=a", "02", "2027-01-01T00:00:00Z"}};
  return situation;
}

Inputs Of(Operation operation) {
  Inputs inputs;
  inputs.operation = operation;
  return inputs;
}

std::string Sections(const Plan& plan) {
  std::string names;
  for (const EntrySection& each : plan.sections)
    names += each.entry + (each.profile.empty() ? " " : "=" + each.profile + " ");
  return names;
}

std::string Payload(const Plan& plan) { return std::string(AsText(plan.WriteEntries(false).payload())); }

std::string Failure(const Inputs& inputs, const Situation& situation) {
  const auto plan = MakePlan(inputs, situation);
  if (plan.has_value()) return "";
  return std::string(ToString(plan.error().code())) + ": " + plan.error().message();
}

TEST(Plan, CustomMachineSslTrustsItsRootFirst) {
  Inputs inputs = Of(Operation::kMachineSslCustom);
  inputs.pairs.emplace("machine_ssl_cert", Pair("leaf.key", "chain.pem"));
  inputs.roots.push_back(Root());
  const Plan plan = Must(MakePlan(inputs, Machine()));
  const std::string trusted = "TRUSTED_ROOTS/" + ToHex(Sha1Fingerprint(Root()));
  EXPECT_EQ(Sections(plan), trusted + " MACHINE_SSL_CERT/__MACHINE_CERT ");
  EXPECT_TRUE(Payload(plan).starts_with("[" + trusted + "]\n-----BEGIN CERTIFICATE-----\n"));
  EXPECT_NE(
      Payload(plan).find("\n[MACHINE_SSL_CERT/__MACHINE_CERT]\n" + Text("leaf.key") + Text("chain.pem")),
      std::string::npos);
  EXPECT_EQ(plan.WriteEntries(true).line(), "write-entries machine-ssl-custom --plan");
  ASSERT_EQ(plan.entries.size(), 2u);
  EXPECT_EQ(plan.entries[1].before->subject, "CN=www.example.com");
  EXPECT_TRUE(plan.entries[1].after.starts_with("CN=www.example.com, issued by CN="))
      << plan.entries[1].after;
  EXPECT_TRUE(plan.root.empty() && !plan.steps && plan.rolls_back);

  Situation situation = Machine();
  situation.trusted.insert(ToHex(Root().fingerprint()));
  EXPECT_EQ(Sections(Must(MakePlan(inputs, situation))), "MACHINE_SSL_CERT/__MACHINE_CERT ")
      << "it is trusted already";
}

TEST(Plan, MachineSslByTheAuthority) {
  Inputs inputs = Of(Operation::kMachineSsl);
  EXPECT_EQ(Payload(Must(MakePlan(inputs, Machine()))),
            "[MACHINE_SSL_CERT/__MACHINE_CERT]\nprofile = server\nHostname = www.example.com\nName = "
            "www.example.com\n")
      << "without a request file: what is there";
  inputs.configs[""] = "Name = x\nHostname = x.example.com";
  EXPECT_EQ(Payload(Must(MakePlan(inputs, Machine()))),
            "[MACHINE_SSL_CERT/__MACHINE_CERT]\nprofile = server\nName = x\nHostname = x.example.com\n");
  inputs.configs["machine_ssl_cert"] = "Name = y\n";
  EXPECT_NE(Payload(Must(MakePlan(inputs, Machine()))).find("Name = y\n"), std::string::npos);
}

TEST(Plan, SolutionUsersGetTheirOwnNames) {
  Inputs inputs = Of(Operation::kSolutionUsers);
  EXPECT_EQ(Sections(Must(MakePlan(inputs, Machine()))),
            "machine/machine=solution-user vsphere-webclient/vsphere-webclient=solution-user "
            "vpxd/vpxd=solution-user vpxd-extension/vpxd-extension=solution-user hvc/hvc=solution-user "
            "wcp/wcp=solution-user ");
  inputs.configs[""] = "Country = AT\nName = base\n";
  inputs.configs["hvc"] = "Name = own\n";
  const std::string payload = Payload(Must(MakePlan(inputs, Machine())));
  EXPECT_NE(payload.find("[wcp/wcp]\nprofile = solution-user\nCountry = AT\nName = wcp\n"), std::string::npos)
      << payload;
  EXPECT_NE(payload.find("[hvc/hvc]\nprofile = solution-user\nName = own\n"), std::string::npos);

  Situation situation = Machine();
  situation.stores.erase("hvc");
  situation.held.erase("hvc");
  EXPECT_EQ(Sections(Must(MakePlan(inputs, situation))).find("hvc"), std::string::npos)
      << "its store is gone";
  inputs.users = {"hvc"};
  EXPECT_EQ(Failure(inputs, situation), "not-found: hvc: there is no such store");
  inputs.users = {"wcp"};
  EXPECT_EQ(Sections(Must(MakePlan(inputs, situation))), "wcp/wcp=solution-user ");
}

TEST(Plan, CustomSolutionUsersSayWhoStays) {
  Inputs inputs = Of(Operation::kSolutionUsersCustom);
  EXPECT_TRUE(Failure(inputs, Machine()).starts_with("invalid-argument: give the certificates"));
  inputs.pairs.emplace("hvc", Pair("leaf.key", "leaf.pem"));
  const Plan plan = Must(MakePlan(inputs, Machine()));
  EXPECT_EQ(Sections(plan), "hvc/hvc ");
  EXPECT_EQ(plan.notes,
            std::vector<std::string>{"vpxd/vpxd: stays as it is; no certificate was given for it"});
}

// What the authority issued is re-issued by the steps; what others issued is issued anew.
TEST(Plan, ANewRootReissuesEverything) {
  Inputs inputs = Of(Operation::kRootNew);
  inputs.key_type = "rsa-3072";
  inputs.configs["root"] = "Name = New Root\n";
  const Plan plan = Must(MakePlan(inputs, Machine()));
  ASSERT_EQ(plan.root.size(), 1u);
  EXPECT_EQ(plan.root.front().line(), "replace-root --key=rsa-3072");
  EXPECT_EQ(AsText(plan.root.front().payload()), "Name = New Root\n");
  EXPECT_EQ(Sections(plan), "vpxd/vpxd=solution-user ");
  EXPECT_EQ(plan.Changed(),
            (std::vector<std::string>{"vpxd/vpxd", "MACHINE_SSL_CERT/__MACHINE_CERT", "web/a"}));
  EXPECT_TRUE(plan.steps && plan.rolls_back);
  EXPECT_EQ(plan.root_words, "CN=Old Root -> a new root, made by the authority");

  inputs.configs["machine_ssl_cert"] = "Name = x\nHostname = x.example.com\n";
  const Plan with_config = Must(MakePlan(inputs, Machine()));
  EXPECT_EQ(Sections(with_config), "MACHINE_SSL_CERT/__MACHINE_CERT=server vpxd/vpxd=solution-user ");
  EXPECT_EQ(with_config.Changed(),
            (std::vector<std::string>{"MACHINE_SSL_CERT/__MACHINE_CERT", "vpxd/vpxd", "web/a"}))
      << "each once";
}

TEST(Plan, AResetGivesEveryoneACertificateAndANewKey) {
  Inputs inputs = Of(Operation::kResetAll);
  inputs.rekey = true;
  const Plan plan = Must(MakePlan(inputs, Machine()));
  EXPECT_EQ(plan.root.front().line(), "replace-root --rekey");
  EXPECT_EQ(plan.sections.size(), 6u) << "all solution users; the machine's is the authority's already";
  EXPECT_NE(plan.entries.back().after.find("to a new key"), std::string::npos);
}

TEST(Plan, WithoutAnAuthorityOneIsMade) {
  Situation situation = Machine();
  situation.has_authority = false;
  situation.placed.clear();
  situation.held["MACHINE_SSL_CERT"].issued_here = false;
  Inputs inputs = Of(Operation::kRootNew);
  const Plan made = Must(MakePlan(inputs, situation));
  EXPECT_EQ(made.root.front().line(), "init");
  EXPECT_FALSE(made.steps);
  EXPECT_EQ(Sections(made), "MACHINE_SSL_CERT/__MACHINE_CERT=server vpxd/vpxd=solution-user ");
  inputs.operation = Operation::kRootCustom;
  inputs.pairs.emplace("root", Pair("leaf.key", "leaf.pem"));
  const Plan imported = Must(MakePlan(inputs, situation));
  EXPECT_EQ(imported.root.front().line(), "import");
  EXPECT_EQ(AsText(imported.root.front().payload()), Text("leaf.key") + Text("leaf.pem"));
  for (const Operation operation : {Operation::kMachineSsl, Operation::kSolutionUsers}) {
    EXPECT_TRUE(
        Failure(Of(operation), situation).starts_with("not-found: there is no certificate authority"));
  }
}

TEST(Plan, RevertTakesBackTheLastOperation) {
  Situation situation = Machine();
  EXPECT_EQ(Failure(Of(Operation::kRevert), situation), "not-found: there is no operation to revert");
  situation.last_operation = "machine-ssl";
  Plan plan = Must(MakePlan(Of(Operation::kRevert), situation));
  EXPECT_TRUE(plan.reverts_entries && plan.root.empty() && !plan.steps && !plan.rolls_back);

  situation.last_operation = "root-new";
  situation.has_retiring = true;
  plan = Must(MakePlan(Of(Operation::kRevert), situation));
  ASSERT_EQ(plan.root.size(), 1u);
  EXPECT_EQ(plan.root.front().line(), "replace-root-back");
  EXPECT_TRUE(plan.reverts_entries && plan.steps);
  EXPECT_EQ(plan.entries.size(), 2u);
}

TEST(Plan, RevertOfARootAlone) {
  Situation situation = Machine();
  situation.last_operation = "replace-root";
  EXPECT_TRUE(Failure(Of(Operation::kRevert), situation)
                  .starts_with("not-found: the root before this one is distrusted"));
  situation.has_retiring = true;
  const Plan plan = Must(MakePlan(Of(Operation::kRevert), situation));
  EXPECT_EQ(plan.root.front().line(), "replace-root-back");
  EXPECT_TRUE(plan.steps && !plan.reverts_entries) << "no entry was written besides";
}

TEST(Plan, AReplacementUnderWayComesFirst) {
  Situation situation = Machine();
  EXPECT_EQ(PlanResumption(situation).error().code(), ErrorCode::kNotFound);
  situation.replacement = "reissuing";
  for (int number = 1; number <= 8; ++number) {
    if (number == 7) continue;
    EXPECT_TRUE(Failure(Of(static_cast<Operation>(number)), situation).starts_with("busy: ")) << number;
  }
  Plan plan = Must(MakePlan(Of(Operation::kRevert), situation));
  EXPECT_EQ(plan.root.front().line(), "replace-root-back");
  EXPECT_TRUE(plan.steps && !plan.reverts_entries);
  plan = Must(PlanResumption(situation));
  EXPECT_TRUE(plan.root.empty() && plan.steps && !plan.rolls_back);
  situation.replacement = "rolling-back";
  plan = Must(MakePlan(Of(Operation::kRevert), situation));
  EXPECT_TRUE(plan.root.empty() && plan.steps) << "it goes on";
  EXPECT_EQ(Must(PlanResumption(situation)).operation, Operation::kRevert);
}

TEST(Plan, WhatIsMissingIsSaid) {
  Situation situation = Machine();
  EXPECT_TRUE(Failure(Of(Operation::kMachineSslCustom), situation)
                  .starts_with("invalid-argument: give the certificate and its key"));
  EXPECT_TRUE(Failure(Of(Operation::kRootCustom), situation)
                  .starts_with("invalid-argument: give the signing certificate"));
  situation.held["MACHINE_SSL_CERT"] = {};
  EXPECT_TRUE(Failure(Of(Operation::kMachineSsl), situation).find("give a request file, --config FILE") !=
              std::string::npos);
  Inputs inputs = Of(Operation::kMachineSsl);
  inputs.configs[""] = "Name = x\nHostname = not a host\n";
  EXPECT_TRUE(Failure(inputs, situation).starts_with("malformed: MACHINE_SSL_CERT/__MACHINE_CERT: line 2:"))
      << Failure(inputs, situation);
}

TEST(Plan, TheAuthoritysWordsComeIn) {
  Plan plan = Must(MakePlan(Of(Operation::kSolutionUsers), Machine()));
  Complete(plan, Json::parse(R"({"entries": [
      {"store": "WCP", "alias": "wcp", "changed": false, "findings": ["expires early", 7], "serial": "0a"},
      {"store": "hvc", "alias": "hvc", "changed": true, "findings": []}, "other/entry"]})"));
  const PlannedEntry& wcp = plan.entries[5];
  EXPECT_EQ(wcp.findings, std::vector<std::string>{"expires early"});
  EXPECT_FALSE(wcp.changed);
  EXPECT_TRUE(plan.entries[4].changed);
  EXPECT_EQ(plan.entries.back().entry, "other/entry");
  const auto changed = plan.Changed();
  EXPECT_EQ(std::count(changed.begin(), changed.end(), "wcp/wcp"), 0);
}

}  // namespace
}  // namespace certfs
