// A small keystore with something of everything in it, on disk, and what is to be seen of it: for the tests
// that damage its files bit by bit.

#pragma once

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "store/sealed_table.h"
#include "store/unlocked_header.h"
#include "tests/store/audit_fixture.h"
#include "tests/store/ledger_fixture.h"
#include "tests/store/restore_fixture.h"

namespace certfs {

// While it lives temporary directories lie where syncing costs nothing, if there is such a place: files are
// written thousands of times.
class QuickPlace {
 public:
  QuickPlace() {
    const char* const before = std::getenv("TMPDIR");
    if (before != nullptr) before_ = before;
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
  }
  ~QuickPlace() {
    unsetenv("TMPDIR");
    if (!before_.empty()) setenv("TMPDIR", before_.c_str(), 1);
  }
  QuickPlace(const QuickPlace&) = delete;
  QuickPlace& operator=(const QuickPlace&) = delete;

 private:
  std::string before_;
};

// What a snapshot shows, by names, and what of it is an Error.
struct Seen {
  std::map<std::string, std::string> values;
  std::set<std::string> refused;
};

class SmallKeystore {
 public:
  static constexpr std::uint32_t kLines = 20;  // Of the ledger: more than a leaf of a hash tree holds.

  explicit SmallKeystore(const std::filesystem::path& directory) : path_(directory) {
    Must(Keystore::Create(path_, TestSecret(), kRoot, clock_.get()));
    {
      const auto keystore = Must(Keystore::Open(path_, TestSecret(), clock_.get()));
      Populator populator(*keystore, clock_);
      populator.All();
      for (int i = 0; i < 20; ++i) {
        const Number number = populator.Make("machine", "small" + std::to_string(i));
        populator.Put(number, Member::kKey, "ed25519.key");
      }
      for (int i = 0; i < 5; ++i) Must(keystore->audit()->Append(SomeEvent()));
    }
    {
      const auto table = Must(OpenSealedTable(path_, Keys()));
      const auto transaction = Must(table->BeginTransaction());
      Must(transaction->PutAuthority(SomeAuthority()));
      for (std::uint32_t i = 0; i < kLines; ++i) Must(transaction->PutIssued(SomeIssued(i)));
      Must(transaction->Commit());
      good_ = See(*Must(table->Snapshot())).values;
      const auto snapshot = Must(table->Snapshot());
      for (Cursor at = 0; const auto store = Must(snapshot->NextStore(at, nullptr));) {
        at = store->at;
        names_[store->item.number] = store->item.name.text();
        for (Cursor after = 0;
             const auto entry = Must(snapshot->NextEntry(store->item.number, after, nullptr));) {
          after = entry->at;
          names_[entry->item.number] = store->item.name.text() + "/" + entry->item.alias.text();
        }
      }
    }
    for (const char* const name : {"keystore.hdr", "data.mdb", "audit.log"})
      files_[name] = BytesOfFile(path_ / name);
  }

  const std::filesystem::path& path() const { return path_; }
  RootKeys Keys() const {
    return Must(Must(UnlockedHeader::Open(Must(Header::Load(path_)), TestSecret())).Keys());
  }
  Keystore::Clock clock() { return clock_.get(); }

  // Puts every file back as it was.
  void Restore() const {
    for (const auto& [name, bytes] : files_) PutBytes(path_ / name, bytes);
    std::filesystem::remove(path_ / "lock.mdb");
  }
  const std::string& file(const std::string& name) const { return files_.at(name); }
  // As it was, save one bit of a file.
  void Flip(const std::string& name, std::size_t bit) const {
    Restore();
    std::string bytes = files_.at(name);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    PutBytes(path_ / name, bytes);
  }

  // What every value is, by names.
  const std::map<std::string, std::string>& good() const { return good_; }
  // "STORE" or "STORE/ALIAS", by number.
  const std::map<Number, std::string>& names() const { return names_; }

  // Looks at everything that is known to be there, one by one and by listing. `wrong`, where it is given,
  // gets what is shown and should not be.
  Seen See(TableSnapshot& snapshot, std::vector<std::string>* wrong = nullptr) const {
    Seen seen;
    SeeSingles(snapshot, seen);
    SeeListed(snapshot, seen, wrong);
    SeeNamed(snapshot, seen, wrong);
    return seen;
  }

