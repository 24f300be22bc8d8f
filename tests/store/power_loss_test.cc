// Goal: whenever the power goes, the keystore opens, verifies, and holds a prefix of its history with
// everything that was acknowledged; of the audit log at most lines are missing that nothing vouches for.
// Method: every write, sync and name of a history is recorded; for each moment in it the disks are built that
// the machine may have left (simulated_disk.h), and opened. CERTFS_ROUNDS=10 opens all of them; CERTFS_KEEP
// names a directory into which a disk goes that fails.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <utility>

#include "store/keystore_keys.h"
#include "tests/store/interrupted_history.h"
#include "tests/store/memory_directory.h"
#include "tests/store/simulated_disk.h"

namespace certfs {
namespace {

// Of the disks of one moment that are neither all nor nothing, how many are opened.
constexpr std::size_t kDisksOfMoment = 1;
constexpr std::size_t kSamples = 6;

struct Variant {
  std::string name;
  std::vector<bool> chosen;
  std::size_t sectors = 0;
};

// Which of `count` changes may be on the disk: none, all, all up to one, all but one, the last one in part, a
// few in no order.
std::vector<Variant> VariantsOf(std::size_t count, std::mt19937& random) {
  std::vector<Variant> variants{{"none", std::vector<bool>(count, false)},
                                {"all", std::vector<bool>(count, true)}};
  if (count == 0) return variants;
  for (const std::size_t sectors : {1U, 4U, 7U})
    variants.push_back({"torn behind " + std::to_string(sectors), std::vector<bool>(count, true), sectors});
  std::vector<bool> alone(count, false);
  alone.back() = true;
  variants.push_back({"the last alone, torn", alone, 1});
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<bool> first(count, false);
    std::fill_n(first.begin(), i, true);
    variants.push_back({"the first " + std::to_string(i), std::move(first)});
    std::vector<bool> others(count, true);
    others[i] = false;
    variants.push_back({"all but number " + std::to_string(i), std::move(others)});
  }
  for (std::size_t i = 0; i < kSamples; ++i) {
    std::vector<bool> some(count);
    for (std::size_t j = 0; j < count; ++j) some[j] = random() % 2 == 0;
    variants.push_back({"sample " + std::to_string(i), std::move(some), random() % 8});
  }
  return variants;
}

std::size_t HashOf(const SimulatedDisk::Image& image) {
  std::size_t hash = 0;
  for (const auto& [name, bytes] : image) {
    for (const std::size_t part :
         {std::hash<std::string>{}(name), std::hash<std::string_view>{}(AsText(bytes))})
      hash = hash * 1'000'003 + part;
  }
  return hash;
}

class PowerLoss : public testing::Test {
 protected:
  using Judge = std::function<std::optional<std::size_t>(std::size_t acknowledged)>;

  PowerLoss() { CallTap::SkipSyncs(true); }
  ~PowerLoss() override {
    CallTap::Ignore();
    CallTap::SkipSyncs(false);
  }

  // Records what `happen` does in the keystore that is there, and has `judge` look at the disks.
  void Replay(const std::function<void()>& happen, const Judge& judge) {
    std::vector<DiskEvent> events;
    CallTap::Watch(directory_, &events);
    SimulatedDisk disk(directory_);
    happen();
    CallTap::Ignore();
    std::size_t acknowledged = 0;
    std::mt19937 random(1);
    for (std::size_t moment = 0; moment < events.size() && !HasFailure(); ++moment) {
      const DiskEvent& event = events[moment];
      if (event.kind == DiskEvent::Kind::kMark) acknowledged = event.offset;
      disk.Add(event);
      // What a sync leaves was possible before it.
      const bool syncs = event.kind == DiskEvent::Kind::kSync || event.kind == DiskEvent::Kind::kSyncNames;
      if (!syncs) Meet(disk, moment, acknowledged, judge, random);
      disk.Returned();
    }
    RecordProperty("moments", static_cast<int>(moments_));
    RecordProperty("disks", static_cast<int>(held_.size()));
    printf("%zu moments, %zu disks of which %zu differ and were opened\n", moments_, disks_, held_.size());
  }

