#include "tests/fs/history.h"

#include <gtest/gtest.h>

#include "tests/fs/callers.h"

namespace certfs::test {

namespace {

constexpr int kSteps = 150;
constexpr int kStepsBetweenComparisons = 20;
constexpr auto kNameOutlives = std::chrono::milliseconds(2001);

const std::string kStores[] = {
    "machine",          "Machine",           "vpxd",        "mine", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS",
    "MACHINE_SSL_CERT", "APPLMGMT_PASSWORD", "BACKUP_STORE"};
const std::string kAliases[] = {"a", "A", "b", "c"};

std::set<std::string> AsSet(const std::vector<std::string>& names) {
  std::set<std::string> set(names.begin(), names.end());
  EXPECT_EQ(set.size(), names.size()) << "a name is listed twice";
  return set;
}

}  // namespace

void History::Run() {
  for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
    Advance(std::chrono::milliseconds(Below(400)));
    const int went_live = model_.went_live;
    Step();
    // The names in next/ outlive a commit for a moment; the model does not know them.
    if (model_.went_live != went_live) Advance(kNameOutlives);
    if (step % kStepsBetweenComparisons == 0) Compare();
  }
  while (!writers_.empty()) {
    const int went_live = model_.went_live;
    CloseWriter(0);
    if (model_.went_live != went_live) Advance(kNameOutlives);
  }
  Compare();
  while (!readers_.empty()) CloseReader(0);
  coverage_.went_live += model_.went_live;
  coverage_.brought_back += model_.brought_back;
  if (testing::Test::HasFailure()) {
    std::string history;
    for (const std::string& line : log_) history += "\n  " + line;
    ADD_FAILURE() << "the history:" << history;
  }
}

void History::Advance(std::chrono::milliseconds by) {
  world_.Advance(by);
  model_.now += by;
}

// --- What is chosen

Caller History::AnyCaller() { return Below(3) == 0 && world_.HasInventedCallers() ? kUser : kRoot; }

// Requests are left to tests of their own: the model does not know what keys they make.
Member History::AnyMember() { return kMembers[Below(4)]; }

// Mostly one of the kind that belongs there.
const Sample& History::AnySample(Member member) {
  for (;;) {
    const Sample& sample = Samples()[Below(static_cast<unsigned>(Samples().size()))];
    if (sample.kind == member || Below(20) == 0) return sample;
  }
}

// A store of the model that bears exactly this name.
ModelStore* History::StoreNamed(const std::string& name) {
  for (auto& [folded, store] : model_.stores) {
    if (store.name == name) return &store;
  }
  return nullptr;
}

ModelEntryPointer History::AnyEntry() {
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

std::string History::PathOf(const ModelEntry& entry) {
  if (entry.staged()) return PathOf(*entry.live.lock()) + "/next";
  return "stores/" + model_.stores.at(entry.store).name + "/" + entry.alias;
}

void History::Expect(const std::string& what, const Outcome& real, const Outcome& model) {
  log_.push_back(what + " -> " + Show(real));
  ++coverage_.outcomes[Show(model)];
  EXPECT_TRUE(world_.Agree(real, model)) << what << ": " << Show(real) << ", the model says " << Show(model);
}

// --- What is done

void History::Step() {
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
      switch (Below(6)) {
        case 0:
        case 1:
          return RemoveFile();
        case 2:
          return ReplaceInTwoHalves();
        case 3:
          return ReplaceByRename();
        default:
          return ChangeNext();
      }
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

void History::ChangeStores() {
  const std::string name = kStores[Below(std::size(kStores))];
  const std::string to = kStores[Below(std::size(kStores))];
  switch (Below(3)) {
    case 0:
      return Expect("mkdir " + name, world_.MakeDirectory("stores/" + name), model_.MakeStore(name));
    case 1:
      return Expect("rmdir " + name, world_.RemoveDirectory(kRoot, "stores/" + name),
                    model_.RemoveStore(name));
    default:
      // Renaming to the same name is the kernel's affair.
      if (name == to) return;
      return Expect("mv " + name + " " + to, world_.Rename(kRoot, "stores/" + name, "stores/" + to),
                    model_.RenameStore(name, to));
  }
}

void History::MakeEntry() {
  const std::string store = kStores[Below(std::size(kStores))];
  const std::string alias = kAliases[Below(std::size(kAliases))];
  if (StoreNamed(store) == nullptr) return;
  const std::string path = store + "/" + alias;
  Expect("mkdir " + path, world_.MakeDirectory("stores/" + path), model_.MakeEntry(store, alias));
}

void History::ChangeEntry() {
  const std::string store = kStores[Below(std::size(kStores))];
  const std::string alias = (store == "BACKUP_STORE" ? "bkp_" : "") + kAliases[Below(std::size(kAliases))];
  const std::string to = kAliases[Below(std::size(kAliases))];
  const Caller caller = AnyCaller();
  if (StoreNamed(store) == nullptr) return;
  const std::string path = "stores/" + store + "/";
  if (Below(2) == 0) {
    Expect("rmdir " + path + alias, world_.RemoveDirectory(caller, path + alias),
           model_.RemoveEntry(store, alias, caller.uid));
  } else if (alias != to) {
    Expect("mv " + path + alias + " " + to, world_.Rename(caller, path + alias, path + to),
           model_.RenameEntry(store, alias, to, caller.uid));
  }
}

void History::ChangeNext() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry || entry->staged()) return;
  const std::string path = PathOf(*entry) + "/next";
  if (Below(4) != 0) return Expect("mkdir " + path, world_.MakeDirectory(path), model_.MakeNext(entry));
  Expect("rmdir " + path, world_.RemoveDirectory(kRoot, path), Model::RemoveNext(entry));
}

