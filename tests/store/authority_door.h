// An authority in a keystore at a fixed moment, words to ask it with, and a look at everything that has to
// agree.

#pragma once

#include <string>
#include <vector>

#include "crypto/pem.h"
#include "crypto/signing_request.h"
#include "store/certificate_authority.h"
#include "store/policy.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

inline RequestConfig ConfigOf(const std::string& text) { return Must(RequestConfig::Parse(AsBytes(text))); }

inline NewAuthority NewRoot(const std::string& name = "Test Root", KeyType type = KeyType::kEcP256) {
  NewAuthority authority;
  authority.key_type = type;
  authority.subject = ConfigOf("Name = " + name + "\nOrganization = Test\n");
  return authority;
}

// An order for a key and certificate of a host.
inline IssueOrder OrderFor(const std::string& host, const std::string& pickup = {}) {
  IssueOrder order;
  order.config = ConfigOf("Name = " + host + "\nHostname = " + host + "\n");
  order.pickup = pickup;
  return order;
}
// For a CA, which names no host.
inline CertificationRequest AuthorityRequestBy(const PrivateKey& key) {
  return Must(CertificationRequest::Parse(Must(MakeSigningRequest(ConfigOf("Name = Issuing CA\n"), key))));
}
// How many days something is still good for, a begun one whole.
inline std::chrono::days DaysLeft(std::chrono::sys_seconds not_after, Time now) {
  return std::chrono::ceil<std::chrono::days>(not_after - now);
}
inline CertificationRequest RequestBy(const PrivateKey& key, const std::string& host) {
  const RequestConfig config = ConfigOf("Name = " + host + "\nHostname = " + host + "\n");
  return Must(CertificationRequest::Parse(Must(MakeSigningRequest(config, key))));
}
inline IssueOrder OrderBy(const PrivateKey& key, const std::string& host) {
  IssueOrder order;
  order.request = RequestBy(key, host);
  return order;
}
inline EntryOrder EntryFor(const std::string& store, const std::string& alias, const std::string& host) {
  EntryOrder order;
  order.store = NameOf(store);
  order.alias = AliasOf(alias);
  order.issue = OrderFor(host);
  return order;
}

inline Certificate CertificateIn(const IssuedCertificate& line) {
  return Must(Certificate::FromDer(line.certificate));
}
inline std::vector<IssuedCertificate> LinesOf(TableSnapshot& snapshot) {
  std::vector<IssuedCertificate> lines;
  Must(snapshot.ListIssued(Cursor{0}, [&](Cursor, const IssuedCertificate& line) {
    lines.push_back(line.Clone());
    return true;
  }));
  return lines;
}

// Calls `look` with each entry of every store but BACKUP_STORE.
template <typename Look>
void ForEachEntry(TableSnapshot& snapshot, Look&& look) {
  for (Cursor at_store = 0;;) {
    const auto store = Must(snapshot.NextStore(at_store, nullptr));
    if (!store) return;
    at_store = store->at;
    if (store->item.name.text() == kBackupStore) continue;
    for (Cursor after = 0;;) {
      const auto entry = Must(snapshot.NextEntry(store->item.number, after, nullptr));
      if (!entry) break;
      after = entry->at;
      look(store->item, entry->item);
    }
  }
}

