// Goal: the files of status/ tell of the stores what is true at the moment, to whom it concerns, in as many
// bytes as stat says. Method: a volume without a kernel, entries of stock openssl's vectors, a clock that the
// test moves, counters that a test moves as well.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <latch>
#include <sstream>
#include <thread>

#include "fs/operation_counts.h"
#include "fs/volume/backup_note.h"
#include "fs/volume/status_texts.h"
#include "tests/fs/volume_fixture.h"

namespace certfs::test {
namespace {

constexpr const char* kFiles[] = {"status/health.json", "status/expiry.txt", "status/metrics.prom",
                                  "status/report.html"};

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    Put("TRUSTED_ROOTS", "root", "cert.pem", "root.pem");
    Put("TRUSTED_ROOTS", "issuing", "cert.pem", "issuing.pem");
    Put("MACHINE_SSL_CERT", "__MACHINE_CERT", "key.pem", "leaf.key");
    Put("MACHINE_SSL_CERT", "__MACHINE_CERT", "cert.pem", "chain.pem");
    Put("TRUSTED_ROOTS_CRLS", "root", "crl.pem", "crl-5.pem");
  }

  void Put(const std::string& store, const std::string& alias, const std::string& file,
           const std::string& vector) {
    const std::string directory = "stores/" + store;
    if (!tree_.Find(kRoot, directory + "/" + alias).has_value()) tree_.MakeDirectory(directory, alias);
    Must(tree_.Put(kRoot, directory + "/" + alias + "/" + file, Vector(vector)));
  }
  std::string Get(const std::string& path, const Caller& caller = kRoot) {
    return Must(tree_.Get(caller, path));
  }
  nlohmann::json Health(const Caller& caller = kRoot) {
    return nlohmann::json::parse(Get("status/health.json", caller));
  }
  std::vector<std::string> Ids(const Caller& caller = kRoot) {
    std::vector<std::string> ids;
    const nlohmann::json health = Health(caller);
    for (const auto& each : health["findings"]) ids.push_back(each["id"]);
    return ids;
  }
  // The value of a metric, given with its labels.
  std::string Metric(const std::string& name, const Caller& caller = kRoot) {
    std::istringstream lines(Get("status/metrics.prom", caller));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + " ")) return line.substr(line.find_last_of(' ') + 1);
    }
    return "none";
  }
  void Chmod(const std::string& path, std::uint32_t mode) {
    AttributeChange change;
    change.mode = mode;
    Must(tree_.volume.SetAttributes(kRoot, tree_.At(path).id, 0, change, std::nullopt));
  }

  Tree tree_;
};

TEST_F(StatusTest, HealthSaysWhatIsWrongAndWhatToDo) {
  auto health = Health();
  EXPECT_EQ(health["status"], "warning");  // Nobody has read the backup.
  EXPECT_EQ(health["counts"], (nlohmann::json{{"critical", 0}, {"warning", 1}, {"info", 1}}));
  EXPECT_EQ(Ids(), (std::vector<std::string>{"backup-never-read", "export-password-unset"}));
  for (const auto& each : health["findings"]) {
    for (const char* const field : {"id", "severity", "subject", "detail", "action"})
      EXPECT_FALSE(each[field].get<std::string>().empty()) << each << field;
  }
  tree_.now = sys_days{2027y / 2 / 1};
  health = Health();
  EXPECT_EQ(health["status"], "critical");
  EXPECT_EQ(health["findings"][0]["severity"], "critical");
}

// "st_size always equals the number of bytes that reading gives."
TEST_F(StatusTest, SizesAreThoseThatReadingGives) {
  for (const char* const path : kFiles) {
    for (const Caller& caller : {kRoot, kUser}) {
      EXPECT_EQ(Must(tree_.Find(caller, path)).size, Get(path, caller).size()) << path;
      EXPECT_EQ(Must(tree_.Find(caller, path)).attributes.mode, 0444U);
    }
  }
}

