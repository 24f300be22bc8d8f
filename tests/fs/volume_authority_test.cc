// Goal: ca/ is what fs/README.md, "The authority", says, without a kernel. Method: a volume in memory with an
// authority that is made by a command; names, bytes and refusals before and after each change.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/fs/volume_fixture.h"

namespace certfs {
namespace {

using namespace certfs::test;

const Caller kOther{1001, 1001, 300};
constexpr std::string_view kConfig = "Country = DE\nName = web.example.com\nHostname = web.example.com\n";

class Authority : public testing::Test {
 protected:
  // Writes one command and returns what the handle reads back.
  Result<std::string> Command(std::string_view text, const Caller& caller = kRoot) {
    const NodeId node = tree_.At("ca/control").id;
    const HandleId handle = Must(tree_.volume.Open(caller, node, kEdit));
    auto written = tree_.volume.Write(caller, handle, 0, AsBytes(text));
    const SecretBytes answer = Must(tree_.volume.Read(node, handle, 0, std::size_t{1} << 20));
    EXPECT_FALSE(Failure(tree_.volume.Flush(caller, handle)));
    tree_.volume.Release(node, handle);
    answer_ = std::string(AsText(answer.Reveal()));
    if (!written.has_value()) return std::move(written).error();
    return answer_;
  }
  nlohmann::json Do(std::string_view text) { return nlohmann::json::parse(Must(Command(text))); }
  void Init() { Do("init --key=ec-p256"); }

  // What a program does that writes a request, in one write.
  Result<void> Drop(const Caller& caller, const std::string& path, std::string_view text) {
    return tree_.Put(caller, path, AsBytes(text));
  }
  void Open(std::uint32_t mode) {
    AttributeChange change;
    change.mode = mode;
    Must(tree_.volume.SetAttributes(kRoot, tree_.At("ca/requests").id, 0, change, std::nullopt));
  }
  std::size_t Issued() { return Do("show")["issued"].get<std::size_t>(); }
  std::optional<ErrorCode> Unlink(const Caller& caller, std::string_view directory, std::string_view name) {
    return Failure(tree_.volume.Unlink(caller, tree_.At(directory).id, name));
  }

  Tree tree_;
  std::string answer_;
};

TEST_F(Authority, IsNotThereBeforeItIsMade) {
  EXPECT_EQ(tree_.Names("ca"), (std::vector<std::string>{"requests", "issued", "profiles", "control"}));
  EXPECT_EQ(Failure(Drop(kRoot, "ca/requests/web.cfg", kConfig)), ErrorCode::kNotPermitted);
  EXPECT_NE(tree_.listener.refusals.back().find("certfs ca init"), std::string::npos);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "backup/ca.p12")), ErrorCode::kNotFound);
  EXPECT_EQ(Do("show")["authority"], nullptr);
  EXPECT_EQ(Failure(Command("issue\nName = web\nHostname = a.example.com\n")), ErrorCode::kNotFound);
}

TEST_F(Authority, ItsFilesReadAsLargeAsTheyAreShown) {
  Init();
  EXPECT_EQ(tree_.Names("ca"), (std::vector<std::string>{"requests", "issued", "profiles", "control",
                                                         "root.pem", "chain.pem", "crl.pem", "crl.der"}));
  Must(Drop(kRoot, "ca/requests/web.cfg", kConfig));
  for (const char* directory : {"ca", "ca/issued", "ca/profiles"}) {
    for (const std::string& name : tree_.Names(directory)) {
      const std::string path = std::string(directory) + "/" + name;
      const Node node = tree_.At(path);
      if (node.type != NodeType::kFile || name == "control") continue;
      const std::string bytes = Must(tree_.Get(kRoot, path));
      EXPECT_EQ(bytes.size(), node.size) << path;
      EXPECT_EQ(bytes, Must(tree_.Get(kRoot, path))) << path;
      EXPECT_TRUE(node.uncached) << path;
      EXPECT_EQ(Must(tree_.volume.GetAttributes(kRoot, node.id, 0)).size, node.size) << path;
    }
  }
  EXPECT_EQ(Must(tree_.Get(kRoot, "ca/root.pem")), Must(tree_.Get(kRoot, "ca/chain.pem")));
}

