#include "tests/store/scripted_history.h"

#include <random>
#include <utility>

namespace certfs {

namespace {

template <typename T>
Result<void> Drop(Result<T> result) {
  if (!result.has_value()) return std::move(result).error();
  return {};
}

Result<Number> StoreIn(Keystore& keystore, std::string_view name) {
  const auto store = TRY(TRY(keystore.Snapshot())->FindStore(NameOf(name)));
  if (!store) return Error(ErrorCode::kNotFound, "no store " + std::string(name));
  return store->number;
}

Result<Number> EntryIn(Keystore& keystore, std::string_view store, std::string_view alias) {
  const Number parent = TRY(StoreIn(keystore, store));
  const auto entry = TRY(TRY(keystore.Snapshot())->FindEntry(parent, Must(Alias::ParseGiven(alias))));
  if (!entry) return Error(ErrorCode::kNotFound, "no entry " + std::string(alias));
  return entry->number;
}

Result<Number> NextIn(Keystore& keystore, std::string_view store, std::string_view alias) {
  const Number parent = TRY(StoreIn(keystore, store));
  const auto entry = TRY(TRY(keystore.Snapshot())->FindEntry(parent, AliasOf(alias).Next()));
  if (!entry) return Error(ErrorCode::kNotFound, "nothing staged for " + std::string(alias));
  return entry->number;
}

using Take = std::function<Result<void>(Keystore&)>;

Take MakeEntry(std::string store, std::string alias) {
  return [=](Keystore& keystore) -> Result<void> {
    const Number number = TRY(StoreIn(keystore, store));
    return Drop(keystore.CreateEntry(number, AliasOf(alias), kRoot, 0755));
  };
}

Take Put(std::string store, std::string alias, Member member, Bytes bytes) {
  return [=](Keystore& keystore) -> Result<void> {
    return Drop(keystore.WriteFile(TRY(EntryIn(keystore, store, alias)), member, bytes, kRoot, {}));
  };
}

Take PutNext(std::string store, std::string alias, Member member, Bytes bytes) {
  return [=](Keystore& keystore) -> Result<void> {
    return Drop(keystore.WriteFile(TRY(NextIn(keystore, store, alias)), member, bytes, kRoot, {}));
  };
}

Bytes RandomBytes(std::mt19937& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& each : bytes) each = static_cast<std::uint8_t>(random());
  return bytes;
}

// The ledger and the record of the authority, where there is one.
std::string AuthorityStateOf(TableSnapshot& snapshot) {
  std::ostringstream out;
  if (!snapshot.has_authority()) return "no authority\n";
  const AuthorityRecord record = Must(snapshot.GetAuthority());
  for (const AuthorityCertificate& each : record.certificates)
    out << "authority " << each.id << " crl " << each.crl_number << " issued " << each.issued << '\n';
  for (const auto& [name, text] : record.profiles) out << "profile " << name << ' ' << text << '\n';
  if (record.last_operation)
    out << "operation " << record.last_operation->name << ' ' << record.last_operation->reverted << '\n';
  Must(snapshot.ListIssued(Cursor{0}, [&](Cursor, const IssuedCertificate& line) {
    out << "issued " << line.number << ' ' << ToText(line.serial) << ' ' << line.pickup << ' '
        << line.revocation.has_value() << ' ' << line.key.size() << ' ' << line.entry << '\n';
    return true;
  }));
  return out.str();
}

}  // namespace

ScriptedHistory::ScriptedHistory(unsigned seed, Making making) : making_(making) {
  AddTrust();
  AddPair();
  AddSecrets(seed);
  AddNames();
  if (making == Making::kWithAuthority) AddAuthority();
}

Result<void> ScriptedHistory::Take(std::size_t step, Keystore& keystore) {
  clock_.Tick(std::chrono::floor<std::chrono::seconds>(began_ - clock_.now()) +
              std::chrono::seconds(static_cast<int>(step) + 1));
  return steps_[step].take(keystore);
}

