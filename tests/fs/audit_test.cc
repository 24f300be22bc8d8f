// Goal: each operation of the tree that reads a key or changes something has its line, which says who did
// what to what; and without a line no key is given. Method: a volume over a keystore on disk, whose log is
// read back after each operation.

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "crypto/pem.h"
#include "store/audit_log.h"
#include "store/audit_text.h"
#include "store/audit_verification.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

using Json = nlohmann::json;

class AuditedTree : public testing::Test {
 protected:
  AuditedTree() {
    std::string name = (std::filesystem::temp_directory_path() / "certfs-audit-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    const UnlockSecret secret{SlotType::kKeyFile, SecretBytes(32)};
    tree_.emplace([&](Keystore::Clock clock) {
      Must(Keystore::Create(directory_, secret, {0, 0}, clock));
      return Must(Keystore::Open(directory_, secret, std::move(clock)));
    });
    tree_->processes.process_of[201] = 200;
  }
  ~AuditedTree() override {
    tree_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  // The lines that were added since the last call.
  std::vector<Json> NewLines() {
    const auto text = Must(tree_->keystore->audit()->Text());
    const Bytes bytes = Must(text->Read(read_, std::size_t{4} << 20));
    read_ += bytes.size();
    std::vector<Json> lines;
    std::string_view rest = AsText(bytes);
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      lines.push_back(Json::parse(rest.substr(0, end)));
      rest.remove_prefix(end + 1);
    }
    return lines;
  }
  // Expects that exactly one was added, and returns it.
  Json OneLine() {
    const std::vector<Json> lines = NewLines();
    EXPECT_EQ(lines.size(), 1U);
    return lines.empty() ? Json() : lines.front();
  }
  void ExpectLine(const char* operation, const char* path, const Caller& caller, const char* outcome = "ok") {
    const Json line = OneLine();
    ASSERT_TRUE(line.is_object());
    EXPECT_EQ(line["op"], operation) << line;
    EXPECT_EQ(line["path"], path) << line;
    EXPECT_EQ(line["uid"], caller.uid);
    EXPECT_EQ(line["gid"], caller.gid);
    EXPECT_EQ(line["pid"], tree_->processes.ProcessOf(caller.thread));
    EXPECT_EQ(line["exe"], "/usr/bin/test");
    EXPECT_EQ(line["comm"], Json());  // Asked for where the executable is not shown.
    EXPECT_EQ(line["outcome"], outcome) << line;
    last_ = line;
  }

  // stores/machine/web with a pair in it, and the lines of that.
  void MakePair() {
    tree_->MakeDirectory("stores/TRUSTED_ROOTS", "root");
    Must(tree_->Put(kRoot, "stores/TRUSTED_ROOTS/root/cert.pem", Vector("root.pem")));
    tree_->MakeDirectory("stores/machine", "web");
    Must(tree_->Put(kRoot, "stores/machine/web/key.pem", Vector("leaf.key")));
    Must(tree_->Put(kRoot, "stores/machine/web/cert.pem", Vector("chain.pem")));
    NewLines();
  }

  std::filesystem::path directory_;
  std::optional<Tree> tree_;
  std::size_t read_ = 0;
  Json last_;
};

const Caller kThread{1000, 1000, 201};  // Of the process 200.

TEST_F(AuditedTree, NotesEveryRead) {
  MakePair();
  Must(tree_->Get(kThread, "stores/machine/web/key.pem"));
  ExpectLine("read", "stores/machine/web/key.pem", kThread);
  EXPECT_EQ(last_["store"], "machine");
  EXPECT_EQ(last_["alias"], "web");
  EXPECT_EQ(last_["revision"], tree_->At("stores/machine/web/key.pem").id.revision());
  EXPECT_EQ(last_["pid"], 200);
  // None is left out because it is like the one before.
  for (int i = 0; i < 3; ++i) Must(tree_->Get(kRoot, "stores/machine/web/key.pem"));
  EXPECT_EQ(NewLines().size(), 3U);
  Must(tree_->keystore->SetSettings(
      {SecretBytes::CopyOf(AsBytes("a long password")), ExportProfile::kModern}));
  NewLines();
  for (const char* const path :
       {"export/machine/web/combined.pem", "export/machine/web/keystore.p12", "export/machine/store.p12",
        "export/vmo-server.vmokeystore", "backup/keystore.cms"}) {
    Must(tree_->Get(kRoot, path));
    ExpectLine("read", path, kRoot);
  }
  // What is public is nobody's business.
  for (const char* const path :
       {"stores/machine/web/cert.pem", "export/machine/web/fullchain.pem", "export/machine/web/info.json",
        "export/TRUSTED_ROOTS/ca-bundle.pem", "backup/manifest.json", "status/version"}) {
    Must(tree_->Get(kRoot, path));
    EXPECT_TRUE(NewLines().empty()) << path;
  }
  // Not by stat, lookup or listing.
  tree_->Names("stores/machine/web");
  EXPECT_TRUE(NewLines().empty());
}

TEST_F(AuditedTree, NotesReadingByOtherWays) {
  MakePair();
  const auto editor = Must(tree_->OpenToWrite(kRoot, "stores/machine/web/key.pem", kEdit));
  ExpectLine("read", "stores/machine/web/key.pem", kRoot);
  EXPECT_EQ(last_["detail"], "to edit it");
  tree_->volume.Release(editor.node, editor.handle);
  const auto writer = Must(tree_->OpenToWrite(kRoot, "stores/machine/web/key.pem", kReplace));
  tree_->volume.Release(writer.node, writer.handle);
  EXPECT_TRUE(NewLines().empty());
  const NodeId web = tree_->At("stores/machine/web").id;
  const NodeId key = tree_->At("stores/machine/web/key.pem").id;
  Must(tree_->volume.Link(kRoot, key, web, "key.pem~"));
  ExpectLine("read", "stores/machine/web/key.pem", kRoot);
  EXPECT_EQ(last_["detail"], "as a scratch file");
  // A handle that nobody knows any more.
  Must(tree_->volume.Read(key, 12344, 0, 100));
  const Json line = OneLine();
  EXPECT_EQ(line["op"], "read");
  EXPECT_EQ(line["pid"], Json());
  EXPECT_EQ(line["uid"], Json());
}

TEST_F(AuditedTree, NotesEveryChange) {
  tree_->MakeDirectory("stores", "web");
  EXPECT_EQ(NewLines().front()["op"], "begin");
  tree_->MakeDirectory("stores/web", "www");
  ExpectLine("mkdir", "stores/web/www", kRoot);
  EXPECT_EQ(last_["alias"], "www");
  tree_->MakeDirectory("stores/web/www", "next");
  ExpectLine("mkdir", "stores/web/www/next", kRoot);
  Must(tree_->Put(kRoot, "stores/web/www/key.pem", Vector("leaf.key")));
  ExpectLine("write", "stores/web/www/key.pem", kRoot);
  EXPECT_TRUE(last_["commit"].is_number());
  Must(tree_->Put(kRoot, "stores/web/www/key.pem", Vector("leaf.key")));  // The same once more.
  EXPECT_TRUE(NewLines().empty());
  const NodeId file = tree_->At("stores/web/www/key.pem").id;
  AttributeChange change;
  change.mode = 0640;
  Must(tree_->volume.SetAttributes(kRoot, file, 0, change, std::nullopt));
  ExpectLine("chmod", "stores/web/www/key.pem", kRoot);
  change = {};
  change.uid = 7;
  Must(tree_->volume.SetAttributes(kRoot, file, 0, change, std::nullopt));
  ExpectLine("chown", "stores/web/www/key.pem", kRoot);
  change = {};
  change.mtime = tree_->now;
  Must(tree_->volume.SetAttributes(kRoot, file, 0, change, std::nullopt));
  ExpectLine("utimens", "stores/web/www/key.pem", kRoot);
  Must(tree_->volume.SetEnforcesRevocation(kRoot, tree_->At("stores/web").id, true));
  ExpectLine("enforce_revocation", "stores/web", kRoot);
  EXPECT_EQ(last_["detail"], "on");
  const NodeId web = tree_->At("stores/web").id;
  Must(tree_->volume.Rename(kRoot, web, "www", web, "new", 0));
  ExpectLine("rename", "stores/web/www", kRoot);
  EXPECT_EQ(last_["detail"], "to stores/web/new");
  EXPECT_EQ(last_["alias"], "new");
  const NodeId entry = tree_->At("stores/web/new").id;
  Must(tree_->volume.RemoveDirectory(kRoot, entry, "next"));
  ExpectLine("rmdir", "stores/web/new/next", kRoot);
  Must(tree_->volume.Unlink(kRoot, entry, "key.pem"));
  ExpectLine("remove", "stores/web/new/key.pem", kRoot);
  Must(tree_->volume.RemoveDirectory(kRoot, web, "new"));
  ExpectLine("rmdir", "stores/web/new", kRoot);
  Must(tree_->volume.RemoveDirectory(kRoot, NodeId::Of(Fixed::kStores), "web"));
  ExpectLine("rmdir", "stores/web", kRoot);
  EXPECT_TRUE(Must(VerifyAudit(*tree_->keystore)).sound());
}

TEST_F(AuditedTree, NotesWhatTheAuthorityDoes) {
  const NodeId control = NodeId::Of(Fixed::kControl);
  const HandleId handle = Must(tree_->volume.Open(kRoot, control, kEdit));
  Must(tree_->volume.Write(kRoot, handle, 0, AsBytes("init --key=ec-p256\n")));
  tree_->volume.Release(control, handle);
  std::vector<Json> lines = NewLines();
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[1]["op"], "control");
  EXPECT_EQ(lines[1]["path"], "ca/control");
  EXPECT_EQ(lines[1]["detail"], "init --key=ec-p256");  // What comes behind it may be a key.
  Must(tree_->Put(kRoot, "ca/requests/www.cfg", AsBytes("Name = www\nHostname = www.example.com\n")));
  ExpectLine("request", "ca/requests/www.cfg", kRoot);
  Must(tree_->Get(kRoot, "ca/issued/www.key"));
  const Json read = OneLine();
  EXPECT_EQ(read["op"], "read");
  Must(tree_->Get(kRoot, "ca/issued/www.pem"));
  EXPECT_TRUE(NewLines().empty());
}

