// The keys of a keystore, for whoever can unlock it: slots come and go, data keys are replaced, a root key as
// well.
//
// Each function opens the keystore in `directory` with `secret`, does its work and closes it again. All but
// RevokeSlot work beside whoever has it open, in whatever process; this process has it open nowhere else
// (LMDB's locks are a process's).
//
// Thread-safety: free functions. Errors: those of Keystore::Open; kNotFound for a slot that is not there.
// What fails has changed nothing, unless it says otherwise.

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/header.h"

namespace certfs {

// How far a keystore is with its keys.
struct KeyState {
  std::vector<SlotDescription> slots;
  SlotNumber opened = 0;         // The slot that the secret opens.
  std::uint32_t epoch = 0;       // Of the data key that seals now.
  bool rotating = false;         // A rotation is unfinished: records of older data keys are left.
  bool rewrite_pending = false;  // Old ciphertext may lie in the free space of data.mdb.
};
Result<KeyState> ReadKeyState(const std::filesystem::path& directory, const UnlockSecret& secret);

// --- Slots. Nothing else is encrypted again.

// Adds a slot that `added` opens. kAlreadyExists if one does already; kNoSpace for more than 16 slots.
Result<SlotNumber> AddSlot(const std::filesystem::path& directory, const UnlockSecret& secret,
                           const UnlockSecret& added, std::chrono::sys_seconds now);

// Adds a slot for the private key of `recipient`; kRejected as CheckRecipient.
Result<SlotNumber> AddRecoverySlot(const std::filesystem::path& directory, const UnlockSecret& secret,
                                   const Certificate& recipient, std::chrono::sys_seconds now);

// Removes a slot; kNotPermitted for the last one. Returns those that are left. Whoever has a copy of the
// header of before, and that slot's secret, can still open what is encrypted: RevokeSlot is for that.
Result<std::vector<SlotDescription>> RemoveSlot(const std::filesystem::path& directory,
                                                const UnlockSecret& secret, SlotNumber number);

// --- Data keys

// Told how much there is to do, and how much of it is done.
using RotationProgress = std::function<void(std::size_t done, std::size_t total)>;

struct RotationOutcome {
  bool resumed = false;              // It was begun earlier, and its data key is of then.
  std::size_t records = 0;           // How many were sealed again.
  std::vector<std::string> damaged;  // What is damaged, and keeps the data key that it was sealed under.
  bool rewritten = false;  // No old ciphertext is left in data.mdb. Otherwise the next one who opens the
                           // keystore alone sees to it.
  std::optional<Error> rewrite_failure;  // Why not, unless somebody else has the keystore open.
};

// Seals everything under a new data key, a few records at a time, while others read and write; then forgets
// the old one. Cut short, by a failure or by death, it leaves a keystore that is whole, and goes on where it
// was when it is called again.
Result<RotationOutcome> RotateDataKey(const std::filesystem::path& directory, const UnlockSecret& secret,
                                      const RotationProgress& progress);

// --- The root key

// Which slots a revocation leaves, and which go.
struct RevocationPlan {
  std::vector<SlotNumber> kept;
  std::vector<SlotNumber> dropped;  // The revoked one, and those of which nobody gave the secret.
};

struct SlotRevocation {
  SlotNumber revoked = 0;
  // Besides that which unlocks, and recovery slots, whose certificates are there.
  std::vector<UnlockSecret> keep;
};

// Says what RevokeSlot would do. kNotPermitted if the slot that unlocks is the one to be revoked;
// kAccessDenied if a secret that is to be kept opens no slot.
Result<RevocationPlan> PlanRevocation(const std::filesystem::path& directory, const UnlockSecret& secret,
                                      const SlotRevocation& revocation);

// Gives the keystore a new root key and a new data key: what is written from then on, and all that is there
// now, cannot be read with the revoked slot, whatever was copied before. kBusy while anybody else has the
// keystore open; kStale if other slots would go than `plan` says.
Result<RotationOutcome> RevokeSlot(const std::filesystem::path& directory, const UnlockSecret& secret,
                                   const SlotRevocation& revocation, const RevocationPlan& plan,
                                   std::chrono::sys_seconds now, const RotationProgress& progress);

}  // namespace certfs