TEST_F(Authority, NothingIsMadeInItOrWhereItIssued) {
  Init();
  for (const char* directory : {"ca", "ca/issued"}) {
    const NodeId node = tree_.At(directory).id;
    EXPECT_EQ(Failure(tree_.volume.Create(kRoot, node, "x.pem", kReplace)), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.MakeDirectory(kRoot, node, "x", 0755)), ErrorCode::kReadOnly);
    EXPECT_EQ(Failure(tree_.volume.RemoveDirectory(kRoot, node, "x")), ErrorCode::kReadOnly);
  }
  EXPECT_EQ(Unlink(kRoot, "ca", "root.pem"), ErrorCode::kReadOnly);
  EXPECT_EQ(Failure(tree_.volume.Open(kRoot, tree_.At("ca/root.pem").id, kReplace)), ErrorCode::kReadOnly);
  EXPECT_EQ(Failure(tree_.volume.MakeDirectory(kRoot, tree_.At("ca/requests").id, "x", 0755)),
            ErrorCode::kNotPermitted);
}

TEST_F(Authority, AConfigBecomesACertificateAndAKeyOfTheRequester) {
  Init();
  Must(Drop(kUser, "ca/requests/web.cfg", kConfig));
  const Node certificate = tree_.At("ca/issued/web.pem");
  const Node key = tree_.At("ca/issued/web.key");
  EXPECT_EQ(certificate.attributes.mode, 0644U);
  EXPECT_EQ(key.attributes.mode, 0600U);
  EXPECT_EQ(key.attributes.uid, kUser.uid);
  EXPECT_EQ(key.attributes.gid, kUser.gid);
  const auto parsed = nlohmann::json::parse(answer_ = Must(Command("list")));
  ASSERT_EQ(parsed["issued"].size(), 1U);
  const std::string serial = parsed["issued"][0]["serial"];
  EXPECT_EQ(parsed["issued"][0]["pickup"], "web");
  EXPECT_EQ(parsed["issued"][0]["uid"], kUser.uid);
  EXPECT_EQ(Must(tree_.Get(kRoot, "ca/issued/" + serial + ".pem")),
            Must(tree_.Get(kRoot, "ca/issued/web.pem")));
  // It stays its owner's, to be timed and chmodded.
  AttributeChange times;
  times.mtime = kVectorTime;
  times.mode = 0600;
  const Node dropped = Must(tree_.Find(kUser, "ca/requests/web.cfg"));
  EXPECT_FALSE(Failure(tree_.volume.SetAttributes(kUser, dropped.id, 0, times, std::nullopt)));
  EXPECT_EQ(Failure(tree_.Find(kOther, "ca/requests/web.cfg")), ErrorCode::kNotFound);
  EXPECT_TRUE(tree_.Names("ca/requests").empty());
}

TEST_F(Authority, TheSameBytesAgainChangeNothing) {
  Init();
  Must(Drop(kUser, "ca/requests/web.cfg", kConfig));
  const std::string first = Must(tree_.Get(kRoot, "ca/issued/web.pem"));
  Must(Drop(kUser, "ca/requests/web.cfg", kConfig));
  EXPECT_EQ(Must(tree_.Get(kRoot, "ca/issued/web.pem")), first);
  EXPECT_EQ(Issued(), 1U);
  Must(Drop(kUser, "ca/requests/web.cfg", std::string(kConfig) + "Organization = Example\n"));
  EXPECT_NE(Must(tree_.Get(kRoot, "ca/issued/web.pem")), first);
  EXPECT_EQ(Issued(), 2U);
}