TEST_F(AuditedTree, NotesWhatIsRefused) {
  MakePair();
  EXPECT_EQ(Failure(tree_->Put(kThread, "stores/machine/web/cert.pem", Vector("issuing.pem"))),
            ErrorCode::kRejected);
  ExpectLine("write", "stores/machine/web/cert.pem", kThread, "EKEYREJECTED");
  EXPECT_TRUE(last_["rule"].is_string());
  EXPECT_TRUE(last_["reason"].is_string());
  EXPECT_EQ(Failure(tree_->volume.RemoveDirectory(kThread, NodeId::Of(Fixed::kStores), "MACHINE_SSL_CERT")),
            ErrorCode::kNotPermitted);
  ExpectLine("rmdir", "stores/MACHINE_SSL_CERT", kThread, "EPERM");
  AttributeChange change;
  change.mode = 0644;
  const NodeId key = tree_->At("stores/machine/web/key.pem").id;
  EXPECT_EQ(Failure(tree_->volume.SetAttributes(kThread, key, 0, change, std::nullopt)),
            ErrorCode::kNotPermitted);
  ExpectLine("chmod", "stores/machine/web/key.pem", kThread, "EPERM");
  EXPECT_EQ(Failure(tree_->volume.SetAttributes(kThread, key, 0, {}, 0)), ErrorCode::kNotPermitted);
  ExpectLine("truncate", "stores/machine/web/key.pem", kThread, "EPERM");
  EXPECT_EQ(Failure(tree_->volume.Create(kThread, tree_->At("stores/machine/web").id, "x.pem", kReplace)),
            ErrorCode::kNotPermitted);
  ExpectLine("create", "stores/machine/web/x.pem", kThread, "EPERM");
  const auto writer = Must(tree_->OpenToWrite(kThread, "stores/machine/web/key.pem", kReplace));
  EXPECT_EQ(Failure(tree_->volume.SetAttributes(kThread, writer.node, writer.handle, {}, kFileBytesMax + 1)),
            ErrorCode::kTooLarge);
  ExpectLine("truncate", "stores/machine/web/key.pem", kThread, "EFBIG");
  // Who may not open it for writing once more has read nothing either.
  EXPECT_EQ(Failure(tree_->volume.Open(kThread, writer.node, kEdit)), ErrorCode::kNotPermitted);
  ExpectLine("write", "stores/machine/web/key.pem", kThread, "EPERM");
  tree_->volume.Release(writer.node, writer.handle);
  // A key that is not given out.
  EXPECT_EQ(Failure(tree_->Get(kThread, "export/machine/web/keystore.p12")), ErrorCode::kPasswordRequired);
  ExpectLine("read", "export/machine/web/keystore.p12", kThread, "ENOKEY");
}