 private:
  template <typename T, typename Text>
  static void Take(Seen& seen, const std::string& name, const Result<T>& result, Text&& text) {
    if (!result.has_value()) seen.refused.insert(name);
    if (result.has_value()) seen.values[name] = text(result.value());
  }

  static void SeeSingles(TableSnapshot& snapshot, Seen& seen) {
    Take(seen, "settings", snapshot.GetSettings(), [](const Settings& settings) {
      return std::string(AsText(settings.export_password.Reveal())) +
             std::to_string(static_cast<int>(settings.profile));
    });
    Take(seen, "authority", snapshot.GetAuthority(),
         [](const AuthorityRecord& record) { return std::string(AsText(EncodeAuthority(record).Reveal())); });
    for (std::uint32_t i = 0; i < kLines; ++i) {
      const std::string name = "line " + std::to_string(i);
      const auto found = snapshot.FindIssued(SerialOf(i));
      if (found.has_value() && !found.value()) continue;
      Take(seen, name, found, [](const std::optional<IssuedCertificate>& issued) {
        return std::string(AsText(EncodeIssued(*issued).Reveal()));
      });
    }
  }

  void SeeListed(TableSnapshot& snapshot, Seen& seen, std::vector<std::string>* wrong) const {
    for (Cursor at = 0;;) {
      Cursor skipped = at;
      const auto store = snapshot.NextStore(at, &skipped);
      if (!store.has_value() && skipped <= at) return;
      if (store.has_value() && !store.value()) return;
      at = store.has_value() ? store.value()->at : skipped;
      if (!store.has_value()) continue;
      const Store& item = store.value()->item;
      const std::string name = item.name.text();
      seen.values[name] = Describe(item.attributes);
      for (Cursor after = 0;;) {
        skipped = after;
        const auto entry = snapshot.NextEntry(item.number, after, &skipped);
        if (!entry.has_value() && skipped <= after) break;
        if (entry.has_value() && !entry.value()) break;
        after = entry.has_value() ? entry.value()->at : skipped;
        if (entry.has_value()) SeeEntry(snapshot, seen, name, entry.value()->item);
      }
    }
    static_cast<void>(wrong);
  }

  static void SeeEntry(TableSnapshot& snapshot, Seen& seen, const std::string& store, const Entry& entry) {
    const std::string name = store + "/" + entry.alias.text();
    seen.values[name] = Describe(entry.attributes) + " r" + std::to_string(entry.revision);
    for (const Member member : kMembers) {
      if (!entry.file(member)) continue;
      Take(seen, name + "/" + std::string(FileName(member)), snapshot.ReadFile(entry, member),
           [&](const SecretBytes& bytes) {
             return Describe(entry.file(member)->attributes) + " " + std::string(AsText(bytes.Reveal()));
           });
    }
  }

  // What is asked for by name may be refused; that it is not there would be a lie.
  void SeeNamed(TableSnapshot& snapshot, Seen& seen, std::vector<std::string>* wrong) const {
    for (const auto& [number, name] : names_) {
      const std::size_t slash = name.find('/');
      const auto store = snapshot.FindStore(NameOf(name.substr(0, slash)));
      if (!store.has_value()) {
        seen.refused.insert(name);
        continue;
      }
      if (!store.value()) {
        if (wrong != nullptr) wrong->push_back(name + ": its store is not there");
        continue;
      }
      if (slash == std::string::npos) continue;
      const auto entry =
          snapshot.FindEntry(store.value()->number, Must(Alias::ParseStored(name.substr(slash + 1))));
      if (!entry.has_value()) {
        seen.refused.insert(name);
      } else if (!entry.value()) {
        if (wrong != nullptr) wrong->push_back(name + " is not there");
      } else {
        SeeEntry(snapshot, seen, name.substr(0, slash), *entry.value());
      }
    }
  }

  const std::filesystem::path path_;
  FixedClock clock_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::string> good_;
  std::map<Number, std::string> names_;
};

}  // namespace certfs
