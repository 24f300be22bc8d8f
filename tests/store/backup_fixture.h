// A keystore with something of everything in it, and backups of it in memory.

#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "crypto/envelope_reader.h"
#include "store/backup.h"
#include "store/keystore_change.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

inline constexpr std::string_view kExportPassword = "correct horse battery";
// Of PBKDF2: few, for thousands of attempts.
inline constexpr std::uint32_t kFewRounds = 2;

// u::rw-,u:33:r--,u:4294967000:r--,g::---,m::r--,o::--- and its like for a directory: one id that is small,
// and one that libarchive has no room for.
inline AccessControlList AclOf(std::uint32_t small_id, std::uint32_t large_id, unsigned others) {
  Bytes bytes{2, 0, 0, 0};
  const auto put = [&](std::uint32_t tag, std::uint32_t permissions, std::uint32_t id) {
    for (const std::uint32_t value : {tag | permissions << 16, id}) {
      for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  };
  put(1, 6, 0xFFFFFFFF);
  put(2, 4, small_id);
  if (large_id != 0) put(2, 4, large_id);
  put(4, 0, 0xFFFFFFFF);
  put(16, 4, 0xFFFFFFFF);
  put(32, others, 0xFFFFFFFF);
  return Must(AccessControlList::Parse(bytes));
}

// Makes the changes on a keystore that has the default stores alone.
class Populator {
 public:
  Populator(Keystore& keystore, FixedClock& clock) : keystore_(keystore), clock_(clock) {}

  void All() {
    Pairs();
    Trust();
    Oddities();
    Staged();
    Must(keystore_.SetSettings({SecretOf(kExportPassword), ExportProfile::kCompatible}));
  }

  Number StoreOf(std::string_view name) {
    return Must(Must(keystore_.Snapshot())->FindStore(NameOf(name))).value_or(Store{}).number;
  }
  Number Make(std::string_view store, std::string_view alias) {
    return Must(keystore_.CreateEntry(StoreOf(store), AliasOf(alias), kAlice, 0750)).number;
  }
  void Put(Number number, Member member, const std::string& vector, const AttributeChange& change = {}) {
    clock_.Tick();
    Must(keystore_.WriteFile(number, member, VectorOf(vector), kAlice, change));
  }

 private:
  void Pairs() {
    const Number web = Make("machine", "web");
    Put(web, Member::kKey, "leaf.key");
    Put(web, Member::kCertificate, "leaf.pem");
    Put(web, Member::kCertificate, "chain.pem");  // BACKUP_STORE has the state before.
    AttributeChange grant;
    grant.access_acl = AclOf(33, 0, 0);
    Must(keystore_.SetFileAttributes(web, Member::kKey, grant));
    AttributeChange dates;
    dates.mtime = Time(std::chrono::nanoseconds(1'600'000'000'123'456'789));
    dates.atime = Time(std::chrono::nanoseconds(-5));
    dates.uid = 4'000'000'000;
    Must(keystore_.SetFileAttributes(web, Member::kCertificate, dates));
    Put(Make("MACHINE_SSL_CERT", "__MACHINE_CERT"), Member::kKey, "rsa2048.key");
    Put(Make("vpxd", "web"), Member::kKey, "ed25519.key");
  }

  void Trust() {
    Put(Make("TRUSTED_ROOTS", "root"), Member::kCertificate, "root.pem");
    Put(Make("TRUSTED_ROOTS", "issuing"), Member::kCertificate, "issuing.pem");
    const Number list = Make("TRUSTED_ROOTS_CRLS", "issuing");
    Put(list, Member::kRevocationList, "crl-5.pem");
    Put(list, Member::kRevocationList, "crl-6.pem");
  }

  void Oddities() {
    Must(keystore_.CreateStore(NameOf(std::string(128, 's')), kAlice, 0700));
    Make(std::string(128, 's'), std::string(120, 'a'));
    Make("machine", "empty");
    // One name in two normal forms is two names.
    Put(Make("SMS", "m\xC3\xBCller \xE2\x82\xAC"), Member::kCertificate, "leaf.pem");
    Put(Make("SMS", "mu\xCC\x88ller \xE2\x82\xAC"), Member::kCertificate, "leaf.pem");
    const Number secret = Make("APPLMGMT_PASSWORD", "database");
    const Bytes binary{0, 1, 2, 0xFF, '\n', 0};
    Must(keystore_.WriteFile(secret, Member::kSecret, binary, kRoot, {}));
    AttributeChange inherit;
    inherit.default_acl = AclOf(33, 4'294'967'000, 4);
    Must(keystore_.SetStoreAttributes(StoreOf("SMS"), inherit));
    Make("SMS", "inherits");
    // A store whose kept states outlive it.
    const Number gone = Must(keystore_.CreateStore(NameOf("gone"), kRoot, 0755)).number;
    const Number orphan = Make("gone", "orphan");
    Put(orphan, Member::kCertificate, "leaf.pem");
    Must(keystore_.RemoveFile(orphan, Member::kCertificate, kRoot));
    Must(keystore_.RemoveEntry(gone, AliasOf("orphan"), kRoot));
    Must(keystore_.RemoveStore(NameOf("gone")));
  }

  void Staged() {
    const Number web =
        Must(Must(keystore_.Snapshot())->FindEntry(StoreOf("machine"), AliasOf("web")))->number;
    const Number next = Must(keystore_.CreateNext(web, kAlice, 0700)).number;
    AttributeChange dates;
    dates.mtime = Time(std::chrono::nanoseconds(1'500'000'000'000'000'001));
    Put(next, Member::kKey, "other.key", dates);
    const Number empty =
        Must(Must(keystore_.Snapshot())->FindEntry(StoreOf("machine"), AliasOf("empty")))->number;
    const Number asked = Must(keystore_.CreateNext(empty, kRoot, 0755)).number;
    Must(keystore_.WriteFile(asked, Member::kRequest,
                             AsBytes("Name = web.acme.com\nHostname = web.acme.com\n"), kAlice, {}));
  }

  Keystore& keystore_;
  FixedClock& clock_;
};

struct Backup {
  Bytes bytes;
  BackupSummary summary;
};

inline Result<Backup> MakeBackup(Keystore& keystore, const std::vector<Certificate>& recovery = {},
                                 Time now = test::kVectorTime, std::uint32_t rounds = kFewRounds) {
  Backup backup;
  const auto snapshot = TRY(keystore.Snapshot());
  const auto sink = [&](BytesView bytes) -> Result<void> {
    backup.bytes.insert(backup.bytes.end(), bytes.begin(), bytes.end());
    return {};
  };
  backup.summary = TRY(StreamBackup(*snapshot, recovery, now, sink, rounds));
  return backup;
}

inline EnvelopeSource SourceOf(BytesView bytes) {
  return [bytes](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t count = std::min(bytes.size(), out.size());
    std::copy_n(bytes.begin(), count, out.begin());
    bytes = bytes.subspan(count);
    return count;
  };
}

// The archive inside.
inline Bytes OpenBackup(BytesView backup, const EnvelopeKey& key) {
  auto reader = Must(EnvelopeReader::Open(SourceOf(backup), key));
  Bytes tar(reader.message_bytes());
  std::size_t at = 0;
  for (;;) {
    Bytes rest(tar.size() - at + 1);
    const std::size_t got = Must(reader.Read(rest));
    if (got == 0) return tar;
    std::copy_n(rest.begin(), got, tar.begin() + static_cast<std::ptrdiff_t>(at));
    at += got;
  }
}
inline EnvelopeKey PasswordKey(std::string_view password = kExportPassword) { return SecretOf(password); }

}  // namespace certfs
