#include "tools/package_ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "crypto/certificate.h"
#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "crypto/running_digest.h"
#include "crypto/store_file.h"
#include "store/entry.h"
#include "store/policy.h"
#include "tools/entry_name.h"
#include "tools/entry_writer.h"
#include "tools/json_text.h"
#include "tools/kept_entry.h"
#include "tools/shown.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t kRecordBytesMax = std::size_t{64} << 10;
constexpr std::size_t kNamedMax = 20;           // In one warning; of the others the number is told.
constexpr std::size_t kDigestInAlias = 2 * 16;  // Digits: an alias has at most 120 bytes.
constexpr std::size_t kNameBytesMax = 255;      // As long as a file's name can be.

std::string KeyDigest(BytesView key_der) {
  RunningDigest digest;
  digest.Add(key_der);
  return ToHex(digest.Finish());
}

std::string TextOf(const Json& record, const char* field) {
  const auto found = record.find(field);
  return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
}

EncryptedPackage ReadRecord(const fs::path& entry) {
  EncryptedPackage package{{}, {}, {}, entry.filename().string(), false};
  const auto bytes = ReadWholeFile(entry / FileName(Member::kSecret), kRecordBytesMax);
  if (!bytes.has_value()) return package;
  const Json record = Json::parse(bytes.value().begin(), bytes.value().end(), nullptr, false);
  if (!record.is_object()) return package;
  package.name = TextOf(record, "package");
  package.time = TextOf(record, "time");
  package.digest = TextOf(record, "sha256");
  package.readable = !package.name.empty();
  return package;
}

// The SubjectPublicKeyInfo of the key in `entry`; nothing where it has no key, or none that can be told.
std::optional<Bytes> KeyOf(const fs::path& entry) {
  if (access((entry / FileName(Member::kKey)).c_str(), F_OK) != 0) return std::nullopt;
  // A live certificate always fits the live key, and everybody may read it.
  const auto text = ReadWholeFile(entry / FileName(Member::kCertificate), kFileBytesMax);
  if (text.has_value()) {
    const auto file = ReadCertificateFile(text.value());
    if (!file.has_value()) return std::nullopt;
    const BytesView der = file.value().certificates.front().key_der();
    return Bytes(der.begin(), der.end());
  }
  // Packages are encrypted to certificates: a key that never had one has nothing encrypted to it, but one
  // whose certificate was deleted has. That is asked of the key itself, by who may read it.
  const fs::path path = entry / FileName(Member::kKey);
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return std::nullopt;
  const auto secret = ReadSecret(file.number(), path, kFileBytesMax);
  if (!secret.has_value()) return std::nullopt;
  const auto key = ReadKeyFile(secret.value().Reveal());
  if (!key.has_value()) return std::nullopt;
  const auto half = PublicKey::Of(key.value().key);
  if (!half.has_value()) return std::nullopt;
  const BytesView der = half.value().der();
  return Bytes(der.begin(), der.end());
}

std::string EntryWords(const fs::path& entry) {
  return entry.parent_path().filename().string() + "/" + entry.filename().string();
}

void PrintPackage(const EncryptedPackage& package) {
  std::cerr << "  ";
  if (package.readable) {
    std::cerr << Shown(package.name) << ", " << Shown(package.time) << ", SHA-256 " << Shown(package.digest);
  } else {
    std::cerr << kPackageStore << "/" << package.alias << ", which cannot be read here";
  }
  std::cerr << "\n";
}

// Where BACKUP_STORE keeps the state of `entry`; nothing where it keeps none, or none that may be seen.
std::optional<fs::path> KeptOf(const Mount& mount, const fs::path& entry) {
  const auto name = ParseEntryName(EntryWords(entry));
  if (!name.has_value()) return std::nullopt;
  auto kept = FindKeptByName(StoresOf(mount), name.value());
  if (!kept.has_value()) return std::nullopt;
  return std::move(kept).value();
}

// Says whether the next change of `entry` puts its state in the place of the one in `kept`, which has another
// key: not where that holds all of it. No key is read, which would stand in the audit log.
bool Displaces(const fs::path& entry, const fs::path& kept) {
  for (const Member member : kMembers) {
    const fs::path path = entry / FileName(member);
    if (access(path.c_str(), F_OK) != 0) continue;
    if (member == Member::kKey) return true;
    const auto live = ReadWholeFile(path, kFileBytesMax);
    const auto before = ReadWholeFile(kept / FileName(member), kFileBytesMax);
    if (!live.has_value() || !before.has_value() || live.value() != before.value()) return true;
  }
  return false;
}

