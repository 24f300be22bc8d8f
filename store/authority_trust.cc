// The authority in the stores of trust: its anchors in TRUSTED_ROOTS, its CRLs in TRUSTED_ROOTS_CRLS.

#include <algorithm>

#include "crypto/file_outline.h"
#include "crypto/sealing.h"
#include "store/authority_state.h"

namespace certfs {

namespace {

Result<Store> TrustStore(TableSnapshot& snapshot, std::string_view name) {
  return GetStore(snapshot, TRY(StoreName::Parse(name)));
}

// What certfs puts there by itself belongs to whom the store belongs to.
Actor OwnerOf(const Store& store) { return {store.attributes.uid, store.attributes.gid, 022}; }

bool IsTrusted(const TrustSet& trust, const Digest& fingerprint) {
  const auto& all = trust.authorities();
  return std::any_of(all.begin(), all.end(),
                     [&](const Certificate& each) { return each.fingerprint() == fingerprint; });
}

// The entries of TRUSTED_ROOTS that hold exactly this certificate.
struct Anchors {
  std::vector<Entry> entries;
  bool passed_over = false;  // Something there cannot be read, and may hold it, too.
};

Result<Anchors> FindAnchors(TableSnapshot& snapshot, const Store& roots, BytesView der) {
  const Digest wanted = Sha256({der});
  Anchors anchors;
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto next = snapshot.NextEntry(roots.number, after, &skipped);
    if (!next.has_value()) {
      if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(next).error();
      after = skipped;
      anchors.passed_over = true;
      continue;
    }
    if (!next.value()) return anchors;
    after = next.value()->at;
    Entry& entry = next.value()->item;
    if (!entry.file(Member::kCertificate)) continue;
    const SecretBytes bytes = TRY(ReadLive(snapshot, entry, Member::kCertificate));
    const auto outlines = OutlineCertificates(bytes.Reveal());
    if (!outlines.has_value()) {
      anchors.passed_over = true;
    } else if (outlines.value().front().fingerprint == wanted) {
      anchors.entries.push_back(std::move(entry));
    }
  }
}

// An entry for what belongs to `certificate`, under its key identifier, or that with a number behind it where
// something else has the name.
Result<Entry> MakeEntryNamedAfter(TableTransaction& transaction, const Store& store,
                                  const Certificate& certificate, Time now) {
  constexpr std::size_t kIdentifierBytesMax = 20;
  BytesView identifier = certificate.subject_key_identifier();
  if (identifier.empty()) identifier = certificate.fingerprint();
  const std::string name = ToHex(identifier.first(std::min(identifier.size(), kIdentifierBytesMax)));
  for (int number = 1;; ++number) {
    const Alias alias = TRY(Alias::Parse(number == 1 ? name : name + "-" + std::to_string(number)));
    const auto taken = TRY(transaction.FindEntryFolded(store.number, alias));
    if (taken && !taken->empty()) continue;
    if (taken) return *taken;
    return AddEntry(transaction, store, alias, OwnerOf(store), 0755, now);
  }
}

// Whose revocations belong on the list of `authority`: also those of what has the same name and key.
Result<std::vector<std::uint32_t>> SharersOfList(TableSnapshot& snapshot,
                                                 const AuthorityCertificate& authority) {
  std::vector<std::uint32_t> ids{authority.id};
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  for (const AuthorityCertificate& each : record.certificates) {
    if (each.id != authority.id && TRY(ShareList(each, authority))) ids.push_back(each.id);
  }
  return ids;
}

// What of `authority` is revoked, and belongs on its next list.
Result<std::vector<RevokedSerial>> Revoked(TableSnapshot& snapshot, const AuthorityCertificate& authority,
                                           std::chrono::sys_seconds this_update) {
  std::vector<RevokedSerial> revoked;
  const auto last = std::chrono::floor<std::chrono::seconds>(authority.crl_made - kListBackdate);
  const auto add = [&](Cursor, const IssuedCertificate& line) {
    // A list that begins some minutes ago tells of nothing later. It stays until it was on a list that was
    // issued after it had expired (RFC 5280, 3.3). Of what is known by its serial number alone nobody knows
    // when that is.
    if (line.revocation &&
        (line.certificate.empty() || authority.crl_number == 0 || line.not_after >= last)) {
      revoked.push_back({line.serial,
                         std::min(std::chrono::floor<std::chrono::seconds>(line.revocation->at), this_update),
                         line.revocation->reason});
    }
    return true;
  };
  // A damaged line is an error: a list without it would say that it is good.
  for (const std::uint32_t id : TRY(SharersOfList(snapshot, authority)))
    TRY(snapshot.ListIssued(IssuedGroupKey::Revoked(id), add));
  return revoked;
}

// The place of the list of `certificate` among those of `trust`.
std::optional<std::size_t> FindList(const Trust& trust, const AuthorityCertificate& authority,
                                    const Certificate& certificate) {
  const auto& entries = trust.list_entries;
  const auto known = std::find(entries.begin(), entries.end(), authority.crl_entry);
  if (known != entries.end()) return static_cast<std::size_t>(known - entries.begin());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (trust.set.lists()[i].SignedBy(certificate)) return i;
  }
  return {};
}

}  // namespace