void History::RemoveFile() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry) return;
  const Member member = AnyMember();
  const Caller caller = AnyCaller();
  const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
  Expect("rm " + path, world_.Unlink(caller, path), model_.RemoveFile(entry, member, caller));
}

// As install, cp --remove-destination and tar do it; what comes of the second half other steps decide.
void History::ReplaceInTwoHalves() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry || entry->files.empty() || writers_.size() > 5) return;
  const Member member = entry->files.begin()->first;
  const Caller caller = AnyCaller();
  const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
  const Outcome removed = model_.RemoveFile(entry, member, caller);
  Expect("rm " + path, world_.Unlink(caller, path), removed);
  if (removed) return;
  const World::Opened opened = world_.OpenToWrite(caller, path, false);
  Expect("create " + path, opened.outcome, model_.MayCreate(entry, member));
  if (!opened.outcome) writers_.push_back({model_.Open(entry, member, caller, false), opened.handle});
}

// As rsync, sed and mktemp do it.
void History::ReplaceByRename() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry) return;
  const Member member = entry->staged() ? kMembers[Below(2)] : AnyMember();
  const Caller caller = AnyCaller();
  const Sample& sample = AnySample(member);
  const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
  Outcome wanted = model_.MayCreate(entry, member);
  if (!wanted) {
    ModelWriter writer = model_.Open(entry, member, caller, false);
    writer.buffer = sample.bytes;
    writer.dirty = true;
    wanted = model_.Commit(writer);
  }
  if (!wanted) ++coverage_.renamed;
  Expect("mv " + sample.name + " " + path, world_.ReplaceByRename(caller, path, sample.bytes), wanted);
}

void History::Chmod() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry || entry->files.empty()) return;
  const Member member = entry->files.begin()->first;
  const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
  const std::uint32_t mode = Below(2) == 0 ? 0640 : 0604;
  Expect("chmod " + path, world_.Chmod(path, mode), model_.Chmod(entry, member, mode));
}

void History::OpenReader() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry || entry->files.empty() || readers_.size() > 5) return;
  const auto& [member, file] = *entry->files.rbegin();
  const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
  const World::Opened opened = world_.OpenToRead(path);
  Expect("read " + path, opened.outcome, std::nullopt);
  if (!opened.outcome) readers_.push_back({opened.handle, file.bytes});
}

// Whatever happened since, a reader has what it opened.
void History::CloseReader(std::size_t at) {
  const Reader reader = readers_[at];
  readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(at));
  EXPECT_EQ(world_.Read(reader.handle), reader.bytes);
  EXPECT_EQ(world_.SizeOf(reader.handle), reader.bytes.size());
  world_.CloseReader(reader.handle);
}

void History::OpenWriter() {
  const ModelEntryPointer entry = AnyEntry();
  if (!entry) return;
  const Member member = entry->staged() && Below(10) != 0 ? kMembers[Below(2)] : AnyMember();
  const Caller caller = AnyCaller();
  const bool there = entry->files.contains(member);
  const bool edit = there && Below(4) == 0;
  const std::string path = PathOf(*entry) + "/" + std::string(FileName(member));
  const World::Opened opened = world_.OpenToWrite(caller, path, edit);
  const bool kept = entry->store == "backup_store";
  Expect("open " + path, opened.outcome, there && !kept ? std::nullopt : model_.MayCreate(entry, member));
  if (opened.outcome) return;
  ModelWriter model = model_.Open(entry, member, caller, edit);
  writers_.push_back({std::move(model), opened.handle});
}

