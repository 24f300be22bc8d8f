// What the parts of `certfs key` share. Private to tools/.
//
// Thread-safety: main thread only.

#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/keystore_keys.h"
#include "tools/commands.h"
#include "tools/unlock.h"

namespace certfs {

// What each part is told.
struct KeyCommandOptions {
  std::string keystore;
  UnlockOptions unlock;
};

// Adds the part `name`, with KEYSTORE and the unlock options.
CLI::App* AddKeyPart(CLI::App& command, const char* name, const char* what, KeyCommandOptions& options);

// "passphrase", "key file" or "recovery".
std::string_view Words(SlotType type);

// "1, 3 and 4".
std::string JoinSlots(const std::vector<SlotNumber>& numbers);

// Rotation, with what there is to say about it (key_rotation.cc).
void AddKeyRotateCommand(CLI::App& command, Action& action);
void AddKeyRevokeCommand(CLI::App& command, Action& action);

}  // namespace certfs