TEST_F(Authority, WhatIsRefusedIsGoneAndSaysWhy) {
  Init();
  EXPECT_EQ(Failure(Drop(kUser, "ca/requests/web.cfg", "Name = web\nHostname = server.acme.com\n")),
            ErrorCode::kMalformed);
  EXPECT_NE(tree_.listener.refusals.back().find("ca/requests/web.cfg"), std::string::npos);
  EXPECT_NE(tree_.listener.refusals.back().find("line 2"), std::string::npos);
  EXPECT_EQ(Failure(tree_.Find(kUser, "ca/requests/web.cfg")), ErrorCode::kNotFound);
  EXPECT_EQ(Failure(Drop(kUser, "ca/requests/web.csr", "junk")), ErrorCode::kMalformed);
  EXPECT_EQ(Issued(), 0U);
  EXPECT_EQ(Failure(tree_.Find(kRoot, "ca/issued/web.pem")), ErrorCode::kNotFound);
}

TEST_F(Authority, OtherNamesAreRefused) {
  Init();
  for (const char* name : {"web.pem", "web", "web.csr2"}) {
    EXPECT_EQ(Failure(tree_.volume.Create(kUser, tree_.At("ca/requests").id, name, kReplace)),
              ErrorCode::kNotPermitted)
        << name;
  }
  const std::string serial(32, 'a');
  for (const std::string& name : {std::string("a@b.csr"), serial + ".csr"}) {
    EXPECT_EQ(Failure(tree_.volume.Create(kUser, tree_.At("ca/requests").id, name, kReplace)),
              ErrorCode::kMalformed)
        << name;
  }
}

TEST_F(Authority, AProfileIsNamedByTheFileOrItsText) {
  Init();
  Must(Drop(kUser, "ca/requests/me.client.cfg", "Name = Somebody\nEmail = me@example.com\n"));
  Must(Drop(kUser, "ca/requests/you.cfg",
            "Profile = client\nName = Somebody else\nEmail = you@example.com\n"));
  const auto listed = Do("list");
  ASSERT_EQ(listed["issued"].size(), 2U);
  for (const auto& each : listed["issued"]) EXPECT_EQ(each["profile"], "client");
  EXPECT_EQ(Failure(Drop(kUser, "ca/requests/x.client.cfg", "Profile = server\n" + std::string(kConfig))),
            ErrorCode::kMalformed);
  EXPECT_EQ(Failure(Drop(kUser, "ca/requests/x.cfg", "Profile = none\n" + std::string(kConfig))),
            ErrorCode::kMalformed);
  // What speaks for the authority is not for everybody.
  for (const std::string profile : {"ca", "ocsp"}) {
    EXPECT_EQ(Failure(Drop(kUser, "ca/requests/x." + profile + ".cfg", "Name = Sub\n")),
              ErrorCode::kNotPermitted);
    EXPECT_FALSE(Failure(Drop(kRoot, "ca/requests/x." + profile + ".cfg", "Name = Sub " + profile + "\n")));
  }
}

TEST_F(Authority, WhoeverOpenedARequestAsksForIt) {
  Init();
  const Caller kSetuid{kRoot.uid, kRoot.gid, kUser.thread};  // What its process became before it closed.
  const auto reserved = Must(tree_.OpenToWrite(kUser, "ca/requests/x.ca.cfg", kReplace));
  Must(tree_.volume.Write(kUser, reserved.handle, 0, AsBytes("Name = Sub\n")));
  EXPECT_EQ(Failure(tree_.volume.Flush(kSetuid, reserved.handle)), ErrorCode::kNotPermitted);
  tree_.volume.Release(reserved.node, reserved.handle);
  EXPECT_EQ(Issued(), 0U);
  const auto own = Must(tree_.OpenToWrite(kUser, "ca/requests/web.cfg", kReplace));
  Must(tree_.volume.Write(kUser, own.handle, 0, AsBytes(kConfig)));
  EXPECT_FALSE(Failure(tree_.volume.Flush(kSetuid, own.handle)));
  tree_.volume.Release(own.node, own.handle);
  EXPECT_EQ(tree_.At("ca/issued/web.key").attributes.uid, kUser.uid);
}

