// A keystore's authority and ledger of real certificates, and its description by names, for tests of backups.

#pragma once

#include <algorithm>
#include <set>
#include <string>

#include "crypto/pem.h"
#include "store/keystore_change.h"
#include "tests/store/keystore_fixture.h"
#include "tests/store/ledger_fixture.h"

namespace certfs {

inline Bytes DerOf(const std::string& vector) {
  const auto blocks = Must(ReadPem(VectorOf(vector)));
  const BytesView der = blocks.front().body.Reveal();
  return {der.begin(), der.end()};
}

inline Bytes Element(std::uint8_t tag, const Bytes& content) {
  Bytes element{tag, 0x82};
  Writer writer(element);
  writer.U16(static_cast<std::uint16_t>(content.size()));
  writer.Raw(content);
  return element;
}

// leaf.pem under another serial number: nobody's signature, but all else of a certificate. Its first 13 bytes
// are the headers of Certificate and TBSCertificate and the version.
inline Bytes LeafWithSerial(const SerialNumber& serial) {
  static const Bytes leaf = DerOf("leaf.pem");
  const std::size_t tbs_end = 8U + (leaf[6] << 8 | leaf[7]);
  Bytes tbs(leaf.begin() + 8, leaf.begin() + 13);
  tbs.push_back(0x02);
  tbs.push_back(static_cast<std::uint8_t>(serial.size() + 1));
  tbs.push_back(0);  // Never negative; DER would leave it out where it can.
  tbs.insert(tbs.end(), serial.begin(), serial.end());
  const auto rest = leaf.begin() + 15 + leaf[14];
  tbs.insert(tbs.end(), rest, leaf.begin() + static_cast<std::ptrdiff_t>(tbs_end));
  Bytes whole = Element(0x30, tbs);
  whole.insert(whole.end(), leaf.begin() + static_cast<std::ptrdiff_t>(tbs_end), leaf.end());
  return Element(0x30, whole);
}

// Line `seed`, of a certificate that is one; every seventh waits with its key, every eleventh is a serial
// number alone.
inline IssuedCertificate RealIssued(std::uint32_t seed) {
  IssuedCertificate issued = SomeIssued(seed);
  issued.serial[0] |= 0x80;
  issued.certificate = seed % 11 == 0 ? Bytes() : LeafWithSerial(issued.serial);
  issued.entry = 0;
  issued.key.clear();
  if (seed % 7 == 0 && seed % 11 != 0) {
    const Bytes key = DerOf("leaf.key");
    issued.key = SecretBytes::CopyOf(key);
  }
  if (seed % 5 == 0) issued.replaces.reset();
  if (seed % 2 == 0) issued.replaced_by.reset();
  return issued;
}

// The DER of the first certificate that an entry holds.
inline Bytes LeafIn(TableSnapshot& snapshot, Number number) {
  const auto entry = Must(snapshot.FindEntryByNumber(number));
  const SecretBytes pem = Must(snapshot.ReadFile(*entry, Member::kCertificate));
  const auto blocks = Must(ReadPem(pem.Reveal()));
  const BytesView der = blocks.front().body.Reveal();
  return {der.begin(), der.end()};
}

// Gives the keystore an authority that refers to entries of it, and a ledger of so many lines.
inline void PutAuthorityInto(EntryTable& table, std::uint32_t lines) {
  const auto transaction = Must(table.BeginTransaction());
  const auto number = [&](std::string_view store, std::string_view alias) {
    return Must(transaction->FindEntry(Must(transaction->FindStore(NameOf(store)))->number, AliasOf(alias)))
        ->number;
  };
  AuthorityRecord record = SomeAuthority();
  AuthorityCertificate& first = record.certificates[0];
  first.certificate = DerOf("leaf.pem");
  first.chain = {DerOf("issuing.pem"), DerOf("root.pem")};
  first.key = SecretBytes::CopyOf(DerOf("leaf.key"));
  first.token.clear();
  first.root_entry = number("TRUSTED_ROOTS", "root");
  first.crl_entry = number("TRUSTED_ROOTS_CRLS", "issuing");
  AuthorityCertificate& second = record.certificates[1];
  second.certificate = DerOf("root.pem");
  second.chain.clear();
  second.key.clear();
  second.root_entry = second.crl_entry = 0;
  const Number web = number("machine", "web");
  record.last_operation->entries = {{web, 3}};
  Must(transaction->PutAuthority(record));
  for (std::uint32_t i = 0; i < lines; ++i) {
    IssuedCertificate issued = RealIssued(i);
    if (i == 1) {
      // The one whose certificate is live.
      issued.certificate = LeafIn(*transaction, web);
      issued.serial = *SerialNumberOf(Must(Certificate::FromDer(issued.certificate)));
      issued.entry = web;
    }
    Must(transaction->PutIssued(std::move(issued)));
  }
  Must(transaction->Commit());
}

// Everything of the authority and its ledger, with names in place of numbers.
inline std::string DescribeAuthority(TableSnapshot& snapshot) {
  const auto name = [&](Number number) -> std::string {
    if (number == 0) return "none";
    const auto entry = Must(snapshot.FindEntryByNumber(number));
    return Must(snapshot.FindStoreByNumber(entry->store))->name.text() + "/" + entry->alias.text();
  };
  std::string all = snapshot.has_authority() ? "authority\n" : "none\n";
  AuthorityRecord record = Must(snapshot.GetAuthority());
  for (AuthorityCertificate& each : record.certificates) {
    all += name(each.root_entry) + " " + name(each.crl_entry) + "\n";
    each.root_entry = each.crl_entry = 0;
  }
  if (record.last_operation) {
    for (auto& each : record.last_operation->entries) {
      all += name(each.entry) + "\n";
      each.entry = 0;
    }
  }
  all += Encoded(record) + "\n";
  std::set<std::string> lines;
  Must(snapshot.ListIssued(0, [&](Cursor, const IssuedCertificate& issued) {
    IssuedCertificate line = issued.Clone();
    const std::string place = name(line.entry);
    line.number = line.entry = 0;
    lines.insert(Encoded(line) + " " + place);
    return true;
  }));
  EXPECT_EQ(lines.size(), snapshot.issued_count());
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

}  // namespace certfs