// Goal: who cannot be noted gets no key, and changes nothing; what is public goes on. Method: audit.log
// becomes a link, which is followed nowhere.
TEST_F(AuditedTree, GivesNoKeyWithoutALine) {
  MakePair();
  const std::filesystem::path log = directory_ / "audit.log";
  std::filesystem::rename(log, directory_ / "elsewhere");
  std::filesystem::create_symlink("elsewhere", log);
  EXPECT_EQ(Failure(tree_->Get(kThread, "stores/machine/web/key.pem")), ErrorCode::kIo);
  EXPECT_NE(tree_->listener.refusals.back().find("audit-log"), std::string::npos);
  EXPECT_EQ(Failure(tree_->Get(kRoot, "export/machine/web/combined.pem")), ErrorCode::kIo);
  EXPECT_EQ(Failure(tree_->OpenToWrite(kRoot, "stores/machine/web/key.pem", kEdit)), ErrorCode::kIo);
  EXPECT_EQ(Failure(tree_->volume.MakeDirectory(kRoot, tree_->At("stores").id, "new", 0755)), ErrorCode::kIo);
  EXPECT_EQ(Failure(tree_->Find(kRoot, "stores/new")), ErrorCode::kNotFound);
  EXPECT_EQ(Must(tree_->Get(kThread, "stores/machine/web/cert.pem")), TextOf("chain.pem"));
  std::filesystem::rename(directory_ / "elsewhere", log);
  EXPECT_EQ(Must(tree_->Get(kThread, "stores/machine/web/key.pem")), TextOf("leaf.key"));
  EXPECT_EQ(OneLine()["outcome"], "ok");
}