  void Meet(const SimulatedDisk& disk, std::size_t moment, std::size_t acknowledged, const Judge& judge,
            std::mt19937& random) {
    ++moments_;
    std::vector<Variant> variants = VariantsOf(disk.pending(), random);
    // Always none and all.
    std::shuffle(variants.begin() + 2, variants.end(), random);
    const std::size_t most = 1 + PointsToMeet(kDisksOfMoment, variants.size());
    if (variants.size() > most)
      variants.erase(variants.begin() + static_cast<std::ptrdiff_t>(most), variants.end());
    for (const Variant& variant : variants) {
      const SimulatedDisk::Image image = disk.After(variant.chosen, variant.sectors);
      ++disks_;
      const std::size_t hash = HashOf(image);
      const auto known = held_.find(hash);
      SCOPED_TRACE("moment " + std::to_string(moment) + ", " + std::to_string(disk.pending()) +
                   " changes pending, on the disk: " + variant.name);
      if (known == held_.end()) {
        Write(image, hash);
        const auto held = judge(acknowledged);
        if (held) held_[hash] = *held;
        if (testing::Test::HasFailure()) Keep(image);
      } else {
        // The same disk at another moment must hold what was acknowledged by then.
        EXPECT_GE(known->second, acknowledged);
        EXPECT_LE(known->second, acknowledged + 1);
      }
      if (testing::Test::HasFailure()) return;
    }
  }

