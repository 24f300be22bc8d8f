// A Keystore at a fixed moment, over either table, and words to ask it with. For the suites of the one door.

#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "store/keystore.h"
#include "tests/store/table_fixture.h"
#include "tests/support/vectors.h"

namespace certfs {

inline constexpr Actor kRoot{0, 0};
inline constexpr Actor kAlice{1000, 100};

inline UnlockSecret TestSecret(char fill = 'k') {
  return {SlotType::kKeyFile, SecretOf(std::string(32, fill))};
}

// Vectors of tests/store/vectors.
inline Bytes StoreVector(const std::string& name) {
  return test::ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + name);
}
// A vector of either place, which must be there.
inline Bytes VectorOf(const std::string& name) {
  Bytes bytes = test::Vector(name);
  if (bytes.empty()) bytes = StoreVector(name);
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

// Everything that a snapshot shows, in one string: two states are the same if and only if these are.
inline std::string Describe(const Attributes& a) {
  std::ostringstream out;
  out << a.uid << ':' << a.gid << ' ' << std::oct << a.mode << std::dec;
  for (const Time time : {a.atime, a.mtime, a.ctime}) out << ' ' << time.time_since_epoch().count();
  return out.str();
}
inline std::string Describe(TableSnapshot& snapshot) {
  std::ostringstream out;
  const Settings settings = Must(snapshot.GetSettings());
  out << "exports by " << int{static_cast<std::uint8_t>(settings.profile)} << " for '"
      << AsText(settings.export_password.Reveal()) << "'\n";
  for (Cursor at_store = 0;;) {
    const auto store = Must(snapshot.NextStore(at_store, nullptr));
    if (!store) return out.str();
    at_store = store->at;
    out << store->item.number << ' ' << store->item.name.text() << ' ' << Describe(store->item.attributes)
        << " holds " << store->item.entry_count << '\n';
    for (Cursor after = 0;;) {
      const auto entry = Must(snapshot.NextEntry(store->item.number, after, nullptr));
      if (!entry) break;
      after = entry->at;
      out << "  " << entry->item.number << ' ' << entry->item.alias.text() << " r" << entry->item.revision
          << ' ' << Describe(entry->item.attributes);
      if (const auto& changed = entry->item.changed)
        out << " changed by " << changed->uid << " at " << changed->at.time_since_epoch().count();
      out << '\n';
      for (const Member member : kMembers) {
        const auto& file = entry->item.file(member);
        if (!file) continue;
        out << "    " << FileName(member) << ' ' << Describe(file->attributes) << ' ' << file->size << ' '
            << ReadText(snapshot, entry->item, member) << '\n';
      }
    }
  }
}

// A clock that stands still until it is told.
class FixedClock {
 public:
  Keystore::Clock get() {
    return [now = now_] { return *now; };
  }
  Time now() const { return *now_; }
  void Tick(std::chrono::seconds by = std::chrono::seconds(1)) { *now_ += by; }

 private:
  std::shared_ptr<Time> now_ = std::make_shared<Time>(test::kVectorTime);
};

struct DoorKind {
  const char* name;
  std::unique_ptr<Keystore> (*make)(const std::filesystem::path& directory, Keystore::Clock clock);
};

inline std::unique_ptr<Keystore> MakeKeystoreInMemory(const std::filesystem::path&, Keystore::Clock clock) {
  return Must(Keystore::InMemory(kRoot, std::move(clock)));
}
inline std::unique_ptr<Keystore> MakeKeystoreOnDisk(const std::filesystem::path& directory,
                                                    Keystore::Clock clock) {
  Must(Keystore::Create(directory, TestSecret(), kRoot, clock));
  return Must(Keystore::Open(directory, TestSecret(), std::move(clock)));
}

class Door : public testing::TestWithParam<DoorKind> {
 protected:
  Door() : keystore_(GetParam().make(directory_.path(), clock_.get())) {}

  Number StoreNumber(std::string_view name) {
    const auto store = Must(Must(keystore_->Snapshot())->FindStore(NameOf(name)));
    EXPECT_TRUE(store) << name;
    return store ? store->number : 0;
  }
  Number Make(std::string_view store, std::string_view alias) {
    return Must(keystore_->CreateEntry(StoreNumber(store), AliasOf(alias), kRoot, 0755)).number;
  }
  Entry Get(Number number) {
    return Must(Must(keystore_->Snapshot())->FindEntryByNumber(number)).value_or(Entry{});
  }
  std::string Text(Number number, Member member) {
    const auto snapshot = Must(keystore_->Snapshot());
    return ReadText(*snapshot, *Must(snapshot->FindEntryByNumber(number)), member);
  }
  std::string State() { return Describe(*Must(keystore_->Snapshot())); }

  Result<WriteOutcome> Write(Number number, Member member, BytesView bytes, Actor actor = kRoot,
                             const AttributeChange& attributes = {}) {
    return keystore_->WriteFile(number, member, bytes, actor, attributes);
  }
  Result<WriteOutcome> WriteVector(Number number, Member member, const std::string& vector) {
    return Write(number, member, VectorOf(vector));
  }
  // Puts a vector where it must be accepted.
  Entry Put(Number number, Member member, const std::string& vector) {
    auto outcome = WriteVector(number, member, vector);
    if (!outcome.has_value()) ADD_FAILURE() << vector << ": " << outcome.error().message();
    if (!outcome.has_value()) return {};
    EXPECT_TRUE(outcome.value().changed) << vector;
    return std::move(outcome).value().entry;
  }
  // Expects that a change is refused with `code`, and by `rule` where one is given, and that nothing moved.
  template <typename Change>
  void ExpectRefused(ErrorCode code, Change&& change, std::string_view rule = {}) {
    const std::string before = State();
    const auto outcome = change();
    EXPECT_EQ(ToString(CodeOf(outcome)), ToString(code));
    if (!outcome.has_value() && !rule.empty()) {
      EXPECT_EQ(outcome.error().rule(), rule);
    }
    EXPECT_EQ(State(), before);
  }
  void ExpectRefused(ErrorCode code, Number number, Member member, const std::string& vector,
                     std::string_view rule = {}) {
    SCOPED_TRACE(vector);
    ExpectRefused(
        code, [&] { return WriteVector(number, member, vector); }, rule);
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
  std::unique_ptr<Keystore> keystore_;
};

inline const auto kBothDoors =
    testing::Values(DoorKind{"Memory", MakeKeystoreInMemory}, DoorKind{"Disk", MakeKeystoreOnDisk});
inline std::string NameOfDoor(const testing::TestParamInfo<DoorKind>& tested) { return tested.param.name; }

}  // namespace certfs