// Names the packages that are encrypted to `key`, that of `whose`.
std::size_t Warn(const char* program, const Mount& mount, BytesView key, const std::string& whose) {
  std::cout << std::flush;
  const auto packages = PackagesEncryptedTo(mount, key);
  if (!packages.has_value()) {
    std::cerr << program << ": warning: whether packages are encrypted to the key of " << whose
              << " cannot be told: " << packages.error().message() << "\n";
    return 0;
  }
  const std::size_t count = packages.value().size();
  if (count == 0) return 0;
  std::cerr << program << ": warning: " << count << (count == 1 ? " package is" : " packages are")
            << " encrypted to the key of " << whose << ", and cannot be opened without it:\n";
  for (std::size_t i = 0; i < std::min(count, kNamedMax); ++i) PrintPackage(packages.value()[i]);
  if (count > kNamedMax) std::cerr << "  and " << count - kNamedMax << " more\n";
  std::cerr << std::flush;
  return count;
}

bool AreSame(const std::optional<Bytes>& one, const std::optional<BytesView>& other) {
  return one && other && std::ranges::equal(*one, *other);
}

// The same for the state that the next change of `entry` displaces from BACKUP_STORE: its key is the only
// one of its kind, unless it is `live` or `successor`.
std::size_t WarnOfDisplaced(const char* program, const Mount& mount, const fs::path& entry,
                            const std::optional<Bytes>& live, std::optional<BytesView> successor) {
  const auto kept = KeptOf(mount, entry);
  if (!kept) return 0;
  const auto key = KeyOf(*kept);
  if (!key || key == live || AreSame(key, successor) || !Displaces(entry, *kept)) return 0;
  return Warn(program, mount, *key,
              EntryWords(*kept) + ", the state before the last change, which this change displaces");
}

}  // namespace

Result<std::vector<EncryptedPackage>> PackagesEncryptedTo(const Mount& mount, BytesView key_der) {
  const fs::path store = StoresOf(mount) / kPackageStore;
  const std::string prefix = KeyDigest(key_der) + "-";
  std::vector<EncryptedPackage> packages;
  std::error_code failure;
  for (fs::directory_iterator at(store, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().filename().string().starts_with(prefix)) packages.push_back(ReadRecord(at->path()));
  }
  if (failure && failure != std::errc::no_such_file_or_directory) return SystemError(store, failure.value());
  std::ranges::stable_sort(packages, {}, [](const EncryptedPackage& each) { return each.time; });
  return packages;
}

Result<void> RecordPackage(const Mount& mount, BytesView key_der, const EncryptedPackage& package) {
  const fs::path store = StoresOf(mount) / kPackageStore;
  if (mkdir(store.c_str(), 0755) != 0 && errno != EEXIST) return SystemError(store, errno);
  const std::string key = KeyDigest(key_der);
  const fs::path entry = store / (key + "-" + package.digest.substr(0, kDigestInAlias));
  const bool made = mkdir(entry.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return WithRefusal(SystemError(entry, errno), mount, entry);
  const Json record{{"package", package.name.substr(0, kNameBytesMax)},
                    {"time", package.time},
                    {"sha256", package.digest},
                    {"key_sha256", key}};
  const std::string text = JsonText(record);
  auto written = WriteMember(mount, entry, Member::kSecret, AsBytes(text));
  if (!written.has_value() && made) rmdir(entry.c_str());
  return written;
}

std::optional<Bytes> KeptKey(const Mount& mount, const fs::path& entry) {
  const auto kept = KeptOf(mount, entry);
  return kept ? KeyOf(*kept) : std::nullopt;
}

std::size_t WarnOfPackages(const char* program, const Mount& mount, const fs::path& entry,
                           std::optional<BytesView> successor) {
  const auto key = KeyOf(entry);
  std::size_t count = 0;
  if (key && !AreSame(key, successor)) count = Warn(program, mount, *key, EntryWords(entry));
  return count + WarnOfDisplaced(program, mount, entry, key, successor);
}

std::size_t WarnOfKeptPackages(const char* program, const Mount& mount, const fs::path& entry) {
  return WarnOfDisplaced(program, mount, entry, KeyOf(entry), std::nullopt);
}

}  // namespace certfs