TEST_F(Authority, AnothersNameIsNotTaken) {
  Init();
  Must(Drop(kUser, "ca/requests/web.cfg", kConfig));
  EXPECT_EQ(Failure(Drop(kOther, "ca/requests/web.cfg", kConfig)), ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(Drop(kOther, "ca/requests/WEB.cfg", kConfig)), ErrorCode::kNotPermitted);
  EXPECT_FALSE(Unlink(kUser, "ca/issued", "web.key"));
  EXPECT_FALSE(Unlink(kUser, "ca/issued", "web.pem"));
  EXPECT_FALSE(Failure(Drop(kOther, "ca/requests/web.cfg", kConfig)));
}

TEST_F(Authority, AWriterThatDiesAsksForNothing) {
  Init();
  const auto writer = Must(tree_.OpenToWrite(kUser, "ca/requests/web.cfg", kReplace));
  Must(tree_.volume.Write(kUser, writer.handle, 0, AsBytes(kConfig)));
  tree_.processes.dying.insert(kUser.thread);
  EXPECT_FALSE(Failure(tree_.volume.Flush(kUser, writer.handle)));
  tree_.volume.Release(writer.node, writer.handle);
  EXPECT_EQ(Issued(), 0U);
  // Nor does another process that closes it.
  tree_.processes.dying.clear();
  const auto again = Must(tree_.OpenToWrite(kUser, "ca/requests/web.cfg", kReplace));
  Must(tree_.volume.Write(kUser, again.handle, 0, AsBytes(kConfig)));
  EXPECT_FALSE(Failure(tree_.volume.Flush({kUser.uid, kUser.gid, 999}, again.handle)));
  EXPECT_EQ(Issued(), 0U);
  // It is asked for at the last close, where its own came first.
  tree_.volume.Release(again.node, again.handle);
  EXPECT_EQ(Issued(), 1U);
}

TEST_F(Authority, ItIsTakenAtSyncAndAtRename) {
  Init();
  const auto writer = Must(tree_.OpenToWrite(kUser, "ca/requests/web.cfg", kReplace));
  Must(tree_.volume.Write(kUser, writer.handle, 0, AsBytes(kConfig)));
  EXPECT_FALSE(Failure(tree_.volume.Sync(kUser, writer.handle)));
  EXPECT_EQ(Issued(), 1U);
  EXPECT_FALSE(Failure(tree_.volume.Flush(kUser, writer.handle)));
  tree_.volume.Release(writer.node, writer.handle);
  EXPECT_EQ(Issued(), 1U);
  const NodeId requests = tree_.At("ca/requests").id;
  Must(Drop(kUser, "ca/requests/.b.cfg.Ab12", kConfig));
  EXPECT_EQ(Issued(), 1U);
  EXPECT_FALSE(Failure(tree_.volume.Rename(kUser, requests, ".b.cfg.Ab12", requests, "b.cfg", 0)));
  EXPECT_EQ(Issued(), 2U);
  EXPECT_FALSE(Failure(tree_.Find(kUser, "ca/issued/b.key")));
  // After a refused one all is as it was.
  Must(Drop(kUser, "ca/requests/.c.cfg.Ab12", "City = x\n"));
  EXPECT_EQ(Failure(tree_.volume.Rename(kUser, requests, ".c.cfg.Ab12", requests, "c.cfg", 0)),
            ErrorCode::kMalformed);
  EXPECT_EQ(Must(tree_.Get(kUser, "ca/requests/.c.cfg.Ab12")), "City = x\n");
}

