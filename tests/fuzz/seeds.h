// What the parts of fuzz_seeds share: where seeds go, and who makes which.

#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"

namespace certfs::fuzz {

// Writes a seed of `target`.
void Put(const std::string& target, const std::string& name, BytesView bytes);
void Put(const std::string& target, const std::string& name, std::string_view text);
// Makes vectors of tests/ seeds, as they are.
void Copy(const std::string& target, std::initializer_list<const char*> files);
// `first`, a kind or a choice, and what is of it.
Bytes Behind(std::uint8_t first, BytesView rest);

// Of what only the keystore's owner seals, and of backups and packages (store_seeds.cc).
void PutStore();
void PutBackups();
void PutVolume();

}  // namespace certfs::fuzz
