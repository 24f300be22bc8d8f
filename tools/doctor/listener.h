// What a process that examines says of itself, a line of JSON each, and what the report says of it then.
// Private to tools/doctor.
//
// Thread-safety: none. Ownership: borrow the report, and what they are given beside it.

#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/result.h"
#include "tools/doctor/check.h"
#include "tools/doctor/findings.h"
#include "tools/progress.h"

namespace certfs::doctor {

// Damage and a newer format are findings; whatever else keeps a check from being done is said.
void NoteFailure(Report& report, std::string_view check, ErrorCode code, const std::string& words);

// What the process says, as it comes.
class Listener {
 public:
  explicit Listener(Report& report) : report_(report) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;

  virtual void Take(const nlohmann::json& json);
  // For how long nothing may come, in milliseconds; less than 0 for any time.
  virtual int patience() const { return -1; }

 protected:
  Report& report_;
  std::string check_;  // Under way; empty before the first.
  bool ended_ = false;
};

// Of what takes the key.
class KeyListener : public Listener {
 public:
  using Listener::Listener;

  void Take(const nlohmann::json& json) override;
  // `status` is how the process ended; `named` whether somebody said by what to unlock.
  Result<void> Conclude(int status, bool named);
  bool opened() const { return !check_.empty(); }

 private:
  void Draw(std::uint64_t done, std::uint64_t total);

  std::optional<std::string> unreadable_;  // Why there is no secret.
  std::unique_ptr<Progress> progress_;
  std::uint64_t drawn_ = 0;
};

// Of what takes a mount, which may hang.
class MountListener : public Listener {
 public:
  MountListener(Report& report, const Patient& patient, const MountTableEntry& mount)
      : Listener(report), patient_(patient), mount_(mount) {}

  void Take(const nlohmann::json& json) override;
  int patience() const override;
  // It ended, or with `silent` said nothing for too long.
  void Conclude(bool silent);

 private:
  // Whether it has answered once.
  bool lives() const;
  // What was not done, from the check on that is under way.
  void Skip(const std::string& reason);

  const Patient& patient_;
  const MountTableEntry& mount_;
};

}  // namespace certfs::doctor