// What cannot be shown does not take the rest of status/ with it.
TEST_F(AuditedTree, StatusTellsWithoutIt) {
  const NodeId node = tree_->At("status/audit.jsonl").id;
  const HandleId handle = Must(tree_->volume.Open(kThread, node, kRead));
  const std::uint64_t size = Must(tree_->volume.GetAttributes(kThread, node, 0)).size;
  const std::filesystem::path log = directory_ / "audit.log";
  std::filesystem::rename(log, directory_ / "elsewhere");
  std::filesystem::create_symlink("elsewhere", log);
  EXPECT_TRUE(Failure(tree_->Find(kRoot, "status/audit.jsonl")));
  EXPECT_EQ(tree_->Names("status").size(), 8U);
  Must(tree_->Get(kRoot, "status/health.json"));
  Must(tree_->Get(kRoot, "status/errors.log"));
  // Whoever has it open is told what he has.
  EXPECT_EQ(Must(tree_->volume.GetAttributes(kThread, node, 0)).size, size);
  EXPECT_EQ(Must(tree_->volume.GetAttributes(kThread, node, handle)).size, size);
  tree_->volume.Release(node, handle);
}

TEST_F(AuditedTree, ShowsItselfInStatus) {
  MakePair();
  const Node node = tree_->At("status/audit.jsonl");
  EXPECT_EQ(node.attributes.mode, 0600U);
  const std::uint64_t size = node.size;
  EXPECT_GT(size, 1000U);
  const HandleId handle = Must(tree_->volume.Open(kRoot, node.id, kRead));
  // It is what stat has just shown; that it was read stands behind it.
  EXPECT_EQ(Must(tree_->volume.GetAttributes(kRoot, node.id, handle)).size, size);
  std::string text;
  for (;;) {
    const SecretBytes part = Must(tree_->volume.Read(node.id, handle, text.size(), 777));
    if (part.empty()) break;
    text += AsText(part.Reveal());
  }
  EXPECT_EQ(text.size(), size);
  EXPECT_EQ(text.back(), '\n');
  tree_->volume.Release(node.id, handle);
  ExpectLine("read-log", "status/audit.jsonl", kRoot);
  EXPECT_GT(tree_->At("status/audit.jsonl").size, size);
  EXPECT_EQ(Failure(tree_->volume.Open(kRoot, node.id, kEdit)), ErrorCode::kReadOnly);
}

}  // namespace
}  // namespace certfs::test
