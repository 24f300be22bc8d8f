// Recovery certificates and their keys: the vectors of tests/vectors/recovery.

#pragma once

#include <gtest/gtest.h>

#include <string>

#include "crypto/key_slot.h"
#include "crypto/store_file.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs::test {

inline Bytes RecoveryVector(const std::string& name) {
  Bytes bytes = ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/vectors/recovery/" + name);
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

inline Certificate Recipient(const std::string& name) {
  return Must(ReadCertificateFile(RecoveryVector(name + ".pem"))).certificates.front();
}

inline UnlockSecret RecoveryKey(const std::string& name) {
  return {SlotType::kRecovery, SecretBytes::CopyOf(RecoveryVector(name + ".key"))};
}

}  // namespace certfs::test
