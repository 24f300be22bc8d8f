#include "store/certificate_authority.h"

#include <algorithm>

#include "store/authority_state.h"
#include "store/placement.h"

namespace certfs {

namespace {

bool HasState(const IssuedCertificate& line, LedgerState wanted, Time now) {
  switch (wanted) {
    case LedgerState::kAll:
      return true;
    case LedgerState::kActive:
      return !line.revocation && line.not_after >= now;
    case LedgerState::kRevoked:
      return line.revocation.has_value();
    case LedgerState::kExpired:
      return !line.revocation && line.not_after < now;
  }
  return false;
}

bool ExpiresWithin(const IssuedCertificate& line, std::chrono::days within, Time now) {
  // In seconds: nanoseconds would not reach as far as somebody may ask.
  const auto today = std::chrono::floor<std::chrono::seconds>(now);
  return line.not_after >= today && line.not_after <= today + within;
}

IssuedCertificate WithoutKey(const IssuedCertificate& line) {
  IssuedCertificate shown = line.Clone();
  shown.key.clear();
  return shown;
}

// The line for what an entry or a file holds.
Result<SerialNumber> SerialOf(TableSnapshot& snapshot, const Certificate& certificate) {
  const auto line = TRY(FindLine(snapshot, Indexed({&certificate, 1}).front()));
  if (!line) return NotIssuedHere();
  return line->serial;
}

Result<SerialNumber> SerialInEntry(TableSnapshot& snapshot, std::string_view path) {
  const std::size_t slash = path.find('/');
  const StoreName store_name = TRY(StoreName::Parse(path.substr(0, slash)));
  const Alias alias = TRY(Alias::ParseGiven(path.substr(slash + 1)));
  const auto store = TRY(snapshot.FindStoreFolded(store_name));
  if (!store) return Error(ErrorCode::kNotFound, "there is no store " + store_name.text());
  const auto entry = TRY(snapshot.FindEntryFolded(store->number, alias));
  if (!entry) return Error(ErrorCode::kNotFound, "there is no entry " + std::string(path));
  const auto leaf = TRY(LeafOf(snapshot, *entry));
  if (!leaf) return Error(ErrorCode::kNotFound, std::string(path) + " holds no certificate");
  return SerialOf(snapshot, *leaf);
}

// The newest CRL, where it is.
Result<Bytes> NewestList(TableSnapshot& snapshot, const AuthorityCertificate& authority) {
  const auto entry = TRY(snapshot.FindEntryByNumber(authority.crl_entry));
  if (authority.crl_entry == 0 || !entry || !entry->file(Member::kRevocationList)) return Bytes();
  const SecretBytes bytes = TRY(snapshot.ReadFile(*entry, Member::kRevocationList));
  const RevocationListFile file = TRY(ReadRevocationListFile(bytes.Reveal()));
  const BytesView der = file.list.der();
  return Bytes(der.begin(), der.end());
}

}  // namespace

CertificateAuthority::CertificateAuthority(Keystore& keystore) : state_(std::make_unique<State>(keystore)) {}
CertificateAuthority::~CertificateAuthority() = default;

IssuedState StateOf(const std::optional<IssuedCertificate>& issued, Time now) {
  if (!issued) return IssuedState::kUnknown;
  if (issued->revocation) return IssuedState::kRevoked;
  return issued->not_after < now ? IssuedState::kExpired : IssuedState::kActive;
}

Result<std::optional<CertificateAuthority::PublicFace>> CertificateAuthority::Face(TableSnapshot& snapshot) {
  std::optional<PublicFace> face;
  if (!snapshot.has_authority()) return face;
  AuthorityRecord record = TRY(snapshot.GetAuthority());
  AuthorityCertificate* const issuing = record.Issuing();
  if (issuing == nullptr) return face;
  auto certificate = TRY(CertificateOf(*issuing));
  auto chain = TRY(ChainOf(*issuing));
  auto list = TRY(NewestList(snapshot, *issuing));
  face = PublicFace{std::move(certificate), std::move(chain), std::move(list), {}};
  face->facts = std::move(*issuing);
  face->facts.key.clear();
  return face;
}

// --- Profiles

Result<Profile> CertificateAuthority::FindProfile(TableSnapshot& snapshot, const std::string& name) {
  return *TRY(state_->ProfileOf(TRY(snapshot.GetAuthority()), name));
}

Result<std::vector<std::pair<std::string, std::string>>> CertificateAuthority::Profiles(
    TableSnapshot& snapshot) {
  std::map<std::string, std::string> profiles = TRY(snapshot.GetAuthority()).profiles;
  for (const BuiltInProfile& built_in : BuiltInProfiles())
    profiles.emplace(std::string(built_in.name), std::string(built_in.toml));
  return std::vector<std::pair<std::string, std::string>>(profiles.begin(), profiles.end());
}

Result<void> CertificateAuthority::SetProfile(const std::string& name, BytesView toml) {
  TRY(Alias::Parse(name));
  if (!toml.empty()) TRY(Profile::Parse(name, toml));
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    AuthorityRecord record = TRY(transaction.GetAuthority());
    if (!toml.empty()) {
      if (!record.profiles.contains(name) && record.profiles.size() >= kProfilesMax)
        return Error(ErrorCode::kTooLarge, "too-many-profiles", "there are too many profiles");
      record.profiles[name] = std::string(AsText(toml));
    } else if (record.profiles.erase(name) == 0) {
      return Error(ErrorCode::kNotFound, "no-profile",
                   "nobody has written a profile of the name '" + name + "'");
    }
    return transaction.PutAuthority(record);
  });
}

