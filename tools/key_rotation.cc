// certfs key rotate and revoke: new keys for what is there.

#include <chrono>
#include <iostream>
#include <optional>

#include "tools/key_command.h"
#include "tools/progress.h"
#include "tools/system.h"

namespace certfs {

namespace {

struct RevokeOptions : KeyCommandOptions {
  SlotNumber slot = 0;
  std::vector<std::string> keep_key_files;
  std::vector<std::string> keep_passphrase_files;
  bool drop_others = false;
};

// Shows how far a rotation is, once its length is known.
class RotationBar {
 public:
  RotationProgress get() {
    return [this](std::size_t done, std::size_t total) {
      if (!bar_) bar_.emplace("sealing anew", total);
      bar_->Advance(done - done_);
      done_ = done;
    };
  }
  // Clears its line.
  void End() { bar_.reset(); }

 private:
  std::optional<Progress> bar_;
  std::size_t done_ = 0;
};

// Says what came of it. What is damaged decides how the command ends.
ExitCode Report(const RotationOutcome& outcome) {
  std::cout << "sealed " << outcome.records << " records under a new data key\n";
  if (outcome.resumed)
    std::cout << "this ended a rotation that was begun before; run it again for another new key\n";
  if (outcome.rewrite_failure) {
    std::cerr << "certfs: warning: data.mdb could not be written anew: " << outcome.rewrite_failure->message()
              << "\n";
  }
  if (!outcome.rewritten) {
    std::cout
        << "old ciphertext lies in the free space of data.mdb, until somebody opens the keystore alone: "
           "unmount it, and mount it again\n";
  }
  for (const std::string& each : outcome.damaged) {
    std::cerr << "certfs: damaged, and left under its old key: " << each << "\n";
  }
  return outcome.damaged.empty() ? ExitCode::kOk : ExitCode::kDamagedKeystore;
}

Result<ExitCode> RunRotation(const KeyCommandOptions& options) {
  ProtectProcess();
  const UnlockSecret secret = TRY(ReadUnlockSecret(options.keystore, options.unlock));
  RotationBar bar;
  auto outcome = RotateDataKey(TidyPath(options.keystore), secret, bar.get());
  bar.End();
  if (!outcome.has_value()) return std::move(outcome).error();
  return Report(outcome.value());
}

Result<SlotRevocation> ReadRevocation(const RevokeOptions& options) {
  SlotRevocation revocation;
  revocation.revoked = options.slot;
  for (const std::string& path : options.keep_key_files)
    revocation.keep.push_back(TRY(ReadKeyFileSecret(path)));
  for (const std::string& path : options.keep_passphrase_files)
    revocation.keep.push_back(TRY(ReadPassphraseFile(path)));
  return revocation;
}

Result<ExitCode> Revoke(const RevokeOptions& options) {
  ProtectProcess();
  const std::filesystem::path keystore = TidyPath(options.keystore);
  const UnlockSecret secret = TRY(ReadUnlockSecret(keystore, options.unlock));
  const SlotRevocation revocation = TRY(ReadRevocation(options));
  const RevocationPlan plan = TRY(PlanRevocation(keystore, secret, revocation));
  if (plan.dropped.size() > 1 && !options.drop_others) {
    return Error(
        ErrorCode::kNotPermitted,
        "slots " + JoinSlots(plan.dropped) +
            " would go: of all but the revoked one the secrets are needed to keep them (--keep-keyfile, "
            "--keep-passphrase-file), or say --drop-others");
  }
  RotationBar bar;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  auto outcome = RevokeSlot(keystore, secret, revocation, plan, now, bar.get());
  bar.End();
  if (!outcome.has_value()) return std::move(outcome).error();
  std::cout << "revoked slot " << options.slot << "; left are " << JoinSlots(plan.kept) << "\n";
  if (plan.dropped.size() > 1) std::cout << "gone are " << JoinSlots(plan.dropped) << "\n";
  std::cout << "whoever had it may know the export password and the keys that he could read: change them\n";
  return Report(outcome.value());
}

}  // namespace

void AddKeyRotateCommand(CLI::App& command, Action& action) {
  auto options = std::make_shared<KeyCommandOptions>();
  CLI::App* part = AddKeyPart(command, "rotate", "Seal everything under a new data key", *options);
  part->callback([options, &action] { action = [options] { return RunRotation(*options); }; });
}

void AddKeyRevokeCommand(CLI::App& command, Action& action) {
  auto options = std::make_shared<RevokeOptions>();
  CLI::App* part = AddKeyPart(command, "revoke", "Remove a slot for good, by a new root key", *options);
  part->add_option("SLOT", options->slot, "Its number, as list shows it")->required();
  part->add_option("--keep-keyfile", options->keep_key_files,
                   "Keep the slot of this key file; may be repeated");
  part->add_option("--keep-passphrase-file", options->keep_passphrase_files,
                   "Keep the slot of the passphrase in this file; may be repeated");
  part->add_flag("--drop-others", options->drop_others, "Let the slots go of which no secret is given");
  part->callback([options, &action] { action = [options] { return Revoke(*options); }; });
}

}  // namespace certfs