// Who has a file open sees the size of what he has open, also by fstat(2), for which the kernel names no
// handle; everybody else sees that of what is there now.
TEST_F(StatusTest, WhatIsOpenStaysAsItWas) {
  const Caller reader{1000, 1000, 77, 0};
  const Caller other{1000, 1000, 78, 0};
  const NodeId node = tree_.At("status/expiry.txt").id;
  const HandleId handle = Must(tree_.volume.Open(reader, node, kRead));
  const std::string before = Get("status/expiry.txt");
  Put("machine", "web", "cert.pem", "leaf.pem");
  const std::string after = Get("status/expiry.txt");
  ASSERT_NE(before.size(), after.size());
  EXPECT_EQ(Must(tree_.volume.GetAttributes(reader, node, 0)).size, before.size());
  EXPECT_EQ(Must(tree_.volume.GetAttributes(reader, node, handle)).size, before.size());
  EXPECT_EQ(Must(tree_.volume.GetAttributes(other, node, 0)).size, after.size());
  EXPECT_EQ(AsText(Must(tree_.volume.Read(node, handle, 0, 1 << 20)).Reveal()), before);
  // tar looks whether what it reads has moved meanwhile.
  const NodeId moving = tree_.At("status/metrics.prom").id;
  const HandleId open = Must(tree_.volume.Open(reader, moving, kRead));
  const Time opened = tree_.now;
  tree_.now += std::chrono::minutes(5);
  EXPECT_EQ(Must(tree_.volume.GetAttributes(reader, moving, 0)).attributes.mtime, opened);
  EXPECT_EQ(Must(tree_.volume.GetAttributes(other, moving, 0)).attributes.mtime, tree_.now);
  tree_.volume.Release(moving, open);
  tree_.volume.Release(node, handle);
  EXPECT_EQ(Must(tree_.volume.GetAttributes(reader, node, 0)).size, after.size());
}

TEST_F(StatusTest, TimesMoveWithTheContentAlone) {
  const auto mtime = [&](const char* path) { return tree_.At(path).attributes.mtime; };
  for (const char* const path : {"status/health.json", "status/expiry.txt", "status/report.html"}) {
    const Time first = mtime(path);
    tree_.now += std::chrono::hours(5);
    EXPECT_EQ(mtime(path), first) << path;
  }
  // A change that none of them tells of.
  const Time health = mtime("status/health.json");
  tree_.MakeDirectory("stores", "another");
  tree_.now += std::chrono::minutes(1);
  EXPECT_EQ(mtime("status/health.json"), health);
  Put("machine", "web", "cert.pem", "leaf.pem");
  EXPECT_EQ(mtime("status/health.json"), health);  // Nothing is wrong with it.
  EXPECT_EQ(mtime("status/expiry.txt"), tree_.now);
  tree_.now += std::chrono::days(1);
  EXPECT_EQ(mtime("status/expiry.txt"), tree_.now);  // A day less is left.
  EXPECT_EQ(mtime("status/health.json"), health);
}

TEST_F(StatusTest, ExpiryIsSortedByTheEnd) {
  Put("machine", "soon", "cert.pem", "short-lived-ca.pem");
  EXPECT_TRUE(Get("status/expiry.txt")
                  .starts_with("# days  end                   kind  entry; soonest first, days left as of "
                               "2026-03-01 (UTC)\n"));
  std::istringstream lines(Get("status/expiry.txt"));
  std::string line;
  std::getline(lines, line);
  std::vector<std::string> found;
  for (std::string days, end, kind, entry; lines >> days >> end >> kind && std::getline(lines, entry);)
    found.push_back(days + " " + end + " " + kind + " " + entry.substr(entry.find_first_not_of(' ')));
  EXPECT_EQ(found, (std::vector<std::string>{"31 2026-04-01T00:00:00Z CRL TRUSTED_ROOTS_CRLS/root",
                                             "92 2026-06-01T00:00:00Z CA machine/soon",
                                             "306 2027-01-01T00:00:00Z cert MACHINE_SSL_CERT/__MACHINE_CERT",
                                             "306 2027-01-01T00:00:00Z CA TRUSTED_ROOTS/issuing",
                                             "306 2027-01-01T00:00:00Z CA TRUSTED_ROOTS/root"}));
  tree_.now = sys_days{2026y / 6 / 3};
  EXPECT_NE(Get("status/expiry.txt").find("    -2  2026-06-01T00:00:00Z  CA    machine/soon\n"),
            std::string::npos);
}