void History::WriteSample(Writer& writer, const Caller& caller, const std::string& name) {
  const Sample& sample = AnySample(writer.model.member);
  const auto write = [&](std::size_t offset, const std::string& bytes) {
    Expect(name + "write " + sample.name + " at " + std::to_string(offset),
           world_.Write(caller, writer.real, offset, bytes),
           model_.Write(writer.model, caller.thread, offset, bytes));
  };
  // Over nothing, so that the model knows what it will be; in one piece or in two.
  if (!writer.model.buffer.empty())
    Expect(name + "truncate", world_.Empty(caller, writer.real), model_.Empty(writer.model));
  if (sample.bytes.size() < 200 || Below(2) == 0) return write(0, sample.bytes);
  write(0, sample.bytes.substr(0, 150));
  return write(150, sample.bytes.substr(150));
}

void History::UseWriter(Writer& writer) {
  const Caller caller = AnyCaller();
  // A writer of the opener that finishes.
  const Caller opener = writer.model.opener == kUser.thread ? kUser : kRoot;
  const std::string name = "writer of " + std::string(FileName(writer.model.member)) + ": ";
  switch (Below(8)) {
    case 0:
      return Expect(name + "truncate", world_.Empty(caller, writer.real), model_.Empty(writer.model));
    case 1: {
      const bool dying = Below(4) == 0 && world_.HasInventedCallers();
      return Expect(name + (dying ? "killed" : "flush"), world_.Flush(caller, writer.real, dying),
                    model_.Flush(writer.model, caller.thread, dying));
    }
    case 2:
      return Expect(name + "fsync", world_.Sync(caller, writer.real), model_.Commit(writer.model));
    case 3:
      return Expect(name + "close", world_.Flush(opener, writer.real, false),
                    model_.Flush(writer.model, opener.thread, false));
    default:
      return WriteSample(writer, caller, name);
  }
}

void History::CloseWriter(std::size_t at) {
  Writer writer = writers_[at];
  writers_.erase(writers_.begin() + static_cast<std::ptrdiff_t>(at));
  const Caller opener = writer.model.opener == kUser.thread ? kUser : kRoot;
  // The kernel flushes whatever is closed.
  if (Below(3) != 0 || !world_.HasInventedCallers()) {
    Expect("close", world_.Flush(opener, writer.real, false),
           model_.Flush(writer.model, opener.thread, false));
  }
  log_.push_back("release");
  world_.Release(writer.real);
  model_.Release(writer.model);
}

// --- What is compared

void History::Compare() {
  std::set<std::string> expected{"TRUSTED_ROOT_CRLS"};
  for (const auto& [folded, store] : model_.stores) expected.insert(store.name);
  EXPECT_EQ(AsSet(world_.Names("stores")), expected);
  for (const auto& [folded, store] : model_.stores) {
    const std::string path = "stores/" + store.name;
    const auto status = world_.StatusOf(path);
    ASSERT_TRUE(status) << path;
    EXPECT_EQ(status->mode, store.mode) << path;
    std::set<std::string> aliases;
    for (const auto& [alias, entry] : store.entries) {
      aliases.insert(entry->alias);
      CompareEntry(path + "/" + entry->alias, *entry);
    }
    EXPECT_EQ(AsSet(world_.Names(path)), aliases) << path;
  }
}

void History::CompareEntry(const std::string& path, const ModelEntry& entry) {
  std::set<std::string> names;
  if (entry.next) {
    names.insert("next");
    CompareEntry(path + "/next", *entry.next);
  }
  for (const auto& [member, file] : entry.files) {
    const std::string name(FileName(member));
    names.insert(name);
    const auto status = world_.StatusOf(path + "/" + name);
    ASSERT_TRUE(status) << path << "/" << name;
    EXPECT_EQ(status->size, file.bytes.size()) << path << "/" << name;
    EXPECT_EQ(status->mode, file.mode) << path << "/" << name;
    EXPECT_EQ(status->uid, file.uid) << path << "/" << name;
    EXPECT_EQ(world_.ReadFile(path + "/" + name), file.bytes) << path << "/" << name;
    for (const Sample& sample : Samples()) {
      if (sample.bytes != file.bytes) continue;
      ++coverage_.live[(entry.staged() ? "next" : entry.store) + " " + sample.name];
    }
  }
  for (const ModelPlaceholder& each : entry.placeholders) {
    if (each.uid != kRoot.uid || entry.files.contains(each.member)) continue;
    const std::string name(FileName(each.member));
    names.insert(name);
    ++coverage_.placeholders;
    const auto status = world_.StatusOf(path + "/" + name);
    ASSERT_TRUE(status) << path << "/" << name;
    EXPECT_EQ(status->size, 0U) << path << "/" << name;
  }
  EXPECT_EQ(AsSet(world_.Names(path)), names) << path;
}

}  // namespace certfs::test
