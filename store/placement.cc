#include "store/placement.h"

#include <algorithm>
#include <utility>

#include "crypto/file_outline.h"
#include "crypto/sealing.h"
#include "store/keystore_change.h"
#include "store/policy.h"

namespace certfs {

namespace {

bool CountsAsPlace(const Store& store) {
  const StorePolicy& policy = PolicyOf(store.name);
  return policy.rules != RuleSet::kTrust && policy.holds != Holds::kNothing;
}

// The serial number of the ledger's form: the content octets of a short, positive INTEGER (X.690, 8.3).
std::optional<SerialNumber> SerialIn(const IssuedSerial& serial) {
  constexpr std::uint8_t kInteger = 0x02;
  BytesView octets = serial.serial;
  if (octets.size() < 3 || octets[0] != kInteger || octets[1] != octets.size() - 2) return {};
  octets = octets.subspan(2);
  if (octets[0] == 0) octets = octets.subspan(1);
  SerialNumber number{};
  if (octets.size() > number.size()) return {};
  std::copy(octets.begin(), octets.end(), number.end() - static_cast<std::ptrdiff_t>(octets.size()));
  return number;
}

// Another entry whose live certificate it is; 0 for none. Looks at all of them, which is for the rare
// certificate that lies in two.
Result<Number> FindCopy(TableSnapshot& snapshot, const IndexedCertificate& certificate, Number but) {
  const auto holder = TRY(snapshot.FindSerial(certificate.serial));
  if (!holder || holder->certificate != certificate.fingerprint || holder->files == 0) return Number{0};
  for (Cursor at_store = 0;;) {
    Cursor skipped_store = at_store;
    auto listed = snapshot.NextStore(at_store, &skipped_store);
    if (!listed.has_value()) {
      if (listed.error().code() != ErrorCode::kCorrupt || skipped_store <= at_store)
        return std::move(listed).error();
      at_store = skipped_store;
      continue;
    }
    const auto& store = listed.value();
    if (!store) return Number{0};
    at_store = store->at;
    if (!CountsAsPlace(store->item)) continue;
    for (Cursor after = 0;;) {
      Cursor skipped = after;
      auto next = snapshot.NextEntry(store->item.number, after, &skipped);
      if (!next.has_value()) {
        if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(next).error();
        after = skipped;
        continue;
      }
      if (!next.value()) break;
      after = next.value()->at;
      const Entry& entry = next.value()->item;
      if (entry.number == but || entry.is_staged() || !entry.file(Member::kCertificate)) continue;
      const SecretBytes bytes = TRY(ReadLive(snapshot, entry, Member::kCertificate));
      const auto outlines = OutlineCertificates(bytes.Reveal());
      if (outlines.has_value() && outlines.value().front().fingerprint == certificate.fingerprint)
        return entry.number;
    }
  }
}

std::optional<IndexedCertificate> LeafOf(std::span<const IndexedCertificate> file) {
  if (file.empty()) return {};
  return file.front();
}

}  // namespace

Result<std::optional<IssuedCertificate>> FindLine(TableSnapshot& snapshot,
                                                  const IndexedCertificate& certificate) {
  std::optional<IssuedCertificate> none;
  const auto serial = SerialIn(certificate.serial);
  if (!serial) return none;
  auto line = TRY(snapshot.FindIssued(*serial));
  if (!line || Sha256({line->certificate}) != certificate.fingerprint) return none;
  return line;
}

Result<std::vector<IndexedCertificate>> NotedIn(TableSnapshot& snapshot, const Entry& entry) {
  std::vector<IndexedCertificate> noted;
  if (!snapshot.has_authority() || !entry.file(Member::kCertificate)) return noted;
  Bytes der;
  const auto listed =
      snapshot.ListIssued(IssuedGroupKey::InEntry(entry.number), [&](Cursor, const IssuedCertificate& line) {
        der = line.certificate;
        return false;
      });
  // Of a line that is damaged as well nothing can be told.
  if (!listed.has_value() && listed.error().code() != ErrorCode::kCorrupt) return listed.error();
  if (der.empty()) return noted;
  const Certificate leaf = TRY(Certificate::FromDer(der));
  return Indexed({&leaf, 1});
}

Result<void> NotePlacement(TableTransaction& transaction, const Store& store, Number entry,
                           std::span<const IndexedCertificate> removed,
                           std::span<const IndexedCertificate> added) {
  if (!transaction.has_authority() || !CountsAsPlace(store)) return {};
  const auto leaving = LeafOf(removed);
  const auto coming = LeafOf(added);
  if (leaving && coming && leaving->fingerprint == coming->fingerprint) return {};
  // A line that is damaged can be told nothing; what is done with its certificate does not wait.
  const auto line_of = [&](const std::optional<IndexedCertificate>& certificate) {
    if (!certificate) return Result<std::optional<IssuedCertificate>>(std::nullopt);
    auto line = FindLine(transaction, *certificate);
    if (line.has_value() || line.error().code() != ErrorCode::kCorrupt) return line;
    return Result<std::optional<IssuedCertificate>>(std::nullopt);
  };
  std::optional<IssuedCertificate> old_line = TRY(line_of(leaving));
  std::optional<IssuedCertificate> new_line = TRY(line_of(coming));

  if (old_line) {
    if (old_line->entry == entry) old_line->entry = TRY(FindCopy(transaction, *leaving, entry));
    if (new_line) old_line->replaced_by = new_line->serial;
    const SerialNumber serial = old_line->serial;
    TRY(transaction.PutIssued(*std::move(old_line)));
    if (new_line) new_line->replaces = serial;
  }
  if (new_line) {
    new_line->entry = entry;
    new_line->replaced_by.reset();  // It may have been there before.
    TRY(transaction.PutIssued(*std::move(new_line)));
  }
  return {};
}

Result<void> NoteLiveCertificates(TableTransaction& transaction, const Store& store, const Entry& entry,
                                  std::span<const Certificate> removed, std::span<const Certificate> added) {
  const auto removed_indexed = removed.empty() ? TRY(NotedIn(transaction, entry)) : Indexed(removed);
  const auto added_indexed = Indexed(added);
  TRY(CountSerials(transaction, removed_indexed, added_indexed));
  return NotePlacement(transaction, store, entry.number, removed_indexed, added_indexed);
}

}  // namespace certfs