void ScriptedHistory::AddTrust() {
  steps_.push_back({"an anchor's entry", MakeEntry("TRUSTED_ROOTS", "root")});
  steps_.push_back({"an anchor", Put("TRUSTED_ROOTS", "root", Member::kCertificate, VectorOf("root.pem"))});
  steps_.push_back({"an issuer's entry", MakeEntry("TRUSTED_ROOTS", "issuing")});
  steps_.push_back(
      {"an issuer", Put("TRUSTED_ROOTS", "issuing", Member::kCertificate, VectorOf("issuing.pem"))});
  steps_.push_back({"a CRL's entry", MakeEntry("TRUSTED_ROOTS_CRLS", "root")});
  for (const char* const list : {"crl-5.pem", "crl-6.pem"})
    steps_.push_back({list, Put("TRUSTED_ROOTS_CRLS", "root", Member::kRevocationList, VectorOf(list))});
}

void ScriptedHistory::AddPair() {
  const auto put = [&](Member member, const char* vector) {
    steps_.push_back({vector, Put("machine", "pair", member, VectorOf(vector))});
  };
  steps_.push_back({"a pair's entry", MakeEntry("machine", "pair")});
  put(Member::kKey, "leaf.key");
  put(Member::kCertificate, "leaf.pem");
  put(Member::kCertificate, "chain.pem");
  steps_.push_back({"attributes", [](Keystore& keystore) -> Result<void> {
                      const Number entry = TRY(EntryIn(keystore, "machine", "pair"));
                      return Drop(keystore.SetFileAttributes(entry, Member::kKey, {0640, 33, 44, {}, {}}));
                    }});
  steps_.push_back({"next/", [](Keystore& keystore) -> Result<void> {
                      return Drop(
                          keystore.CreateNext(TRY(EntryIn(keystore, "machine", "pair")), kRoot, 0755));
                    }});
  steps_.push_back({"a staged key", PutNext("machine", "pair", Member::kKey, VectorOf("serial.key"))});
  steps_.push_back(
      {"a pair goes live", PutNext("machine", "pair", Member::kCertificate, VectorOf("serial-first.pem"))});
  steps_.push_back({"next/ goes", [](Keystore& keystore) -> Result<void> {
                      return keystore.RemoveNext(TRY(EntryIn(keystore, "machine", "pair")));
                    }});
  steps_.push_back({"a file goes", [](Keystore& keystore) -> Result<void> {
                      const Number entry = TRY(EntryIn(keystore, "machine", "pair"));
                      return Drop(keystore.RemoveFile(entry, Member::kCertificate, kRoot));
                    }});
}

void ScriptedHistory::AddSecrets(unsigned seed) {
  std::mt19937 random(seed);
  const std::vector<std::size_t> sizes{1, 2000, 5000, 20'000, 70'000};
  for (const std::size_t size : sizes) {
    const std::string alias = "secret" + std::to_string(size);
    steps_.push_back({"a secret's entry", MakeEntry("machine", alias)});
    // The second is what comes before it in BACKUP_STORE, the third what goes from there.
    for (int i = 0; i < 3; ++i)
      steps_.push_back({"a secret", Put("machine", alias, Member::kSecret,
                                        RandomBytes(random, size / 2 + random() % size + 1))});
  }
  steps_.push_back({"a secret goes", [](Keystore& keystore) -> Result<void> {
                      const Number entry = TRY(EntryIn(keystore, "machine", "secret70000"));
                      return Drop(keystore.RemoveFile(entry, Member::kSecret, kRoot));
                    }});
  steps_.push_back({"its entry goes", [](Keystore& keystore) -> Result<void> {
                      const Number store = TRY(StoreIn(keystore, "machine"));
                      return keystore.RemoveEntry(store, AliasOf("secret70000"), kRoot);
                    }});
}