TEST_F(StatusTest, MetricsTellWhatIsThere) {
  EXPECT_EQ(Metric("certfs_build_info{version=\"test\"}"), "1");
  EXPECT_EQ(Metric("certfs_entries{store=\"TRUSTED_ROOTS\"}"), "2");
  const std::string labels =
      "{store=\"MACHINE_SSL_CERT\",alias=\"__MACHINE_CERT\",subject=\"CN=www.example.com\","
      "kind=\"leaf\"}";
  EXPECT_EQ(Metric("certfs_certificate_not_after_seconds" + labels),
            std::to_string(std::chrono::sys_seconds(sys_days{2027y / 1 / 1}).time_since_epoch().count()));
  EXPECT_EQ(Metric("certfs_certificate_not_before_seconds" + labels),
            std::to_string(std::chrono::sys_seconds(sys_days{2026y / 1 / 1}).time_since_epoch().count()));
  EXPECT_EQ(Metric("certfs_crl_next_update_seconds{store=\"TRUSTED_ROOTS_CRLS\",alias=\"root\",issuer=\"CN="
                   "Vector Root\"}"),
            std::to_string(std::chrono::sys_seconds(sys_days{2026y / 4 / 1}).time_since_epoch().count()));
  EXPECT_EQ(Metric("certfs_findings{id=\"backup-never-read\",severity=\"warning\"}"), "1");
  EXPECT_EQ(Metric("certfs_last_backup_timestamp_seconds{backup=\"keystore\"}"), "0");
}

TEST_F(StatusTest, MetricsCountOperationsAndRefusals) {
  EXPECT_EQ(Metric("certfs_operations_total{operation=\"read\"}"), "0");
  tree_.volume.counts().Began("read");
  tree_.volume.counts().Began("something else");
  EXPECT_EQ(Metric("certfs_operations_total{operation=\"read\"}"), "1");
  EXPECT_EQ(Metric("certfs_operations_total{operation=\"other\"}"), "1");
  EXPECT_EQ(Metric("certfs_refusals_total{errno=\"EKEYEXPIRED\"}"), "0");
  const std::size_t size = tree_.At("status/metrics.prom").size;
  tree_.MakeDirectory("stores/machine", "old");
  EXPECT_FALSE(tree_.Put(kRoot, "stores/machine/old/cert.pem", Vector("expired.pem")).has_value());
  EXPECT_EQ(Metric("certfs_refusals_total{errno=\"EKEYEXPIRED\"}"), "1");
  EXPECT_EQ(Metric("certfs_refusals_total{errno=\"EINVAL\"}"), "0");
  for (int i = 0; i < 100000; ++i) tree_.volume.counts().Began("read");
  EXPECT_EQ(tree_.At("status/metrics.prom").size, size);  // Counting changes no size.
}

// Whoever lists names has nothing made for it: what stat shows he asks for file by file.
TEST_F(StatusTest, ListingMakesNothing) {
  std::size_t listed = 0;
  Must(tree_.volume.List(kUser, tree_.At("status").id, 0, [&](const DirectoryItem& item) {
    if (item.name == "." || item.name == "..") return true;
    ++listed;
    EXPECT_FALSE(item.complete) << item.name;
    const Node node = tree_.At("status/" + std::string(item.name));
    EXPECT_EQ(item.node.id, node.id);
    EXPECT_EQ(item.node.attributes.mode, node.attributes.mode);
    return true;
  }));
  EXPECT_EQ(listed, 8U);
}

