// Goal: whatever users do, in whatever order, the volume does what the model says: outcome by outcome, byte
// by byte. Method: random operations by several users and processes, writers and readers interleaved; one
// seed a history, and the whole tree compared again and again. CERTFS_ROUNDS scales the number of seeds.

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/fs/model.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr int kSeeds = 3000;
constexpr int kSeedsMin = 1000;  // Fewer do not meet everything.
constexpr int kSteps = 150;
constexpr int kStepsBetweenComparisons = 20;
constexpr auto kNameOutlives = std::chrono::milliseconds(2001);

const std::string kStores[] = {
    "machine",          "Machine",           "vpxd",        "mine", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS",
    "MACHINE_SSL_CERT", "APPLMGMT_PASSWORD", "BACKUP_STORE"};
const std::string kAliases[] = {"a", "A", "b", "c"};

std::string Show(const Outcome& outcome) { return outcome ? std::string(ToString(*outcome)) : "success"; }

class History {
 public:
  // What all histories together came to, so that none of it is left out for ever.
  struct Coverage {
    std::map<std::string, int> outcomes;  // "close: rejected"
    int went_live = 0;                    // Staged pairs that did.
    std::map<std::string, int> live;      // "TRUSTED_ROOTS root": seen live in that store.
  };

  History(unsigned seed, Coverage& coverage) : random_(seed), coverage_(coverage) {}

