// What a keystore is told once and keeps: the export password, and how exports are made.
//
// Thread-safety: a value. Ownership: owns the password.

#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/base/secret.h"

namespace certfs {

// What the consumers of exports can read. On disk: never change or reuse.
enum class ExportProfile : std::uint8_t {
  kModern = 1,     // AES-256 and SHA-256.
  kCompatible = 2  // 3DES and SHA-1, for what is older than that.
};

// The longest export password, in bytes.
inline constexpr std::size_t kExportPasswordBytesMax = 1024;

struct Settings {
  SecretBytes export_password;  // Empty where none is set.
  ExportProfile profile = ExportProfile::kModern;

  Settings Clone() const { return {export_password.Clone(), profile}; }
};

}  // namespace certfs
