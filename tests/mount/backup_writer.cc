// Writes the backup of a keystore that may be mounted: what reading backup/keystore.cms gives, also where the
// test is of restoring alone.
//
// Usage: backup_writer KEYSTORE KEYFILE OUT [CERTIFICATE...]
//        For the export password, the keystore's recovery certificates and the CERTIFICATEs.

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "crypto/store_file.h"
#include "store/backup.h"
#include "store/keystore.h"

namespace certfs {

namespace {

Result<Bytes> ReadAll(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) return Error(ErrorCode::kIo, std::string(path) + ": cannot be read, or is empty");
  return bytes;
}

Result<void> Run(int count, char** arguments) {
  const UnlockSecret secret{SlotType::kKeyFile, SecretBytes::CopyOf(TRY(ReadAll(arguments[2])))};
  const auto keystore = TRY(Keystore::Open(arguments[1], secret, std::chrono::system_clock::now));
  std::vector<Certificate> recovery = TRY(keystore->RecoveryCertificates());
  for (int i = 4; i < count; ++i)
    recovery.push_back(TRY(ReadCertificateFile(TRY(ReadAll(arguments[i])))).certificates.front());
  std::ofstream out(arguments[3], std::ios::binary | std::ios::trunc);
  const auto snapshot = TRY(keystore->Snapshot());
  TRY(StreamBackup(*snapshot, recovery, keystore->Now(), [&](BytesView bytes) -> Result<void> {
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!out) return Error(ErrorCode::kIo, "cannot be written");
    return {};
  }));
  return {};
}

}  // namespace

}  // namespace certfs

int main(int count, char** arguments) {
  if (count < 4) return 2;
  certfs::LockSecrets();
  const auto done = certfs::Run(count, arguments);
  if (!done.has_value()) std::fprintf(stderr, "backup_writer: %s\n", done.error().message().c_str());
  return done.has_value() ? 0 : 1;
}