// Reading keystore.cms to its end is a backup; a look at its beginning is none, nor is one at its end.
TEST_F(StatusTest, ABackupThatWasReadIsNoted) {
  Settings settings;
  settings.export_password = SecretBytes::CopyOf(AsBytes("correct horse"));
  Must(tree_.keystore->SetSettings(settings));
  EXPECT_EQ(Ids(), std::vector<std::string>{"backup-never-read"});
  const Node backup = tree_.At("backup/keystore.cms");
  const HandleId handle = Must(tree_.volume.Open(kRoot, backup.id, kRead));
  Must(tree_.volume.Read(backup.id, handle, backup.size - 1, 1));
  Must(tree_.volume.Read(backup.id, handle, 0, 100));
  Must(tree_.volume.Read(backup.id, handle, 200, backup.size));
  EXPECT_EQ(Ids(), std::vector<std::string>{"backup-never-read"});
  const HandleId other = Must(tree_.volume.Open(kRoot, backup.id, kRead));
  Must(tree_.volume.Read(backup.id, other, 100, backup.size));
  tree_.volume.Release(backup.id, other);
  EXPECT_EQ(Ids(), std::vector<std::string>{"backup-never-read"});
  Must(tree_.volume.Read(backup.id, handle, 100, backup.size));
  EXPECT_EQ(Ids(), std::vector<std::string>{});
  // Once: what is read again is no newer.
  tree_.now += std::chrono::hours(1);
  Must(tree_.volume.Read(backup.id, handle, 0, backup.size));
  tree_.volume.Release(backup.id, handle);
  EXPECT_EQ(Ids(), std::vector<std::string>{});
  EXPECT_EQ(Health()["status"], "ok");
  EXPECT_EQ(Metric("certfs_last_backup_timestamp_seconds{backup=\"keystore\"}"),
            std::to_string(kVectorTime.time_since_epoch().count()));
  EXPECT_EQ(tree_.At("backup/keystore.cms").id, backup.id);  // And the backup is the same still.
}

// Who looks is held up by a clock that stands still for it; who comes meanwhile is told what was found
// before.
TEST(StatusFactsSources, NobodyWaitsForALongLook) {
  std::latch done(1);
  std::latch began(1);
  std::atomic<std::thread::id> slow{};
  Time now = kVectorTime;
  const auto keystore = Must(Keystore::InMemory({0, 0}, [&] {
    if (std::this_thread::get_id() == slow.load()) {
      began.count_down();
      done.wait();
    }
    return now;
  }));
  CertificateAuthority authority(*keystore);
  const BackupNote note("");
  StatusFactsSource source(*keystore, authority, note, "certfs test");
  const StatusFactsPointer before = Must(source.Get(Audience::kOwner, std::nullopt));
  now += std::chrono::days(1);
  StatusFactsPointer found;
  std::thread looking([&] {
    slow = std::this_thread::get_id();
    found = Must(source.Get(Audience::kOwner, std::nullopt));
  });
  began.wait();
  EXPECT_EQ(Must(source.Get(Audience::kOwner, std::nullopt)), before);
  done.count_down();
  looking.join();
  EXPECT_EQ(found->today, before->today + std::chrono::days(1));
  EXPECT_EQ(Must(source.Get(Audience::kOwner, std::nullopt)), found);
}

// Where nothing was found yet there is nothing to tell: some wait for it, and not every thread of the mount.
TEST(StatusFactsSources, NotAllWaitForTheFirstLook) {
  std::latch done(1);
  std::latch began(1);
  std::atomic<std::thread::id> slow{};
  const auto keystore = Must(Keystore::InMemory({0, 0}, [&] {
    if (std::this_thread::get_id() == slow.load()) {
      began.count_down();
      done.wait();
    }
    return Time(kVectorTime);
  }));
  CertificateAuthority authority(*keystore);
  const BackupNote note("");
  StatusFactsSource source(*keystore, authority, note, "certfs test");
  StatusFactsPointer found;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    slow = std::this_thread::get_id();
    found = Must(source.Get(Audience::kOwner, std::nullopt));
  });
  began.wait();
  constexpr int kMany = StatusFactsSource::kWaitersMax + 3;
  std::atomic<int> refused = 0;
  std::atomic<int> told = 0;
  for (int i = 0; i < kMany; ++i) {
    threads.emplace_back([&] {
      const auto facts = source.Get(Audience::kOwner, std::nullopt);
      if (facts.has_value()) {
        ++told;
      } else {
        EXPECT_EQ(facts.error().code(), ErrorCode::kBusy);
        ++refused;
      }
    });
  }
  // Those who are refused are so while it still takes its time.
  while (refused < kMany - StatusFactsSource::kWaitersMax) std::this_thread::yield();
  done.count_down();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, kMany - StatusFactsSource::kWaitersMax);
  EXPECT_EQ(told, StatusFactsSource::kWaitersMax);
  EXPECT_EQ(Must(source.Get(Audience::kOwner, std::nullopt)), found);
}