void ScriptedHistory::AddNames() {
  steps_.push_back({"a store", [](Keystore& keystore) {
                      return Drop(keystore.CreateStore(NameOf("new"), kAlice, 0750));
                    }});
  // One more node than a leaf of a listing.
  for (int i = 0; i < 9; ++i) steps_.push_back({"an entry", MakeEntry("new", "e" + std::to_string(i))});
  steps_.push_back({"an entry's name", [](Keystore& keystore) -> Result<void> {
                      const Number store = TRY(StoreIn(keystore, "new"));
                      return keystore.RenameEntry(store, AliasOf("e3"), AliasOf("renamed"), kRoot);
                    }});
  steps_.push_back({"a store's name",
                    [](Keystore& keystore) { return keystore.RenameStore(NameOf("new"), NameOf("newer")); }});
  steps_.push_back(
      {"a store's attributes", [](Keystore& keystore) -> Result<void> {
         return Drop(keystore.SetStoreAttributes(TRY(StoreIn(keystore, "newer")), {0700, 1, 2, {}, {}}));
       }});
  steps_.push_back({"revocation", [](Keystore& keystore) -> Result<void> {
                      return Drop(keystore.SetEnforceRevocation(TRY(StoreIn(keystore, "newer")), true));
                    }});
  steps_.push_back({"settings", [](Keystore& keystore) {
                      return keystore.SetSettings({SecretOf("password"), ExportProfile::kModern});
                    }});
}

void ScriptedHistory::AddAuthority() {
  const auto add = [&](const char* name, std::function<Result<void>(CertificateAuthority&)> take) {
    steps_.push_back({name, [take](Keystore& keystore) {
                        CertificateAuthority authority(keystore);
                        return take(authority);
                      }});
  };
  add("an authority", [](CertificateAuthority& authority) {
    NewAuthority wanted;
    wanted.key_type = KeyType::kEcP256;
    wanted.subject.name = "Scripted CA";
    return authority.Create(wanted, kRoot);
  });
  const auto order = [](const std::string& name) {
    IssueOrder wanted;
    wanted.config.emplace();
    wanted.config->name = name;
    wanted.config->hosts = {name + ".example.com"};
    wanted.pickup = name;
    return wanted;
  };
  for (const char* const name : {"one", "two"})
    add("issuing",
        [=](CertificateAuthority& authority) { return Drop(authority.Issue(order(name), kAlice)); });
  add("a pickup goes", [](CertificateAuthority& authority) { return authority.RemovePickup("one"); });
  steps_.push_back(
      {"revoking", [](Keystore& keystore) -> Result<void> {
         CertificateAuthority authority(keystore);
         std::optional<SerialNumber> serial;
         TRY(TRY(keystore.Snapshot())->ListIssued(Cursor{0}, [&](Cursor, const IssuedCertificate& line) {
           serial = line.serial;
           return false;
         }));
         return authority.Revoke(*serial, RevocationReason::kSuperseded, kRoot);
       }});
  add("entries", [=](CertificateAuthority& authority) -> Result<void> {
    std::vector<EntryOrder> orders;
    for (const char* const name : {"three", "four"})
      orders.push_back({NameOf("machine"), AliasOf(name), order(name), {}, {}});
    return Drop(authority.WriteEntries(orders, "two at once", false, kRoot));
  });
  add("taking back",
      [](CertificateAuthority& authority) { return Drop(authority.RevertLast(false, kRoot)); });
}

std::string ScriptedHistory::StateOf(Keystore& keystore) {
  const auto snapshot = Must(keystore.Snapshot());
  return Describe(*snapshot) + AuthorityStateOf(*snapshot);
}

Template::Template() {
  Must(Keystore::Create(directory_, TestSecret(), kRoot, FixedClock().get()));
  // Its audit log is there.
  const auto keystore = Must(Keystore::Open(directory_, TestSecret(), FixedClock().get()));
  Must(keystore->CreateStore(NameOf("first"), kRoot, 0755));
}

void Template::CopyTo(const std::filesystem::path& directory) const {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directory(directory);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
  for (const auto& each : std::filesystem::directory_iterator(directory_))
    std::filesystem::copy_file(each.path(), directory / each.path().filename());
}

}  // namespace certfs