TEST_F(Authority, WhatIsPickedUpGoes) {
  Init();
  Must(Drop(kUser, "ca/requests/web.cfg", kConfig));
  EXPECT_EQ(Unlink(kOther, "ca/issued", "web.key"), ErrorCode::kNotPermitted);
  EXPECT_EQ(Unlink(kUser, "ca/issued", "nothing.pem"), ErrorCode::kNotFound);
  // The certificate first: the key must not go with its name.
  EXPECT_FALSE(Unlink(kUser, "ca/issued", "web.pem"));
  EXPECT_EQ(Failure(tree_.Find(kUser, "ca/issued/web.pem")), ErrorCode::kNotFound);
  EXPECT_FALSE(Failure(tree_.Get(kUser, "ca/issued/web.key")));
  EXPECT_FALSE(Unlink(kUser, "ca/issued", "web.key"));
  const auto names = tree_.Names("ca/issued");
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(Unlink(kRoot, "ca/issued", names.front()), ErrorCode::kNotPermitted);
  EXPECT_EQ(Issued(), 1U);
  // The key first.
  Must(Drop(kUser, "ca/requests/two.cfg", kConfig));
  EXPECT_FALSE(Unlink(kUser, "ca/issued", "two.key"));
  EXPECT_FALSE(Failure(tree_.Get(kUser, "ca/issued/two.pem")));
  EXPECT_FALSE(Unlink(kRoot, "ca/issued", "two.pem"));
}

