// Goal: whatever users do, in whatever order, the volume does what the model says: outcome by outcome, byte
// by byte. Method: histories of random operations (history.h) on a volume in memory, with processes and a
// clock that the test invents. CERTFS_ROUNDS scales the number of seeds.

#include "tests/fs/history.h"
#include "tests/fs/volume_fixture.h"
#include "tests/support/rounds.h"

namespace certfs::test {
namespace {

constexpr int kSeeds = 3000;
constexpr int kSeedsOfAll = 2000;  // Fewer do not meet everything.

class VolumeWorld final : public World {
 public:
  bool Agree(const Outcome& real, const Outcome& model) const override { return real == model; }
  bool HasInventedCallers() const override { return true; }
  void Advance(std::chrono::milliseconds by) override { tree_.now += by; }

  Outcome MakeDirectory(const std::string& path) override {
    return Failure(volume_.MakeDirectory(kRoot, Parent(path), Name(path), 0755));
  }
  Outcome RemoveDirectory(const Caller& caller, const std::string& path) override {
    return Failure(volume_.RemoveDirectory(caller, Parent(path), Name(path)));
  }
  Outcome Rename(const Caller& caller, const std::string& from, const std::string& to) override {
    return Failure(volume_.Rename(caller, Parent(from), Name(from), Parent(to), Name(to), 0));
  }
  Outcome Unlink(const Caller& caller, const std::string& path) override {
    return Failure(volume_.Unlink(caller, Parent(path), Name(path)));
  }
  Outcome Chmod(const std::string& path, std::uint32_t mode) override {
    AttributeChange change;
    change.mode = mode;
    return Failure(volume_.SetAttributes(kRoot, tree_.At(path).id, 0, change, {}));
  }

  Opened OpenToRead(const std::string& path) override {
    const NodeId node = tree_.At(path).id;
    return Keep(node, volume_.Open(kUser, node, kRead));
  }
  std::string Read(Handle reader) override {
    const SecretBytes read = Must(volume_.Read(nodes_[reader], reader, 0, std::size_t{1} << 20));
    return std::string(AsText(read.Reveal()));
  }
  std::uint64_t SizeOf(Handle reader) override {
    return Must(volume_.GetAttributes(kUser, nodes_[reader], 0)).size;
  }
  void CloseReader(Handle reader) override { Release(reader); }

  Opened OpenToWrite(const Caller& caller, const std::string& path, bool edit) override {
    const auto opened = tree_.OpenToWrite(caller, path, edit ? kEdit : kReplace);
    if (!opened.has_value()) return {opened.error().code()};
    return Keep(opened.value().node, opened.value().handle);
  }
  Outcome Write(const Caller& caller, Handle writer, std::size_t offset, const std::string& bytes) override {
    return Failure(volume_.Write(caller, writer, offset, AsBytes(bytes)));
  }
  Outcome Empty(const Caller& caller, Handle writer) override {
    return Failure(volume_.SetAttributes(caller, nodes_[writer], writer, {}, 0));
  }
  Outcome Flush(const Caller& caller, Handle writer, bool dying) override {
    if (dying) tree_.processes.dying.insert(caller.thread);
    const auto flushed = volume_.Flush(caller, writer);
    tree_.processes.dying.clear();
    return Failure(flushed);
  }
  Outcome Sync(const Caller& caller, Handle writer) override { return Failure(volume_.Sync(caller, writer)); }
  void Release(Handle handle) override {
    volume_.Release(nodes_[handle], handle);
    nodes_.erase(handle);
  }

  Outcome ReplaceByRename(const Caller& caller, const std::string& path, const std::string& bytes) override {
    const NodeId directory = Parent(path);
    const auto made = volume_.Create(caller, directory, ".t", kReplace);
    if (!made.has_value()) return Failure(made);
    Must(volume_.Write(caller, made.value().handle, 0, AsBytes(bytes)));
    volume_.Release(made.value().node.id, made.value().handle);
    const auto renamed = volume_.Rename(caller, directory, ".t", directory, Name(path), 0);
    if (!renamed.has_value()) Must(volume_.Unlink(caller, directory, ".t"));
    return Failure(renamed);
  }

  std::vector<std::string> Names(const std::string& path) override { return tree_.Names(path); }
  std::optional<Status> StatusOf(const std::string& path) override {
    const auto node = tree_.Find(kRoot, path);
    if (!node.has_value()) return std::nullopt;
    return Status{node.value().size, node.value().attributes.mode, node.value().attributes.uid};
  }
  std::string ReadFile(const std::string& path) override { return Must(tree_.Get(kRoot, path)); }

 private:
  static std::string Name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
  NodeId Parent(const std::string& path) { return tree_.At(path.substr(0, path.rfind('/'))).id; }
  Opened Keep(NodeId node, const Result<HandleId>& handle) {
    if (!handle.has_value()) return {handle.error().code()};
    nodes_[handle.value()] = node;
    return {std::nullopt, handle.value()};
  }

  Tree tree_;
  Volume& volume_ = tree_.volume;
  std::map<Handle, NodeId> nodes_;
};

TEST(VolumeModel, RandomHistoriesGoAsTheModelSays) {
  const int seeds = Rounds(kSeeds);
  Coverage coverage;
  for (int seed = 0; seed < seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    VolumeWorld world;
    History(static_cast<unsigned>(seed), world, coverage).Run();
  }
  if (seeds < kSeedsOfAll) return;
  EXPECT_GT(coverage.went_live, seeds / 100);
  EXPECT_GT(coverage.brought_back, seeds / 20);
  EXPECT_GT(coverage.placeholders, seeds / 10);
  EXPECT_GT(coverage.renamed, seeds / 10);
  using enum ErrorCode;
  for (const ErrorCode code : {kMalformed, kRejected, kExpired, kPasswordRequired, kNotFound, kAlreadyExists,
                               kNotEmpty, kNotPermitted, kReadOnly, kCancelled}) {
    EXPECT_GT(coverage.outcomes[Show(code)], 0) << "never met: " << ToString(code);
  }
  for (const char* const live : {"machine leaf",
                                 "machine chain",
                                 "machine leaf key",
                                 "machine other key",
                                 "machine crl 6",
                                 "machine a password",
                                 "trusted_roots root",
                                 "trusted_roots other-root",
                                 "trusted_roots_crls crl 5",
                                 "trusted_roots_crls crl 6",
                                 "trusted_roots_crls other crl",
                                 "machine_ssl_cert chain",
                                 "machine_ssl_cert self-signed",
                                 "machine_ssl_cert leaf key",
                                 "applmgmt_password a password",
                                 "next leaf",
                                 "next second leaf",
                                 "next second key",
                                 "machine second leaf",
                                 "backup_store second key",
                                 "backup_store leaf",
                                 "backup_store crl 5",
                                 "backup_store a password",
                                 "backup_store root"}) {
    EXPECT_GT(coverage.live[live], 0) << "never live: " << live;
  }
}

}  // namespace
}  // namespace certfs::test
