// The checks that may not come back, in a process of their own, so that this is one finding more. Of a
// data.mdb that was damaged LMDB may make a crash; whoever asks a mount whose daemon hangs waits for ever.
//
// Thread-safety: main thread only; the caller has no keystore open.

#pragma once

#include "tools/doctor/check.h"
#include "tools/unlock.h"

namespace certfs::doctor {

// Unlocks the keystore of `patient` as `unlock` says, does what takes a key, and adds to `report` what comes
// of it. Shows a progress bar meanwhile. Returns whether the keystore could be opened. kInvalidArgument if a
// secret that was named cannot be read; kIo if there is no process to be had.
Result<bool> RunWithKey(const Patient& patient, const UnlockOptions& unlock, Report& report);

// Does what takes `mount`, one of the keystore of `patient`, and adds to `report` what comes of it; a mount
// that does not answer for some seconds is given up. `has_key`: the entries were looked at in the keystore.
// kIo if there is no process to be had.
Result<void> RunOnMount(const Patient& patient, const MountTableEntry& mount, bool has_key, Report& report);

// Does `check`, and notes in `report` that it was done, or why not. Damage, and a newer format, are findings.
void RunCheck(const Check& check, Examination& at, Report& report);

}  // namespace certfs::doctor
