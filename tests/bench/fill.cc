// Makes a keystore of many pairs, for measuring. Through the store rather than through a mount: what is
// measured is reading them.
//
// Usage: bench_fill KEYSTORE KEYFILE ENTRIES CERTIFICATE KEY
//        Every entry of the store `machine`, e000000 and so on, gets this certificate and this key.

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "store/keystore.h"
#include "tests/bench/samples.h"

namespace certfs::bench {

namespace {

Result<Bytes> ReadAll(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) return Error(ErrorCode::kIo, std::string(path) + ": cannot be read, or is empty");
  return bytes;
}

Result<void> Fill(const char* directory, const char* key_file, unsigned long entries, const char* certificate,
                  const char* key) {
  const UnlockSecret secret{SlotType::kKeyFile, SecretBytes::CopyOf(TRY(ReadAll(key_file)))};
  const Bytes certificate_bytes = TRY(ReadAll(certificate));
  const Bytes key_bytes = TRY(ReadAll(key));
  const Actor owner{geteuid(), getegid()};
  TRY(Keystore::Create(directory, secret, owner, std::chrono::system_clock::now));
  const auto keystore = TRY(Keystore::Open(directory, secret, std::chrono::system_clock::now));

  const StoreName name = TRY(StoreName::Parse("machine"));
  const std::optional<Store> store = TRY(TRY(keystore->Snapshot())->FindStore(name));
  if (!store) return Error(ErrorCode::kNotFound, "a new keystore has no store `machine`");
  for (unsigned long i = 0; i < entries; ++i) {
    std::array<char, 32> alias{};
    std::snprintf(alias.data(), alias.size(), "e%06lu", i);
    const Entry entry =
        TRY(keystore->CreateEntry(store->number, TRY(Alias::Parse(alias.data())), owner, 0755));
    TRY(keystore->WriteFile(entry.number, Member::kKey, key_bytes, owner, {}));
    TRY(keystore->WriteFile(entry.number, Member::kCertificate, certificate_bytes, owner, {}));
  }
  return {};
}

}  // namespace

}  // namespace certfs::bench

int main(int count, char** words) {
  using namespace certfs::bench;
  if (count != 6) Die("usage", "bench_fill KEYSTORE KEYFILE ENTRIES CERTIFICATE KEY");
  const auto filled = Fill(words[1], words[2], std::strtoul(words[3], nullptr, 10), words[4], words[5]);
  if (!filled.has_value()) Die("bench_fill", filled.error().message());
  return 0;
}