Result<void> CertificateAuthority::SetRequestsAttributes(const AttributeChange& change) {
  return state_->Apply([&](TableTransaction& transaction) -> Result<void> {
    AuthorityRecord record = TRY(transaction.GetAuthority());
    if (change.uid) record.requests_uid = *change.uid;
    if (change.gid) record.requests_gid = *change.gid;
    if (change.mode) record.requests_mode = *change.mode & kPermissionBits;
    return transaction.PutAuthority(record);
  });
}

// --- The ledger

Result<LedgerPage> CertificateAuthority::List(TableSnapshot& snapshot, const LedgerQuery& query) {
  const Time now = state_->keystore.Now();
  LedgerPage page;
  LedgerPosition last = query.after;  // Of what was looked at.
  const auto take = [&](Cursor at, const IssuedCertificate& line) {
    if (at <= last.at) return true;  // It was on the page before.
    if (page.lines.size() >= query.count_max) {
      page.next = last;  // There is one more.
      return false;
    }
    last.at = at;
    if (HasState(line, query.state, now) && (!query.expiring || ExpiresWithin(line, *query.expiring, now)))
      page.lines.push_back(WithoutKey(line));
    return true;
  };
  if (!query.name.empty()) {
    TRY(snapshot.ListIssued(IssuedGroupKey::Name(query.name), take));
  } else if (query.expiring) {
    // Nothing that is issued is good for longer.
    constexpr std::chrono::days kDaysMax{36525};
    const auto today = std::chrono::floor<std::chrono::days>(now);
    const auto end = today + std::clamp(*query.expiring, std::chrono::days(0), kDaysMax);
    const auto first = std::max(today, std::chrono::sys_days(std::chrono::days(query.after.day)));
    for (auto day = first; day <= end && !page.next; day += std::chrono::days(1)) {
      const auto number = static_cast<std::uint32_t>(day.time_since_epoch().count());
      if (number != last.day) last = {number, 0};
      TRY(snapshot.ListIssued(IssuedGroupKey::Day(day), take));
    }
    std::ranges::stable_sort(page.lines, {}, &IssuedCertificate::not_after);
  } else {
    TRY(snapshot.ListIssued(query.after.at, take));
  }
  return page;
}

Result<SerialNumber> CertificateAuthority::Identify(TableSnapshot& snapshot, std::string_view text) {
  if (text.find("-----BEGIN") != std::string_view::npos) {
    const CertificateFile file = TRY(ReadCertificateFile(AsBytes(text)));
    return SerialOf(snapshot, file.certificates.front());
  }
  if (text.find('/') != std::string_view::npos) return SerialInEntry(snapshot, text);
  const auto serial = ParseSerialNumber(text);
  if (!serial || !TRY(snapshot.FindIssued(*serial))) return NotIssuedHere();
  return *serial;
}

}  // namespace certfs