TEST_F(Authority, AListingOfWhatWasIssuedGoesOnWhereItStopped) {
  Init();
  for (int i = 0; i < 20; ++i) Must(Drop(kUser, "ca/requests/n" + std::to_string(i) + ".cfg", kConfig));
  std::vector<std::string> names;
  std::uint64_t offset = 0;
  for (bool more = true; more;) {
    more = false;
    Must(tree_.volume.List(kRoot, tree_.At("ca/issued").id, offset, [&](const DirectoryItem& item) {
      if (more) return false;  // One at a time.
      names.emplace_back(item.name);
      offset = item.offset;
      more = true;
      return true;
    }));
  }
  EXPECT_EQ(names.size(), 2 + 20 * 3U);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST_F(Authority, RequestsHaveAnOwnerAndAMode) {
  EXPECT_EQ(tree_.At("ca/requests").attributes.mode, 0700U);
  AttributeChange change;
  change.mode = 0770;
  change.gid = 50;
  Must(tree_.volume.SetAttributes(kRoot, tree_.At("ca/requests").id, 0, change, std::nullopt));
  EXPECT_EQ(tree_.At("ca/requests").attributes.mode, 0770U);
  EXPECT_EQ(tree_.At("ca/requests").attributes.gid, 50U);
  AttributeChange other;
  other.mode = 0700;
  EXPECT_EQ(Failure(tree_.volume.SetAttributes(kRoot, tree_.At("ca/issued").id, 0, other, std::nullopt)),
            ErrorCode::kReadOnly);
}

TEST_F(Authority, ProfilesAreWrittenJudgedAndTakenBack) {
  const std::string built_in = Must(tree_.Get(kUser, "ca/profiles/server.toml"));
  EXPECT_EQ(Unlink(kRoot, "ca/profiles", "server.toml"), ErrorCode::kNotPermitted);
  const auto write = [&](const std::string& text) -> Result<void> {
    const Node node = tree_.At("ca/profiles/server.toml");
    const HandleId handle = TRY(tree_.volume.Open(kRoot, node.id, kReplace));
    auto written = tree_.volume.Write(kRoot, handle, 0, AsBytes(text));
    auto closed = tree_.volume.Flush(kRoot, handle);
    tree_.volume.Release(node.id, handle);
    return written.has_value() ? closed : written;
  };
  const std::string text = "# ours\n" + built_in;
  Must(write(text));
  EXPECT_EQ(Must(tree_.Get(kUser, "ca/profiles/server.toml")), text);
  EXPECT_EQ(Failure(write("days = \n")), ErrorCode::kMalformed);
  EXPECT_NE(tree_.listener.refusals.back().find("ca/profiles/server.toml"), std::string::npos);
  EXPECT_EQ(Must(tree_.Get(kUser, "ca/profiles/server.toml")), text);
  EXPECT_FALSE(Unlink(kRoot, "ca/profiles", "server.toml"));
  EXPECT_EQ(Must(tree_.Get(kUser, "ca/profiles/server.toml")), built_in);
  Must(tree_.Put(kRoot, "ca/profiles/ours.toml", AsBytes(built_in)));
  EXPECT_EQ(Must(tree_.Get(kUser, "ca/profiles/ours.toml")), built_in);
  EXPECT_FALSE(Unlink(kRoot, "ca/profiles", "ours.toml"));
  EXPECT_EQ(Failure(tree_.Find(kUser, "ca/profiles/ours.toml")), ErrorCode::kNotFound);
  EXPECT_EQ(Failure(tree_.volume.Create(kRoot, tree_.At("ca/profiles").id, "x y.toml", kReplace)),
            ErrorCode::kMalformed);
}

TEST_F(Authority, ACommandThatFailsAnswersWhy) {
  EXPECT_EQ(Failure(Command("nothing")), ErrorCode::kMalformed);
  EXPECT_EQ(nlohmann::json::parse(answer_)["error"]["rule"], "control");
  EXPECT_NE(tree_.listener.refusals.back().find("ca/control"), std::string::npos);
  for (const char* text : {"show x", "show --x", "init --key=dsa", "init --days=0", "list --state=x", "renew",
                           "renew x", "list --after=x", "revoke", "import\nx", "show\npayload"}) {
    EXPECT_EQ(Failure(Command(text)), ErrorCode::kMalformed) << text;
  }
  Init();
  EXPECT_EQ(Failure(Command("init")), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Failure(Command("revoke " + std::string(32, 'a'))), ErrorCode::kNotFound);
  EXPECT_EQ(Do("status " + std::string(32, 'a'))["state"], "unknown");
  const Node control = tree_.At("ca/control");
  EXPECT_EQ(control.size, 0U);
  EXPECT_EQ(control.attributes.mode, 0600U);
}

TEST_F(Authority, WhatIsRevokedIsInTheNextListThatIsRead) {
  Init();
  const auto issued = Do("issue --name=web\n" + std::string(kConfig));
  EXPECT_NE(issued["key"].get<std::string>().find("BEGIN PRIVATE KEY"), std::string::npos);
  const std::string serial = issued["issued"]["serial"];
  const std::string before = Must(tree_.Get(kRoot, "ca/crl.pem"));
  const auto revoked = Do("revoke " + serial + " keyCompromise");
  EXPECT_EQ(revoked["issued"]["revoked"]["reason"], "keyCompromise");
  EXPECT_NE(Must(tree_.Get(kRoot, "ca/crl.pem")), before);
  EXPECT_EQ(Do("status " + serial)["state"], "revoked");
  EXPECT_EQ(Failure(Command("revoke " + serial)), ErrorCode::kAlreadyExists);
}

TEST_F(Authority, AListPastHalfOfItsLifeIsSignedAnewByWhoeverReadsIt) {
  Init();
  const std::string first = Must(tree_.Get(kRoot, "ca/crl.der"));
  tree_.now += std::chrono::hours(24);
  EXPECT_EQ(Must(tree_.Get(kRoot, "ca/crl.der")), first);
  tree_.now += std::chrono::hours(24 * 3);
  EXPECT_NE(Must(tree_.Get(kRoot, "ca/crl.der")), first);
  const std::string second = Must(tree_.Get(kRoot, "ca/crl.der"));
  tree_.now += std::chrono::hours(24 * 4);
  EXPECT_FALSE(Failure(tree_.volume.RefreshLists()));
  EXPECT_NE(Must(tree_.Get(kRoot, "ca/crl.der")), second);
}

TEST_F(Authority, ARenewalIsToldAndAPairStaysAPair) {
  Init();
  tree_.MakeDirectory("stores/machine", "web");
  Do("write-entries test\n[machine/web]\n" + std::string(kConfig));
  const Node directory = tree_.At("stores/machine/web");
  tree_.volume.Named(directory);
  const Node old_certificate = tree_.At("stores/machine/web/cert.pem");
  tree_.volume.Named(old_certificate);
  const std::string old_key = Must(tree_.Get(kRoot, "stores/machine/web/key.pem"));
  const HandleId handle = Must(tree_.volume.Open(kUser, old_certificate.id, kRead));
  tree_.listener.replaced.clear();
  tree_.listener.changed.clear();
  Do("renew machine/web --rekey");
  EXPECT_NE(std::find(tree_.listener.changed.begin(), tree_.listener.changed.end(),
                      std::pair(directory.id, std::string("key.pem"))),
            tree_.listener.changed.end());
  EXPECT_NE(std::find_if(tree_.listener.replaced.begin(), tree_.listener.replaced.end(),
                         [&](const auto& each) { return each.node == old_certificate.id; }),
            tree_.listener.replaced.end());
  // Whoever was between the halves still gets the other one of the same pair.
  EXPECT_EQ(Must(tree_.Get(kUser, "stores/machine/web/key.pem")), old_key);
  EXPECT_NE(Must(tree_.Get(kOther, "stores/machine/web/key.pem")), old_key);
  tree_.volume.Release(old_certificate.id, handle);
}

TEST_F(Authority, EnforcedRevocationWithholdsKeys) {
  Init();
  tree_.MakeDirectory("stores/machine", "web");
  Do("write-entries test\n[machine/web]\n" + std::string(kConfig));
  const Node store = tree_.At("stores/machine");
  EXPECT_EQ(Must(tree_.volume.EnforcesRevocation(store.id)), false);
  EXPECT_FALSE(Must(tree_.volume.EnforcesRevocation(tree_.At("stores").id)));
  EXPECT_EQ(Failure(tree_.volume.SetEnforcesRevocation(kUser, store.id, true)), ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(tree_.volume.SetEnforcesRevocation(kRoot, tree_.At("stores/BACKUP_STORE").id, true)),
            ErrorCode::kNotPermitted);
  EXPECT_EQ(Failure(tree_.volume.SetEnforcesRevocation(kRoot, tree_.At("ca").id, true)),
            ErrorCode::kUnsupported);
  Must(tree_.volume.SetEnforcesRevocation(kRoot, store.id, true));
  EXPECT_FALSE(Failure(tree_.Get(kRoot, "stores/machine/web/key.pem")));
  Do("revoke machine/web");
  EXPECT_EQ(Failure(tree_.Get(kRoot, "stores/machine/web/key.pem")), ErrorCode::kRevoked);
  EXPECT_EQ(Failure(tree_.Get(kRoot, "export/machine/web/combined.pem")), ErrorCode::kRevoked);
  EXPECT_EQ(Failure(tree_.Get(kRoot, "export/machine/web/keystore.p12")), ErrorCode::kRevoked);
  EXPECT_NE(tree_.listener.refusals.back().find("revoked"), std::string::npos);
  const NodeId entry = tree_.At("stores/machine/web").id;
  EXPECT_EQ(Failure(tree_.volume.Rename(kRoot, entry, "key.pem", entry, "key.pem~", 0)), ErrorCode::kRevoked);
  EXPECT_EQ(Failure(tree_.volume.Link(kRoot, tree_.At("stores/machine/web/key.pem").id, entry, ".key")),
            ErrorCode::kRevoked);
  EXPECT_FALSE(Failure(tree_.Get(kRoot, "stores/machine/web/cert.pem")));
  Must(tree_.volume.SetEnforcesRevocation(kRoot, store.id, false));
  EXPECT_FALSE(Failure(tree_.Get(kRoot, "stores/machine/web/key.pem")));
}

// Nor by a node of before, by a pair that was begun, or from what is kept.
TEST_F(Authority, AWithheldKeyStaysWithheldOnceItIsReplaced) {
  Init();
  tree_.MakeDirectory("stores/machine", "web");
  Do("write-entries test\n[machine/web]\n" + std::string(kConfig));
  Must(tree_.volume.SetEnforcesRevocation(kRoot, tree_.At("stores/machine").id, true));
  const std::string path = "stores/machine/web/";
  const auto key_after = [&](const Caller& caller, bool revoked_first) {
    const Node certificate = tree_.At(path + "cert.pem");
    const Node key = tree_.At(path + "key.pem");
    tree_.volume.Named(key);  // As of whoever has it by O_PATH.
    const std::string serial = Do("status machine/web")["issued"]["serial"];
    const HandleId handle = Must(tree_.volume.Open(caller, certificate.id, kRead));
    if (revoked_first) Do("revoke " + serial);
    Do("renew machine/web --rekey");
    if (!revoked_first) {
      EXPECT_FALSE(Failure(tree_.Get(caller, path + "key.pem")));  // The other half, while it is good.
      tree_.volume.Release(certificate.id, handle);
      EXPECT_FALSE(Failure(tree_.Get(caller, "stores/BACKUP_STORE/bkp_web/key.pem")));
      Do("revoke " + serial);
    } else {
      tree_.volume.Release(certificate.id, handle);
    }
    EXPECT_EQ(Failure(tree_.Get(caller, "stores/BACKUP_STORE/bkp_web/key.pem")), ErrorCode::kRevoked);
    return key.id;
  };
  const auto opened = [&](const Caller& caller, NodeId key) {
    auto first = tree_.volume.Open(caller, key, kRead);
    if (Failure(first) == ErrorCode::kStale) first = tree_.volume.Open(caller, key, kRead);
    return Failure(first);
  };
  const NodeId revoked_first = key_after(kUser, true);
  EXPECT_EQ(opened(kUser, revoked_first), ErrorCode::kRevoked);   // Who is between the halves.
  EXPECT_EQ(opened(kOther, revoked_first), ErrorCode::kRevoked);  // By the node that the kernel has.
  tree_.now += std::chrono::seconds(3);
  const NodeId revoked_later = key_after(kUser, false);
  EXPECT_EQ(opened(kOther, revoked_later), ErrorCode::kRevoked);
  tree_.now += std::chrono::seconds(3);
  EXPECT_EQ(opened(kOther, revoked_later), ErrorCode::kRevoked);
  EXPECT_FALSE(Failure(tree_.Get(kOther, path + "key.pem")));
}

TEST_F(Authority, HealthAsksForABackupUntilItIsRead) {
  const auto ids = [&] {
    std::vector<std::string> found;
    const auto health = nlohmann::json::parse(Must(tree_.Get(kUser, "status/health.json")));
    for (const auto& each : health["findings"]) found.push_back(each["id"]);
    return found;
  };
  EXPECT_TRUE(ids().empty());
  Init();
  Must(Drop(kRoot, "ca/requests/web.cfg", kConfig));
  const auto before = ids();
  EXPECT_EQ(std::count(before.begin(), before.end(), "ca-never-backed-up"), 1);
  EXPECT_EQ(tree_.At("status/health.json").size, Must(tree_.Get(kUser, "status/health.json")).size());
  EXPECT_EQ(Failure(tree_.Get(kRoot, "backup/ca.p12")), ErrorCode::kPasswordRequired);
  Settings settings;
  settings.export_password = SecretBytes::CopyOf(AsBytes("correct horse"));
  Must(tree_.keystore->SetSettings(settings));
  const std::string backup = Must(tree_.Get(kRoot, "backup/ca.p12"));
  EXPECT_EQ(backup.size(), tree_.At("backup/ca.p12").size);
  const auto after = ids();
  EXPECT_EQ(std::count(after.begin(), after.end(), "ca-never-backed-up"), 0);
}

}  // namespace
}  // namespace certfs