// What is not as it has to be: a live pair that does not match, does not verify against the roots of this
// very moment, or is revoked unless that is expected; a ledger that says something else about where its
// certificates are. Empty if all is well.
inline std::string Unsound(Keystore& keystore, bool revoked_too = false) {
  const auto snapshot = Must(keystore.Snapshot());
  const auto trust = Must(keystore.GetTrust(*snapshot));
  const auto now = std::chrono::floor<std::chrono::seconds>(keystore.Now());
  std::string wrong;
  std::map<Number, Digest> leaves;
  ForEachEntry(*snapshot, [&](const Store& store, const Entry& entry) {
    if (entry.is_staged() || !entry.file(Member::kCertificate)) return;
    if (PolicyOf(store.name).rules == RuleSet::kTrust) return;
    const std::string name = store.name.text() + "/" + entry.alias.text();
    const auto file =
        Must(ReadCertificateFile(Must(snapshot->ReadFile(entry, Member::kCertificate)).Reveal()));
    const Certificate& leaf = file.certificates.front();
    leaves[entry.number] = leaf.fingerprint();
    if (entry.file(Member::kKey)) {
      const auto key = Must(ReadKeyFile(Must(snapshot->ReadFile(entry, Member::kKey)).Reveal()));
      if (!key.key.Matches(leaf)) wrong += name + ": the key does not match; ";
    }
    const std::vector<Certificate> rest(file.certificates.begin() + 1, file.certificates.end());
    const auto chain = trust->set.Verify(leaf, rest, Purpose::kAny, now);
    for (const ChainFault& fault : chain.faults) wrong += name + ": " + fault.words + "; ";
    for (std::size_t i = 0; i + 1 < chain.chain.size(); ++i) {
      if (!revoked_too && trust->set.RevokedBy(chain.chain[i], chain.chain[i + 1]))
        wrong += name + ": revoked; ";
    }
  });
  for (const IssuedCertificate& line : LinesOf(*snapshot)) {
    if (line.entry == 0) continue;
    const auto leaf = leaves.find(line.entry);
    if (leaf == leaves.end() || leaf->second != CertificateIn(line).fingerprint())
      wrong += line.common_name + ": is not where the ledger says; ";
  }
  return wrong;
}

class AuthorityDoor : public Door {
 protected:
  AuthorityDoor() : authority_(*keystore_) {}

  void Create() { Must(authority_.Create(NewRoot(), kRoot)); }
  AuthorityRecord Record() { return Must(Must(keystore_->Snapshot())->GetAuthority()); }
  std::optional<IssuedCertificate> Line(const SerialNumber& serial) {
    return Must(Must(keystore_->Snapshot())->FindIssued(serial));
  }
  std::vector<IssuedCertificate> Lines() { return LinesOf(*Must(keystore_->Snapshot())); }
  std::optional<Entry> FindIn(std::string_view store, std::string_view alias) {
    const Number number = StoreNumber(store);
    return Must(Must(keystore_->Snapshot())->FindEntry(number, AliasOf(alias)));
  }
  // Issues a pair for the host into an entry. Returns its line.
  IssuedCertificate Place(const std::string& store, const std::string& alias, const std::string& host,
                          const std::string& operation = {}) {
    const EntryOrder order = EntryFor(store, alias, host);
    const auto outcomes = Must(authority_.WriteEntries({&order, 1}, operation, false, kRoot));
    return LineIn(outcomes.front().entry.number);
  }
  IssuedCertificate LineIn(Number entry) {
    std::optional<IssuedCertificate> found;
    Must(Must(keystore_->Snapshot())
             ->ListIssued(IssuedGroupKey::InEntry(entry), [&](Cursor, const IssuedCertificate& line) {
               EXPECT_FALSE(found) << "two lines for one entry";
               found = line.Clone();
               return true;
             }));
    EXPECT_TRUE(found) << "no line for the entry";
    return found ? std::move(*found) : IssuedCertificate{};
  }
  // The CRL that is in TRUSTED_ROOTS_CRLS for the certificate of the authority with that id.
  RevocationList List(std::uint32_t id) {
    const AuthorityRecord record = Record();
    const auto snapshot = Must(keystore_->Snapshot());
    const auto entry = Must(snapshot->FindEntryByNumber(record.Find(id)->crl_entry));
    return Must(ReadRevocationListFile(Must(snapshot->ReadFile(*entry, Member::kRevocationList)).Reveal()))
        .list;
  }
  std::string Sound(bool revoked_too = false) { return Unsound(*keystore_, revoked_too); }

  CertificateAuthority authority_;
};

}  // namespace certfs