  void Run() {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      tree_.now += std::chrono::milliseconds(Below(400));
      const int went_live = model_.went_live;
      Step();
      // The names in next/ outlive a commit for a moment; the model does not know them.
      if (model_.went_live != went_live) tree_.now += kNameOutlives;
      if (step % kStepsBetweenComparisons == 0) Compare();
    }
    while (!writers_.empty()) CloseWriter(0);
    Compare();
    while (!readers_.empty()) CloseReader(0);
    coverage_.went_live += model_.went_live;
    if (testing::Test::HasFailure()) {
      std::string history;
      for (const std::string& line : log_) history += "\n  " + line;
      ADD_FAILURE() << "the history:" << history;
    }
  }

 private:
  struct Writer {
    ModelWriter model;
    Tree::Writer real;
  };
  struct Reader {
    NodeId node;
    HandleId handle;
    std::string bytes;
  };

  unsigned Below(unsigned end) { return std::uniform_int_distribution<unsigned>(0, end - 1)(random_); }
  template <typename T, std::size_t kSize>
  const T& Any(const T (&array)[kSize]) {
    return array[Below(kSize)];
  }
  Caller AnyCaller() { return Below(3) == 0 ? kUser : kRoot; }
  // Requests are left to tests of their own: the model does not know what keys they make.
  Member AnyMember() { return kMembers[Below(4)]; }
  // Mostly one of the kind that belongs there.
  const Sample& AnySample(Member member) {
    for (;;) {
      const Sample& sample = Samples()[Below(static_cast<unsigned>(Samples().size()))];
      if (sample.kind == member || Below(20) == 0) return sample;
    }
  }

  void Expect(const std::string& what, const Outcome& real, const Outcome& model) {
    log_.push_back(what + " -> " + Show(real));
    ++coverage_.outcomes[Show(real)];
    EXPECT_EQ(Show(real), Show(model)) << what;
  }

  // A store of the model that bears exactly this name.
  ModelStore* StoreNamed(const std::string& name) {
    for (auto& [folded, store] : model_.stores) {
      if (store.name == name) return &store;
    }
    return nullptr;
  }
  ModelEntryPointer AnyEntry() {
    std::vector<ModelEntryPointer> all;
    for (const auto& [name, store] : model_.stores) {
      for (const auto& [alias, entry] : store.entries) {
        all.push_back(entry);
        // Often, because it takes two writes to come to anything.
        if (entry->next) all.insert(all.end(), 4, entry->next);
      }
    }
    return all.empty() ? nullptr : all[Below(static_cast<unsigned>(all.size()))];
  }
  std::string PathOf(const ModelEntry& entry) {
    if (entry.staged()) return PathOf(*entry.live.lock()) + "/next";
    return "stores/" + model_.stores.at(entry.store).name + "/" + entry.alias;
  }

  void Step() {
    switch (Below(20)) {
      case 0:
        return ChangeStores();
      case 1:
      case 2:
      case 3:
        return MakeEntry();
      case 4:
        return ChangeEntry();
      case 5:
        return Below(3) == 0 ? RemoveFile() : ChangeNext();
      case 6:
        return Chmod();
      case 7:
      case 8:
        return OpenReader();
      case 9:
        if (!readers_.empty()) CloseReader(Below(static_cast<unsigned>(readers_.size())));
        return;
      case 10:
      case 11:
      case 12:
      case 13:
        return writers_.size() < 4 ? OpenWriter() : CloseWriter(Below(4));
      default:
        if (!writers_.empty()) UseWriter(writers_[Below(static_cast<unsigned>(writers_.size()))]);
        return;
    }
  }

  void ChangeStores() {
    const NodeId stores = NodeId::Of(Fixed::kStores);
    const std::string name = Any(kStores);
    const std::string to = Any(kStores);
    switch (Below(3)) {
      case 0:
        return Expect("mkdir " + name, Failure(tree_.volume.MakeDirectory(kRoot, stores, name, 0755)),
                      model_.MakeStore(name));
      case 1:
        return Expect("rmdir " + name, Failure(tree_.volume.RemoveDirectory(kRoot, stores, name)),
                      model_.RemoveStore(name));
      default:
        return Expect("mv " + name + " " + to,
                      Failure(tree_.volume.Rename(kRoot, stores, name, stores, to, 0)),
                      model_.RenameStore(name, to));
    }
  }

  void MakeEntry() {
    const std::string store = Any(kStores);
    const std::string alias = Any(kAliases);
    if (StoreNamed(store) == nullptr) return;
    Expect("mkdir " + store + "/" + alias,
           Failure(tree_.volume.MakeDirectory(kRoot, tree_.At("stores/" + store).id, alias, 0755)),
           model_.MakeEntry(store, alias));
  }

  void ChangeEntry() {
    const std::string store = Any(kStores);
    const std::string alias = (store == "BACKUP_STORE" ? "bkp_" : "") + Any(kAliases);
    const std::string to = Any(kAliases);
    const Caller caller = AnyCaller();
    if (StoreNamed(store) == nullptr) return;
    const NodeId node = tree_.At("stores/" + store).id;
    if (Below(2) == 0) {
      Expect("rmdir " + store + "/" + alias, Failure(tree_.volume.RemoveDirectory(caller, node, alias)),
             model_.RemoveEntry(store, alias, caller.uid));
    } else {
      Expect("mv " + store + "/" + alias + " " + to,
             Failure(tree_.volume.Rename(caller, node, alias, node, to, 0)),
             model_.RenameEntry(store, alias, to, caller.uid));
    }
  }

  void ChangeNext() {
    const ModelEntryPointer entry = AnyEntry();
    if (!entry || entry->staged()) return;
    const std::string path = PathOf(*entry);
    const NodeId node = tree_.At(path).id;
    if (Below(4) != 0) {
      return Expect("mkdir " + path + "/next", Failure(tree_.volume.MakeDirectory(kRoot, node, "next", 0755)),
                    model_.MakeNext(entry));
    }
    Expect("rmdir " + path + "/next", Failure(tree_.volume.RemoveDirectory(kRoot, node, "next")),
           Model::RemoveNext(entry));
  }

  void RemoveFile() {
    const ModelEntryPointer entry = AnyEntry();
    if (!entry) return;
    const Member member = AnyMember();
    const Caller caller = AnyCaller();
    const std::string path = PathOf(*entry);
    Expect("rm " + path + "/" + std::string(FileName(member)),
           Failure(tree_.volume.Unlink(caller, tree_.At(path).id, FileName(member))),
           model_.RemoveFile(entry, member, caller.uid));
  }

  void Chmod() {
    const ModelEntryPointer entry = AnyEntry();
    if (!entry || entry->files.empty()) return;
    const Member member = entry->files.begin()->first;
    const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
    AttributeChange change;
    change.mode = Below(2) == 0 ? 0640 : 0604;
    Expect("chmod " + path, Failure(tree_.volume.SetAttributes(kRoot, tree_.At(path).id, 0, change, {})),
           model_.Chmod(entry, member, *change.mode));
  }

  void OpenReader() {
    const ModelEntryPointer entry = AnyEntry();
    if (!entry || entry->files.empty() || readers_.size() > 5) return;
    const auto& [member, file] = *entry->files.rbegin();
    const NodeId node = tree_.At(PathOf(*entry) + "/" + std::string(FileName(member))).id;
    readers_.push_back({node, Must(tree_.volume.Open(kUser, node, kRead)), file.bytes});
  }

  // Whatever happened since, a reader has what it opened.
  void CloseReader(std::size_t at) {
    const Reader reader = readers_[at];
    readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(at));
    const SecretBytes read = Must(tree_.volume.Read(reader.node, reader.handle, 0, std::size_t{1} << 20));
    EXPECT_EQ(AsText(read.Reveal()), reader.bytes);
    EXPECT_EQ(Must(tree_.volume.GetAttributes(kUser, reader.node, 0)).size, reader.bytes.size());
    tree_.volume.Release(reader.node, reader.handle);
  }

  void OpenWriter() {
    const ModelEntryPointer entry = AnyEntry();
    if (!entry) return;
    const Member member = entry->staged() && Below(10) != 0 ? kMembers[Below(2)] : AnyMember();
    const Caller caller = AnyCaller();
    const bool there = entry->files.contains(member);
    const bool edit = there && Below(4) == 0;
    const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
    const auto opened = tree_.OpenToWrite(caller, path, edit ? kEdit : kReplace);
    const bool kept = entry->store == "backup_store";
    Expect("open " + path, Failure(opened), there && !kept ? std::nullopt : model_.MayCreate(entry, member));
    if (!opened.has_value()) return;
    ModelWriter model{entry, member, caller.uid, IsKeyMaterial(member) ? 0600U : 0644U, caller.thread};
    if (there) {
      const ModelFile& live = entry->files[member];
      model.uid = live.uid;
      model.mode = live.mode;
      if (edit) model.buffer = live.bytes;
    }
    writers_.push_back({std::move(model), opened.value()});
  }

  void UseWriter(Writer& writer) {
    const Caller caller = AnyCaller();
    const std::string name = "writer of " + std::string(FileName(writer.model.member)) + ": ";
    switch (Below(8)) {
      case 0: {
        const auto resized = tree_.volume.SetAttributes(caller, writer.real.node, writer.real.handle, {}, 0);
        return Expect(name + "truncate", Failure(resized), model_.Empty(writer.model));
      }
      case 1: {
        const bool dying = Below(4) == 0;
        if (dying) tree_.processes.dying.insert(caller.thread);
        const auto flushed = tree_.volume.Flush(caller, writer.real.handle);
        tree_.processes.dying.clear();
        return Expect(name + (dying ? "killed" : "flush"), Failure(flushed),
                      model_.Flush(writer.model, caller.thread, dying));
      }
      case 2:
        return Expect(name + "fsync", Failure(tree_.volume.Sync(caller, writer.real.handle)),
                      model_.Commit(writer.model));
      case 3: {
        // A writer of the opener that finishes.
        const Caller opener = writer.model.opener == kUser.thread ? kUser : kRoot;
        return Expect(name + "close", Failure(tree_.volume.Flush(opener, writer.real.handle)),
                      model_.Flush(writer.model, opener.thread, false));
      }
      default: {
        const Sample& sample = AnySample(writer.model.member);
        const auto write = [&](std::size_t offset, const std::string& bytes) {
          Expect(name + "write " + sample.name + " at " + std::to_string(offset),
                 Failure(tree_.volume.Write(caller, writer.real.handle, offset, AsBytes(bytes))),
                 model_.Write(writer.model, caller.thread, offset, bytes));
        };
        // Over nothing, so that the model knows what it will be; in one piece or in two.
        if (!writer.model.buffer.empty()) {
          const auto resized =
              tree_.volume.SetAttributes(caller, writer.real.node, writer.real.handle, {}, 0);
          Expect(name + "truncate", Failure(resized), model_.Empty(writer.model));
        }
        if (sample.bytes.size() < 200 || Below(2) == 0) return write(0, sample.bytes);
        write(0, sample.bytes.substr(0, 150));
        return write(150, sample.bytes.substr(150));
      }
    }
  }

  void CloseWriter(std::size_t at) {
    Writer writer = writers_[at];
    writers_.erase(writers_.begin() + static_cast<std::ptrdiff_t>(at));
    const Caller opener = writer.model.opener == kUser.thread ? kUser : kRoot;
    if (Below(3) != 0) {
      Expect("close", Failure(tree_.volume.Flush(opener, writer.real.handle)),
             model_.Flush(writer.model, opener.thread, false));
    }
    log_.push_back("release");
    tree_.volume.Release(writer.real.node, writer.real.handle);
    model_.Release(writer.model);
  }

  void Compare() {
    std::set<std::string> expected{"TRUSTED_ROOT_CRLS"};
    for (const auto& [folded, store] : model_.stores) expected.insert(store.name);
    EXPECT_EQ(AsSet(tree_.Names("stores")), expected);
    for (const auto& [folded, store] : model_.stores) {
      const std::string path = "stores/" + store.name;
      EXPECT_EQ(tree_.At(path).attributes.mode, store.mode) << path;
      std::set<std::string> aliases;
      for (const auto& [alias, entry] : store.entries) {
        aliases.insert(entry->alias);
        CompareEntry(path + "/" + entry->alias, *entry);
      }
      EXPECT_EQ(AsSet(tree_.Names(path)), aliases) << path;
    }
  }

  void CompareEntry(const std::string& path, const ModelEntry& entry) {
    std::set<std::string> names;
    if (entry.next) {
      names.insert("next");
      CompareEntry(path + "/next", *entry.next);
    }
    for (const auto& [member, file] : entry.files) {
      const std::string name(FileName(member));
      names.insert(name);
      const auto node = tree_.Find(kRoot, path + "/" + name);
      ASSERT_TRUE(node.has_value()) << path << "/" << name;
      EXPECT_EQ(node.value().size, file.bytes.size()) << path << "/" << name;
      EXPECT_EQ(node.value().attributes.mode, file.mode) << path << "/" << name;
      EXPECT_EQ(node.value().attributes.uid, file.uid) << path << "/" << name;
      EXPECT_EQ(Must(tree_.ReadNode(kRoot, node.value().id)), file.bytes) << path << "/" << name;
      for (const Sample& sample : Samples()) {
        if (sample.bytes != file.bytes) continue;
        ++coverage_.live[(entry.staged() ? "next" : entry.store) + " " + sample.name];
      }
    }
    EXPECT_EQ(AsSet(tree_.Names(path)), names) << path;
  }

  static std::set<std::string> AsSet(const std::vector<std::string>& names) {
    std::set<std::string> set(names.begin(), names.end());
    EXPECT_EQ(set.size(), names.size()) << "a name is listed twice";
    return set;
  }

  std::mt19937 random_;
  Coverage& coverage_;
  Tree tree_;
  Model model_;
  std::vector<Writer> writers_;
  std::vector<Reader> readers_;
  std::vector<std::string> log_;
};