Result<bool> HaveOneKey(const AuthorityCertificate& one, const AuthorityCertificate& other) {
  return std::ranges::equal(TRY(CertificateOf(one)).key_der(), TRY(CertificateOf(other)).key_der());
}

Result<bool> ShareList(const AuthorityCertificate& one, const AuthorityCertificate& other) {
  const Certificate first = TRY(CertificateOf(one));
  const Certificate second = TRY(CertificateOf(other));
  return std::ranges::equal(first.subject_der(), second.subject_der()) && TRY(HaveOneKey(one, other));
}

Result<void> TakeOverList(TableTransaction& transaction, const AuthorityCertificate& authority,
                          const RevocationList& list, Actor actor) {
  for (const RevokedSerial& revoked : list.revoked()) {
    // Where the ledger of before is here, it knows more.
    auto line = TRY(transaction.FindIssued(revoked.serial));
    if (line && line->revocation) continue;
    if (!line) {
      line.emplace();
      line->authority = authority.id;
      line->serial = revoked.serial;
      line->uid = actor.uid;
      line->gid = actor.gid;
      line->issued = revoked.at;
    }
    line->revocation = Revocation{revoked.at, revoked.reason};
    TRY(transaction.PutIssued(*std::move(line)));
  }
  return {};
}

Result<void> CertificateAuthority::State::PutAnchors(TableTransaction& transaction,
                                                     AuthorityCertificate& authority) {
  const auto trust = TRY(keystore.GetTrust(transaction));
  std::vector<Certificate> anchors = TRY(ChainOf(authority));
  anchors.insert(anchors.begin(), TRY(CertificateOf(authority)));
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    const Certificate& anchor = anchors[i];
    const bool own_root = anchors.size() == 1;
    const Store roots = TRY(TrustStore(transaction, kTrustedRoots));
    if (IsTrusted(trust->set, anchor.fingerprint())) {
      if (own_root) {
        const Anchors found = TRY(FindAnchors(transaction, roots, anchor.der()));
        if (!found.entries.empty()) authority.root_entry = found.entries.front().number;
      }
      continue;
    }
    Entry entry = TRY(MakeEntryNamedAfter(transaction, roots, anchor, keystore.Now()));
    const Number number = entry.number;
    const Bytes pem = PemOf("CERTIFICATE", anchor.der());
    Keystore::Write write{Member::kCertificate, pem, OwnerOf(roots), {}};
    TRY(keystore.WriteLive(transaction, roots, std::move(entry), write));
    if (i + 1 == anchors.size()) authority.root_entry = number;
  }
  return {};
}

Result<void> CertificateAuthority::State::SignList(TableTransaction& transaction,
                                                   AuthorityCertificate& authority, bool over_damaged) {
  const Time now = keystore.Now();
  const auto issuer = TRY(IssuerOf(authority));
  const auto trust = TRY(keystore.GetTrust(transaction));
  std::uint64_t number = std::max(
      authority.crl_number + 1,
      static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count()));
  const Store store = TRY(TrustStore(transaction, kTrustedLists));
  std::optional<Entry> entry;
  if (const auto at = FindList(*trust, authority, issuer->certificate())) {
    entry = TRY(transaction.FindEntryByNumber(trust->list_entries[*at]));
    // Somebody may have put in what another keeper of the key has signed, or this keystore itself before it
    // was restored from a backup: what that list revokes stays revoked.
    const RevocationList& live = trust->set.lists()[*at];
    const auto other = live.number();
    if (other) number = std::max(number, *other + 1);
    if (other != authority.crl_number) TRY(TakeOverList(transaction, authority, live, OwnerOf(store)));
  }
  if (!entry && over_damaged && trust->lists_damaged) {
    auto own = TRY(transaction.FindEntryByNumber(authority.crl_entry));
    if (own && own->store == store.number && own->file(Member::kRevocationList)) entry = std::move(own);
  }
  if (!entry) entry = TRY(MakeEntryNamedAfter(transaction, store, issuer->certificate(), now));
  const auto this_update = std::chrono::floor<std::chrono::seconds>(now - kListBackdate);
  const Bytes der = TRY(MakeRevocationList(*issuer, number, this_update,
                                           std::chrono::floor<std::chrono::seconds>(now) + kListLifetime,
                                           TRY(Revoked(transaction, authority, this_update))));
  authority.crl_entry = entry->number;
  authority.crl_number = number;
  authority.crl_made = now;
  const Bytes pem = PemOf("X509 CRL", der);
  Keystore::Write write{Member::kRevocationList, pem, OwnerOf(store), {}};
  TRY(keystore.WriteLive(transaction, store, *std::move(entry), write));
  return {};
}