TEST(BackupNotes, OutliveWhoeverTookThem) {
  const auto directory =
      std::filesystem::temp_directory_path() / ("certfs-note-" + std::to_string(static_cast<long>(getpid())));
  std::filesystem::create_directory(directory);
  const auto file = directory / BackupNote::kFileName;
  EXPECT_EQ(BackupNote(directory).Get(), Time{});
  BackupNote(directory).Set(Time(kVectorTime));
  EXPECT_EQ(BackupNote(directory).Get(), Time(kVectorTime));
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  for (const char* const damaged : {"", "yesterday\n", "-5\n", "99999999999999999999\n"}) {
    std::ofstream(file) << damaged;
    EXPECT_EQ(BackupNote(directory).Get(), Time{}) << damaged;
  }
  // Nothing seals it: with any bit of it another one it is some time or none, and is written again.
  BackupNote(directory).Set(Time(kVectorTime));
  std::string good;
  std::getline(std::ifstream(file), good, '\0');
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    std::ofstream(file, std::ios::binary | std::ios::trunc) << flipped;
    BackupNote note(directory);
    EXPECT_GE(note.Get(), Time{}) << bit;
    EXPECT_LE(note.Get(), Time(std::chrono::seconds(8'000'000'000))) << bit;
    note.Set(Time(kVectorTime));
    EXPECT_EQ(BackupNote(directory).Get(), Time(kVectorTime)) << bit;
  }
  std::filesystem::remove_all(directory);
  BackupNote gone(directory);  // Where it cannot be written it holds all the same.
  gone.Set(Time(kVectorTime));
  EXPECT_EQ(gone.Get(), Time(kVectorTime));
}

// What not everybody may read the files do not tell everybody.
TEST_F(StatusTest, OfClosedEntriesOnlyTheOwnerIsTold) {
  Put("machine", "secret-host", "cert.pem", "no-san.pem");
  Chmod("stores/machine/secret-host/cert.pem", 0640);
  Put("vpxd", "not-shown", "cert.pem", "leaf.pem");
  Chmod("stores/vpxd", 0750);
  for (const char* const path : kFiles) {
    for (const char* const name : {"secret-host", "not-shown"}) {
      // Of what is good there is no finding.
      const bool told = std::string(path) != "status/health.json" || name[0] == 's';
      EXPECT_EQ(Get(path).find(name) != std::string::npos, told) << path;
      EXPECT_EQ(Get(path, kUser).find(name), std::string::npos) << path;
    }
  }
  const auto sorted = [](std::vector<std::string> ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  EXPECT_EQ(sorted(Ids()), sorted(Ids(kUser)));
  EXPECT_NE(Get("status/report.html", kUser).find("left out"), std::string::npos);
  EXPECT_EQ(Get("status/report.html").find("left out"), std::string::npos);
  Chmod("stores/machine/secret-host/cert.pem", 0644);
  EXPECT_NE(Get("status/expiry.txt", kUser).find("secret-host"), std::string::npos);
}

TEST_F(StatusTest, NothingWritesThem) {
  for (const char* const path : kFiles) {
    EXPECT_EQ(Failure(tree_.volume.Open(kRoot, tree_.At(path).id, kReplace)), ErrorCode::kReadOnly) << path;
    EXPECT_EQ(Failure(tree_.volume.Unlink(kRoot, tree_.At("status").id, std::string(path).substr(7))),
              ErrorCode::kReadOnly);
  }
}

}  // namespace
}  // namespace certfs::test