TEST(VolumeModel, RandomHistoriesGoAsTheModelSays) {
  const char* const rounds = std::getenv("CERTFS_ROUNDS");
  const int seeds =
      std::max(kSeedsMin, static_cast<int>(kSeeds * (rounds != nullptr ? std::atof(rounds) : 1.0)));
  History::Coverage coverage;
  for (int seed = 0; seed < seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(static_cast<unsigned>(seed), coverage).Run();
  }
  EXPECT_GT(coverage.went_live, seeds / 100);
  using enum ErrorCode;
  for (const ErrorCode code : {kMalformed, kRejected, kExpired, kPasswordRequired, kNotFound, kAlreadyExists,
                               kNotEmpty, kNotPermitted, kReadOnly, kCancelled}) {
    EXPECT_GT(coverage.outcomes[Show(code)], 0) << "never met: " << ToString(code);
  }
  for (const char* const live :
       {"machine leaf", "machine chain", "machine leaf key", "machine other key", "machine crl 6",
        "machine a password", "trusted_roots root", "trusted_roots other-root", "trusted_roots_crls crl 5",
        "trusted_roots_crls crl 6", "trusted_roots_crls other crl", "machine_ssl_cert chain",
        "machine_ssl_cert self-signed", "machine_ssl_cert leaf key", "applmgmt_password a password",
        "next leaf", "next second leaf", "next second key", "machine second leaf", "backup_store second key",
        "backup_store leaf", "backup_store crl 5", "backup_store a password", "backup_store root"}) {
    EXPECT_GT(coverage.live[live], 0) << "never live: " << live;
  }
}

}  // namespace
}  // namespace certfs::test
