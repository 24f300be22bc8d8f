#include "tools/doctor/listener.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "tools/doctor/remount.h"

namespace certfs::doctor {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kAliveCheck = "alive";
// How long a mount may take to say that it lives, which is nothing to compute; and to show all of status/.
constexpr int kAliveSeconds = 5;
constexpr int kStatusSeconds = 60;

// Says of the checks that take what `needs` says, from `first` on, that they were not done.
void SkipChecks(Report& report, Needs needs, std::string_view first, const std::string& reason) {
  bool begun = first.empty();
  for (const Check& check : Checks()) {
    begun = begun || check.id == first;
    if (begun && check.needs == needs) report.not_checked.push_back({std::string(check.id), reason});
  }
}

}  // namespace

void NoteFailure(Report& report, std::string_view check, ErrorCode code, const std::string& words) {
  if (code == ErrorCode::kCorrupt) {
    report.Note(ExitCode::kDamagedKeystore);
    report.findings.push_back(
        {"damaged", Urgency::kCritical, report.keystore.string(), words,
         "restore it from a backup: certfs restore BACKUP NEW-KEYSTORE; or save what is whole: "
         "certfs doctor KEYSTORE --salvage NEW-KEYSTORE; and check the disk"});
  } else if (code == ErrorCode::kUnsupported) {
    report.Note(ExitCode::kNewerFormat);
    report.findings.push_back({"newer-format", Urgency::kCritical, report.keystore.string(), words,
                               "use the certfs that wrote it, or a newer one"});
  } else {
    report.incomplete = true;
    report.not_checked.push_back({std::string(check), words});
  }
}

void Listener::Take(const Json& json) {
  if (json.contains("check")) {
    check_ = json["check"].get<std::string>();
    ++report_.checks;
  } else if (json.contains("finding")) {
    const Json& each = json["finding"];
    report_.findings.push_back({each["id"], static_cast<Urgency>(each["urgency"].get<int>()), each["subject"],
                                each["detail"], each["action"]});
    if (report_.findings.back().id == "damaged") report_.Note(ExitCode::kDamagedKeystore);
  } else if (json.contains("error")) {
    --report_.checks;
    NoteFailure(report_, check_, static_cast<ErrorCode>(json["code"].get<int>()), json["error"]);
  } else if (json.contains("end")) {
    ended_ = true;
  }
}

void KeyListener::Take(const Json& json) {
  if (json.contains("failed")) {
    const auto code = static_cast<ErrorCode>(json["code"].get<int>());
    const std::string words = json["failed"];
    const bool found = code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported;
    if (found) NoteFailure(report_, {}, code, words);
    if (code == ErrorCode::kAccessDenied) report_.Note(ExitCode::kWrongKey);
    report_.incomplete = true;
    SkipChecks(report_, Needs::kKey, {}, found ? "the keystore cannot be opened" : words);
  } else if (json.contains("unreadable")) {
    unreadable_ = json["unreadable"].get<std::string>();
  } else if (json.contains("total")) {
    Draw(json["done"], json["total"]);
  } else {
    if (json.contains("check")) progress_.reset();
    Listener::Take(json);
  }
}

void KeyListener::Draw(std::uint64_t done, std::uint64_t total) {
  if (!progress_) {
    progress_ = std::make_unique<Progress>("verifying", total);
    drawn_ = 0;
  }
  if (done > drawn_) progress_->Advance(done - drawn_);
  drawn_ = std::max(drawn_, done);
}

Result<void> KeyListener::Conclude(int status, bool named) {
  progress_.reset();
  if (unreadable_ && named) return Error(ErrorCode::kInvalidArgument, *unreadable_);
  if (unreadable_) SkipChecks(report_, Needs::kKey, {}, *unreadable_);
  report_.incomplete = report_.incomplete || unreadable_ || !ended_;
  if (ended_) return {};
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const bool crashed = signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE;
  const std::string words =
      "reading it ended in a crash (" + std::string(strsignal(signal)) + "): pages of data.mdb lead nowhere";
  if (!check_.empty()) --report_.checks;
  if (crashed) NoteFailure(report_, check_, ErrorCode::kCorrupt, words);
  SkipChecks(report_, Needs::kKey, check_,
             crashed ? "reading the keystore ended in a crash" : "it was ended by somebody");
  return {};
}

int MountListener::patience() const { return 1000 * (lives() ? kStatusSeconds : kAliveSeconds); }

bool MountListener::lives() const { return !check_.empty() && check_ != kAliveCheck; }

void MountListener::Take(const Json& json) {
  const std::string mountpoint = mount_.mountpoint.string();
  if (json.contains("dead")) {
    SkipChecks(report_, Needs::kAliveMount, {}, mountpoint + " is dead");
  } else if (json.contains("failed")) {
    Skip(json["failed"]);
  } else {
    Listener::Take(json);
  }
}

void MountListener::Skip(const std::string& reason) {
  if (!check_.empty()) --report_.checks;
  report_.incomplete = true;
  SkipChecks(report_, Needs::kMount, check_, reason);
  SkipChecks(report_, Needs::kAliveMount, check_, reason);
}

void MountListener::Conclude(bool silent) {
  if (ended_) return;
  if (!silent) return Skip("it was ended by somebody");
  const std::string mountpoint = mount_.mountpoint.string();
  if (lives()) {
    return Skip(mountpoint + " did not answer within " + std::to_string(kStatusSeconds) + " seconds");
  }
  report_.findings.push_back({"dead-mount", Urgency::kCritical, mountpoint,
                              "its daemon does not answer: every access waits for it",
                              "why: journalctl -t certfs; if it stays so: umount -f " +
                                  Word(mount_.mountpoint) + ", end its process if that is still there, and " +
                                  MountCommand(patient_.keystore, mount_.mountpoint)});
  SkipChecks(report_, Needs::kAliveMount, {}, mountpoint + " does not answer");
}

}  // namespace certfs::doctor