  void Write(const SimulatedDisk::Image& image, std::size_t hash) const {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    for (const auto& [name, bytes] : image) WriteFile(directory_ / name, AsText(bytes));
    // The locks of a machine that is gone: there are none, they are as they were, or anything.
    if (hash % 3 == 1) std::filesystem::copy_file(template_.path() / "lock.mdb", directory_ / "lock.mdb");
    if (hash % 3 == 2) WriteFile(directory_ / "lock.mdb", std::string(33'024, '\x5A'));
  }
  static void WriteFile(const std::filesystem::path& file, std::string_view bytes) {
    std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::permissions(file,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  static void Keep(const SimulatedDisk::Image& image) {
    const char* const keep = std::getenv("CERTFS_KEEP");
    if (keep == nullptr) return;
    for (const auto& [name, bytes] : image) WriteFile(std::filesystem::path(keep) / name, AsText(bytes));
  }

  const Template template_;
  const MemoryDirectory memory_;
  const std::filesystem::path directory_ = memory_.path() / "keystore";
  std::size_t moments_ = 0;
  std::size_t disks_ = 0;
  std::map<std::size_t, std::size_t> held_;  // By what a disk holds: how many steps of the history.
};

TEST_F(PowerLoss, LosesNothingOfAHistory) {
  template_.CopyTo(directory_);
  ScriptedHistory history(0, Making::kWithAuthority);
  std::vector<std::string> states;
  const auto happen = [&] {
    const auto keystore = Must(Keystore::Open(directory_, TestSecret(), history.clock()));
    states.push_back(ScriptedHistory::StateOf(*keystore));
    for (std::size_t step = 0; step < history.size(); ++step) {
      const auto taken = history.Take(step, *keystore);
      if (!taken.has_value()) ADD_FAILURE() << history.name(step) << ": " << taken.error().message();
      CallTap::Mark(step + 1);
      states.push_back(ScriptedHistory::StateOf(*keystore));
    }
  };
  Replay(happen, [&](std::size_t acknowledged) {
    return Recover(directory_, history, states, acknowledged, Lost::kPower);
  });
  if (HasFailure()) return;
  EXPECT_GT(moments_, 3 * history.size());
  EXPECT_GT(held_.size(), 3 * history.size());
}

// What is done to the keys themselves: the header is written anew, then every record, then data.mdb.
TEST_F(PowerLoss, LosesNothingWhileKeysChange) {
  ScriptedHistory history(1);
  template_.CopyTo(directory_);
  const std::vector<std::string> states = StatesOf(history, directory_);
  std::uint64_t changes = 0;
  const auto happen = [&] {
    Must(AddSlot(directory_, TestSecret(), TestSecret('a'), test::kVectorTime));
    CallTap::Mark(++changes);
    const RotationOutcome outcome =
        Must(RotateDataKey(directory_, TestSecret(), [](std::size_t, std::size_t) {}));
    EXPECT_TRUE(outcome.rewritten);
    CallTap::Mark(++changes);
  };
  Replay(happen, [&](std::size_t acknowledged) -> std::optional<std::size_t> {
    const KeyState keys = Must(ReadKeyState(directory_, TestSecret()));
    const bool added = ReadKeyState(directory_, TestSecret('a')).has_value();
    const std::size_t held = !added ? 0 : keys.epoch == 1 || keys.rotating ? 1 : 2;
    EXPECT_GE(held, acknowledged) << "epoch " << keys.epoch << ", added: " << added;
    if (!Recover(directory_, history, states, history.size(), Lost::kPower)) return std::nullopt;
    return held;
  });
  EXPECT_GT(moments_, 10U);
}

// Two files change together: the manifest under both root keys, the header, all records under the new one.
// The secret of the revoked slot opens the keystore up to the new header and never again; the other always
// does.
TEST_F(PowerLoss, LosesNothingWhileASlotIsRevoked) {
  ScriptedHistory history(1);
  template_.CopyTo(directory_);
  const std::vector<std::string> states = StatesOf(history, directory_);
  const SlotRevocation revocation{Must(AddSlot(directory_, TestSecret(), TestSecret('a'), test::kVectorTime)),
                                  {}};
  const Bytes old_header = test::ReadAll((directory_ / "keystore.hdr").string());
  const auto happen = [&] {
    const RevocationPlan plan = Must(PlanRevocation(directory_, TestSecret(), revocation));
    bool told = false;
    // Told first when the header has its place.
    const auto progress = [&](std::size_t, std::size_t) {
      if (!std::exchange(told, true)) CallTap::Mark(1);
    };
    const RotationOutcome outcome =
        Must(RevokeSlot(directory_, TestSecret(), revocation, plan, test::kVectorTime, progress));
    EXPECT_TRUE(outcome.rewritten);
    EXPECT_TRUE(told);
    CallTap::Mark(2);
  };
  Replay(happen, [&](std::size_t acknowledged) -> std::optional<std::size_t> {
    const KeyState keys = Must(ReadKeyState(directory_, TestSecret()));
    const auto other = ReadKeyState(directory_, TestSecret('a'));
    EXPECT_TRUE(other.has_value() || other.error().code() == ErrorCode::kAccessDenied);
    const std::size_t held = other.has_value() ? 0 : keys.rotating ? 1 : 2;
    EXPECT_GE(held, acknowledged) << "epoch " << keys.epoch << ", revoked: " << !other.has_value();
    EXPECT_EQ(keys.epoch, held == 0 ? 1U : 2U);
    EXPECT_EQ(keys.slots.size(), held == 0 ? 2U : 1U);
    if (!Recover(directory_, history, states, history.size(), Lost::kPower)) return std::nullopt;
    if (held == 2) {
      // Who puts the old header back has the revoked slot, and nothing that it opens.
      WriteFile(directory_ / "keystore.hdr", AsText(old_header));
      EXPECT_FALSE(ReadKeyState(directory_, TestSecret('a')).has_value());
    }
    return held;
  });
  EXPECT_GT(moments_, 10U);
}

// Goal: the disk forgets what it may forget. Method: three writes, of which one was synced, one went through
// O_DSYNC, and one neither.
TEST(SimulatedDisk, ForgetsWhatWasNotSynced) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "file") << "0000";
  std::vector<DiskEvent> events;
  CallTap::Watch(directory.path(), &events);
  SimulatedDisk disk(directory.path());
  const int plain = open((directory.path() / "file").c_str(), O_RDWR);
  const int durable = open((directory.path() / "file").c_str(), O_WRONLY | O_DSYNC);
  EXPECT_EQ(pwrite(plain, "1", 1, 0), 1);
  EXPECT_EQ(fsync(plain), 0);
  EXPECT_EQ(pwrite(plain, "2", 1, 1), 1);
  EXPECT_EQ(pwrite(durable, "3", 1, 2), 1);
  const int made = open((directory.path() / "made").c_str(), O_WRONLY | O_CREAT, 0600);
  EXPECT_EQ(write(made, "m", 1), 1);
  EXPECT_EQ(fdatasync(made), 0);
  for (const int file : {plain, durable, made}) close(file);
  CallTap::Ignore();
  for (const DiskEvent& event : events) {
    disk.Add(event);
    disk.Returned();
  }
  ASSERT_EQ(disk.pending(), 2U);  // The second write, and the name.
  const auto none = disk.After({false, false});
  EXPECT_EQ(AsText(none.at("file")), "1030");
  EXPECT_FALSE(none.contains("made"));
  const auto all = disk.After({true, true});
  EXPECT_EQ(AsText(all.at("file")), "1230");
  EXPECT_EQ(AsText(all.at("made")), "m");
}

}  // namespace
}  // namespace certfs