Result<void> CertificateAuthority::State::TakeAwayAnchors(TableTransaction& transaction, BytesView der) {
  const Store roots = TRY(TrustStore(transaction, kTrustedRoots));
  // People may have put it in once more.
  const Anchors anchors = TRY(FindAnchors(transaction, roots, der));
  // What cannot be read now may be read again later.
  if (anchors.entries.empty() && anchors.passed_over) {
    return Error(
        ErrorCode::kCorrupt, "damaged-root",
        "an entry of TRUSTED_ROOTS is damaged, and may hold the root that is to be trusted no longer: "
        "remove it, or see what certfs doctor says, and go on");
  }
  for (const Entry& each : anchors.entries) TRY(keystore.TakeAway(transaction, roots, each));
  return {};
}

Result<void> CertificateAuthority::State::Distrust(TableTransaction& transaction, AuthorityRecord& record,
                                                   AuthorityCertificate& authority) {
  const auto in_use = [&](BytesView der) {
    return std::any_of(
        record.certificates.begin(), record.certificates.end(), [&](const AuthorityCertificate& other) {
          if (other.id == authority.id || other.role == AuthorityRole::kRetired) return false;
          return std::ranges::equal(der, other.certificate) ||
                 std::ranges::any_of(other.chain,
                                     [&](const Bytes& each) { return std::ranges::equal(der, each); });
        });
  };
  if (!in_use(authority.certificate)) TRY(TakeAwayAnchors(transaction, authority.certificate));
  // A root of others goes only if it came with this one.
  if (!authority.chain.empty() && authority.root_entry != 0 && !in_use(RootOf(authority)))
    TRY(TakeAwayAnchors(transaction, RootOf(authority)));
  const Store lists = TRY(TrustStore(transaction, kTrustedLists));
  const auto list = TRY(transaction.FindEntryByNumber(authority.crl_entry));
  // One of the same name and key may go on with the list.
  const bool list_in_use = std::ranges::any_of(record.certificates, [&](const AuthorityCertificate& other) {
    return other.id != authority.id && other.role != AuthorityRole::kRetired &&
           other.crl_entry == authority.crl_entry;
  });
  if (list && list->store == lists.number && !list_in_use) TRY(keystore.TakeAway(transaction, lists, *list));
  authority.role = AuthorityRole::kRetired;
  authority.key.clear();
  authority.token.clear();
  authority.root_entry = authority.crl_entry = 0;
  // What is ready to sign holds the key as well.
  const std::lock_guard lock(mutex);
  issuers.erase(authority.id);
  return {};
}

Result<bool> CertificateAuthority::State::WantsList(TableSnapshot& snapshot,
                                                    const AuthorityCertificate& authority) {
  if (authority.role == AuthorityRole::kRetired) return false;
  if (authority.crl_number == 0 || keystore.Now() >= authority.crl_made + kListLifetime / 2) return true;
  const auto trust = TRY(keystore.GetTrust(snapshot));
  const auto& entries = trust->list_entries;
  const auto entry = std::find(entries.begin(), entries.end(), authority.crl_entry);
  if (entry == entries.end()) return true;
  // One that was not signed here does not tell of what was revoked here.
  const auto number = trust->set.lists()[static_cast<std::size_t>(entry - entries.begin())].number();
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  if (std::ranges::none_of(record.certificates, [&](const AuthorityCertificate& each) {
        return each.crl_entry == authority.crl_entry && each.crl_number == number;
      })) {
    return true;
  }
  if (!IsTrusted(trust->set, Sha256({authority.certificate}))) return true;
  return std::ranges::any_of(authority.chain,
                             [&](const Bytes& each) { return !IsTrusted(trust->set, Sha256({each})); });
}

}  // namespace certfs
