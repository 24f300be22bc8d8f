// Goal: `certfs doctor` finds what is wrong with a keystore that is not mounted, names it, changes nothing,
// and says so in its exit code. Method: the program over keystores that are spoilt one way at a time.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "crypto/rules.h"
#include "tests/tools/program.h"
#include "tests/tools/scratch_directory.h"
#include "tools/doctor/findings.h"
#include "tools/doctor/remount.h"
#include "tools/refusal_line.h"
#include "tools/remedies.h"
#include "tools/settings.h"

namespace certfs {
namespace {

namespace fs = std::filesystem;

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class Doctor : public testing::Test {
 protected:
  // A keystore about which there is nothing to say: a second way in, and a recovery certificate.
  Doctor() {
    const fs::path recovery = fs::path(CERTFS_SOURCE_DIR) / "tests/vectors/recovery/rsa.pem";
    EXPECT_EQ(Certfs("init " + Quoted(keystore_)).code, 0);
    EXPECT_EQ(Certfs("key add " + Quoted(keystore_) + " --recovery " + Quoted(recovery)).code, 0);
  }

  End Run(const std::string& rest = {}) { return Certfs("doctor " + Quoted(keystore_) + " " + rest); }

  nlohmann::json Json(const std::string& rest = {}) {
    const End end = Run("--json " + rest);
    code_ = end.code;
    // What was said on stderr stands before it.
    const std::size_t begin = std::min(end.words.find('{'), end.words.size());
    const nlohmann::json json = nlohmann::json::parse(end.words.substr(begin), nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << end.words;
    return json;
  }

  // Ids of what was found.
  std::set<std::string> Found(const std::string& rest = {}) {
    std::set<std::string> ids;
    const nlohmann::json json = Json(rest);
    for (const auto& each : json["keystores"][0]["findings"]) {
      ids.insert(each["id"].get<std::string>());
      EXPECT_FALSE(each["subject"].get<std::string>().empty());
      EXPECT_FALSE(each["action"].get<std::string>().empty()) << each;
    }
    return ids;
  }

  // What the files are, save what LMDB keeps of its readers.
  std::map<std::string, std::string> State() {
    std::map<std::string, std::string> state;
    for (const auto& each : fs::recursive_directory_iterator(keystore_)) {
      if (each.path().filename() == "lock.mdb") continue;
      struct stat status {};
      lstat(each.path().c_str(), &status);
      state[each.path().string()] = std::to_string(status.st_mode) + " " +
                                    std::to_string(status.st_mtim.tv_nsec) + Contents(each.path());
    }
    return state;
  }

  ScratchDirectory scratch_;
  fs::path keystore_ = scratch_ / "ks";
  int code_ = -1;
};

using Ids = std::set<std::string>;

TEST_F(Doctor, SaysNothingOfAKeystoreThatIsWell) {
  const auto before = State();
  const End end = Run();
  EXPECT_EQ(end.code, 0) << end.words;
  EXPECT_TRUE(Has(end, " checks, 0 findings\n")) << end.words;
  EXPECT_FALSE(Has(end, "not checked")) << end.words;
  const nlohmann::json json = Json();
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["keystores"][0]["keystore"], fs::canonical(keystore_).string());
  EXPECT_GE(json["keystores"][0]["checks"], 14);
  EXPECT_EQ(State(), before);
}

TEST_F(Doctor, CountsTheWaysIn) {
  EXPECT_EQ(Certfs("key remove " + Quoted(keystore_) + " 2").code, 0);
  EXPECT_EQ(Found(), (Ids{"one-way-in", "no-recovery"}));
  EXPECT_EQ(code_, 7);
}

TEST_F(Doctor, LooksAtPermissions) {
  fs::permissions(keystore_, fs::perms(0755));
  EXPECT_EQ(Found(), Ids{"directory-mode"});
  EXPECT_EQ(code_, 7);
  fs::permissions(keystore_, fs::perms(0777));
  EXPECT_EQ(Found(), Ids{"directory-mode"});
  EXPECT_EQ(code_, 8);
  fs::permissions(keystore_, fs::perms(0700));
  fs::permissions(keystore_ / "data.mdb", fs::perms(0644));
  EXPECT_EQ(Found(), Ids{"file-mode"});
  fs::permissions(keystore_ / "data.mdb", fs::perms(0600));
  fs::permissions(scratch_ / "", fs::perms(0777));
  EXPECT_EQ(Found(), Ids{"parent-writable"});
  fs::permissions(scratch_ / "", fs::perms(0700));
  if (geteuid() == 0) {
    ASSERT_EQ(chown((keystore_ / "data.mdb").c_str(), 12345, 0), 0);
    EXPECT_EQ(Found(), Ids{"file-owner"});
  }
}

TEST_F(Doctor, LooksAtTheKeyFile) {
  const fs::path key = scratch_ / "ks.key";
  fs::permissions(key, fs::perms(0644));
  EXPECT_EQ(Found(), Ids{"key-file-mode"});
  EXPECT_EQ(code_, 8);
  fs::permissions(key, fs::perms(0600));
  EXPECT_EQ(Found("--backed-up " + Quoted(scratch_ / "")), Ids{"key-file-backed-up"});
  EXPECT_EQ(Found("--backed-up " + Quoted(keystore_)), Ids{});
  fs::rename(key, keystore_ / "key");
  EXPECT_EQ(Found("--keyfile " + Quoted(keystore_ / "key")), Ids{"key-file-inside"});
}

TEST_F(Doctor, ChecksWhatItCanWithoutAKey) {
  fs::permissions(keystore_, fs::perms(0755));
  fs::rename(scratch_ / "ks.key", scratch_ / "elsewhere");
  EXPECT_EQ(Found(), Ids{"directory-mode"});
  EXPECT_EQ(code_, 7);
  Ids skipped;
  const nlohmann::json json = Json();
  for (const auto& each : json["keystores"][0]["not_checked"]) {
    skipped.insert(each["check"].get<std::string>());
    EXPECT_FALSE(each["reason"].get<std::string>().empty());
  }
  EXPECT_TRUE(skipped.contains("records") && skipped.contains("audit") && !skipped.contains("permissions"));
  // A wrong key is as good as none, and has an exit code of its own.
  const std::string wrong = Quoted(scratch_.Write("wrong", std::string(32, 'x')));
  EXPECT_EQ(Found("--keyfile " + wrong), Ids{"directory-mode"});
  EXPECT_EQ(code_, 3);
  EXPECT_TRUE(Has(Run("--keyfile " + wrong), "not checked: records, ")) << Run("--keyfile " + wrong).words;
  // One that is none, or is not there, is wrong usage.
  EXPECT_EQ(Run("--keyfile " + Quoted(scratch_.Write("short", "x"))).code, 2);
  EXPECT_EQ(Run("--keyfile " + Quoted(scratch_ / "missing")).code, 2);
  EXPECT_EQ(Found("--keyfile " + Quoted(scratch_ / "elsewhere")), Ids{"directory-mode"});
}

// What nobody looked at is not well.
TEST_F(Doctor, IsNotWellWithoutAKey) {
  fs::rename(scratch_ / "ks.key", scratch_ / "elsewhere");
  const nlohmann::json json = Json();
  EXPECT_EQ(code_, 7);
  EXPECT_EQ(json["status"], "warning");
  EXPECT_TRUE(json["keystores"][0]["findings"].empty()) << json;
  EXPECT_FALSE(json["keystores"][0]["not_checked"].empty());
  const std::string wrong = Quoted(scratch_.Write("wrong", std::string(32, 'x')));
  EXPECT_EQ(Json("--keyfile " + wrong)["status"], "warning");
  EXPECT_EQ(code_, 3);
  EXPECT_EQ(Json("--keyfile " + Quoted(scratch_ / "elsewhere"))["status"], "ok");
  EXPECT_EQ(code_, 0);
}

TEST_F(Doctor, KnowsANewerFormatFromDamage) {
  const fs::path header = keystore_ / "keystore.hdr";
  const std::string good = Contents(header);
  std::string newer = good;
  newer[9] = 99;
  Write(header, newer);
  EXPECT_EQ(Found(), Ids{"newer-format"});
  EXPECT_EQ(code_, 5);
  std::string flipped = good;
  flipped[100] ^= 1;
  Write(header, flipped);
  EXPECT_EQ(Found(), Ids{"damaged"});
  EXPECT_EQ(code_, 4);
  Write(header, good);
  EXPECT_EQ(Found(), Ids{});
  fs::remove(header);
  EXPECT_EQ(Found(), Ids{"no-file"});
  EXPECT_EQ(code_, 8);
}

// Whatever byte of data.mdb is another one: it is found, or it is one that holds nothing; LMDB's crash is a
// finding as well, and the keystore that is whole again is well.
TEST_F(Doctor, FindsFlippedBytes) {
  // A crash is to look like one in sanitized code, too, which otherwise exits.
  const char* options = getenv("ASAN_OPTIONS");
  setenv("ASAN_OPTIONS",
         ((options != nullptr ? std::string(options) + ":" : "") + "abort_on_error=1").c_str(), 1);
  const fs::path data = keystore_ / "data.mdb";
  const std::string good = Contents(data);
  constexpr std::size_t kStep = 611;
  std::size_t found = 0;
  for (std::size_t at = 16; at < good.size(); at += kStep) {
    std::string bytes = good;
    for (std::size_t i = at; i < at + 64 && i < bytes.size(); ++i) bytes[i] = static_cast<char>(~bytes[i]);
    Write(data, bytes);
    const End end = Run("--json");
    if (end.code == 0) continue;
    EXPECT_EQ(end.code, 4) << at << ": " << end.words;
    EXPECT_TRUE(Has(end, "\"damaged\"")) << at << ": " << end.words;
    ++found;
  }
  EXPECT_GT(found, 5U);
  Write(data, good.substr(0, good.size() / 2));
  EXPECT_EQ(Run().code, 4);
  Write(data, "");
  EXPECT_EQ(Run().code, 4);
  Write(data, good);
  EXPECT_EQ(Run().code, 0) << Run().words;
}

TEST_F(Doctor, SaysWhatItCannotLookAt) {
  EXPECT_EQ(Certfs("doctor " + Quoted(scratch_ / "nothing")).code, 2);
  const End end = Certfs("doctor " + Quoted(scratch_ / ""));
  EXPECT_EQ(end.code, 2);
  EXPECT_TRUE(Has(end, "is neither a keystore nor a certfs mount")) << end.words;
}

TEST(DoctorReport, TheGravestEndDecides) {
  using doctor::CodeOf;
  using doctor::Report;
  const auto with = [](Urgency urgency) {
    Report report;
    report.findings.push_back({"x", urgency, "s", "d", "a"});
    return report;
  };
  EXPECT_EQ(CodeOf({Report()}), ExitCode::kOk);
  EXPECT_EQ(CodeOf({with(Urgency::kInfo)}), ExitCode::kOk);
  EXPECT_EQ(CodeOf({with(Urgency::kInfo), with(Urgency::kWarning)}), ExitCode::kWarnings);
  EXPECT_EQ(CodeOf({with(Urgency::kCritical), with(Urgency::kWarning)}), ExitCode::kCritical);
  Report wrong = with(Urgency::kCritical);
  wrong.Note(ExitCode::kWrongKey);
  EXPECT_EQ(CodeOf({wrong}), ExitCode::kWrongKey);
  Report incomplete;
  incomplete.incomplete = true;
  EXPECT_EQ(CodeOf({incomplete}), ExitCode::kWarnings);
  EXPECT_EQ(CodeOf({incomplete, with(Urgency::kCritical)}), ExitCode::kCritical);
  Report damaged;
  damaged.Note(ExitCode::kDamagedKeystore);
  damaged.Note(ExitCode::kNewerFormat);
  EXPECT_EQ(CodeOf({wrong, damaged}), ExitCode::kDamagedKeystore);
}

TEST(DoctorReport, ItsStatusIsNeverBetterThanItsEnd) {
  using doctor::Report;
  const auto status = [](const Report& report) {
    std::ostringstream out;
    doctor::WriteJson(out, {report});
    return nlohmann::json::parse(out.str())["status"].get<std::string>();
  };
  Report report;
  EXPECT_EQ(status(report), "ok");
  report.findings.push_back({"x", Urgency::kInfo, "s", "d", "a"});
  EXPECT_EQ(status(report), "ok");
  report.incomplete = true;
  EXPECT_EQ(status(report), "warning");
  report.incomplete = false;
  report.Note(ExitCode::kWrongKey);
  EXPECT_EQ(status(report), "warning");
  report.findings.push_back({"x", Urgency::kCritical, "s", "d", "a"});
  EXPECT_EQ(status(report), "critical");
  for (const ExitCode code : {ExitCode::kDamagedKeystore, ExitCode::kNewerFormat}) {
    Report damaged;
    damaged.Note(code);
    EXPECT_EQ(status(damaged), "critical");
  }
}

TEST(MountCommands, MountItAsItWas) {
  const ScratchDirectory scratch;
  fs::create_directories(scratch / "my ks");
  fs::create_directories(scratch / "other");
  const fs::path keystore = scratch / "my ks";
  const fs::path none = scratch / "none";
  const auto settings = [](const fs::path& of, const std::string& on) {
    auto parsed = ParseMachineSettings("[mount.web]\nkeystore = \"" + of.string() + "\"\nmountpoint = \"" +
                                       on + "\"\n");
    EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
    return std::move(parsed).value();
  };
  EXPECT_EQ(doctor::MountCommand(keystore, "/my certs", settings(keystore, "/my certs/"), none),
            "certfs mount web");
  // Another keystore's, or on another mountpoint.
  const std::string in_words = "certfs mount " + Quoted(keystore) + " '/my certs', with the options it had";
  EXPECT_EQ(doctor::MountCommand(keystore, "/my certs", settings(scratch / "other", "/my certs"), none),
            in_words);
  EXPECT_EQ(doctor::MountCommand(keystore, "/my certs", settings(keystore, "/certs"), none), in_words);
  const fs::path fstab = scratch.Write("fstab",
                                       "# comment\n/dev/sda /my\\040certs ext4 ro 0 0\n"
                                       "web /my\\040certs certfs ro,keyfile=/k 0 0\n");
  EXPECT_EQ(doctor::MountCommand(keystore, "/my certs", MachineSettings(), fstab), "mount '/my certs'");
  EXPECT_EQ(doctor::MountCommand(keystore, "/my", MachineSettings(), fstab),
            "certfs mount " + Quoted(keystore) + " /my, with the options it had");
}

TEST(Remedies, EveryRuleThatRefusesHasOne) {
  for (const Rule& rule : Rules()) EXPECT_FALSE(RemedyOf(rule.id).empty()) << rule.id;
  EXPECT_TRUE(RemedyOf("no-such-rule").empty());
}

TEST(RefusalLines, AreTakenApart) {
  const auto line = ParseRefusal(
      "2026-11-24T10:00:00Z stores/machine/a: b/cert.pem: rejected: weak-key: the key is too weak: "
      "certificate "
      "1 (CN=x (uid 3, pid 4)): RSA 1024 (uid 1000, pid 1234, cp, really)");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->time, "2026-11-24T10:00:00Z");
  EXPECT_EQ(line->path, "stores/machine/a: b/cert.pem");
  EXPECT_EQ(line->code, "rejected");
  EXPECT_EQ(line->rule, "weak-key");
  EXPECT_EQ(line->message, "weak-key: the key is too weak: certificate 1 (CN=x (uid 3, pid 4)): RSA 1024");
  EXPECT_EQ(line->uid, 1000U);
  EXPECT_EQ(line->process, 1234);
  EXPECT_EQ(line->program, "cp, really");
  const auto plain =
      ParseRefusal("2026-11-24T10:00:00Z stores: not-permitted: No such thing here (uid 0, pid 7)");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->rule, "");
  EXPECT_EQ(plain->program, "");
  for (const char* words : {"", "x", "2026-11-24T10:00:00Z a: b: c (uid 0, pid 7)",
                            "2026-11-24T10:00:00Z a: rejected: c", "2026 a: rejected: c (uid x, pid 7)"}) {
    EXPECT_FALSE(ParseRefusal(words)) << words;
  }
}

}  // namespace
}  // namespace certfs
