#include "store/inspection.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "crypto/issuer_link.h"
#include "store/policy.h"

namespace certfs {

namespace {

constexpr auto kClockSkew =
    std::chrono::hours(24);  // As the rules "valid-tomorrow" and "crl-from-the-future".
constexpr std::uint32_t kOthersEnter = 0005;

std::shared_ptr<const Revocations> RevocationsOf(const Trust& trust) {
  auto revocations = std::make_shared<Revocations>();
  revocations->damaged = trust.lists_damaged;
  for (const RevocationList& list : trust.set.lists()) {
    const auto signer = trust.set.SignerOf(list);
    if (!signer) continue;
    Revocations::Of& of = revocations->by_issuer[HolderOf(*signer)];
    of.list = list.issuer();
    for (const RevokedSerial& each : list.revoked()) of.serials.push_back(each.serial);
  }
  for (auto& [issuer, of] : revocations->by_issuer) std::sort(of.serials.begin(), of.serials.end());
  return revocations;
}

Digest IdentityOf(const std::vector<Certificate>& authorities) {
  Bytes fingerprints;
  for (const Certificate& each : authorities)
    fingerprints.insert(fingerprints.end(), each.fingerprint().begin(), each.fingerprint().end());
  return Sha256({fingerprints});
}

// The entries of a store by alias, those that wait in next/ left out; kCorrupt says that some are missing.
Result<void> ListLive(TableSnapshot& snapshot, Number store, std::map<std::string, Number>& by_alias) {
  return snapshot.ListEntries(store, 0, [&](Cursor, const EntryHead& head) {
    if (!head.is_staged()) by_alias.emplace(head.alias.text(), head.number);
    return true;
  });
}

}  // namespace

const Revocations::Of* Revocations::Find(const InspectedCertificate& certificate,
                                         const Digest& issuer) const {
  const auto found = by_issuer.find(issuer);
  if (found == by_issuer.end() || !certificate.serial_number) return nullptr;
  const auto& serials = found->second.serials;
  return std::binary_search(serials.begin(), serials.end(), *certificate.serial_number) ? &found->second
                                                                                        : nullptr;
}

std::string PathOf(const InspectedStore& store, const InspectedEntry& entry) {
  return store.name + "/" + entry.alias;
}

// A moment that is named as the last one of validity still belongs to it.
void Boundaries::Add(std::chrono::sys_seconds from, std::optional<std::chrono::sys_seconds> until) {
  moments_.insert({from - kClockSkew, from});
  if (until) moments_.insert(*until + std::chrono::seconds(1));
}

Lasting Boundaries::Around(std::chrono::sys_seconds now) const {
  const auto next = moments_.upper_bound(now);
  Lasting lasting;
  if (next != moments_.end()) lasting.until = *next;
  if (next != moments_.begin()) lasting.from = *std::prev(next);
  return lasting;
}

void Lasting::Narrow(const Lasting& other) {
  if (other.from && (!from || *from < *other.from)) from = other.from;
  if (other.until && (!until || *other.until < *until)) until = other.until;
}

Result<bool> Inspector::UpdateTrust(TableSnapshot& snapshot) {
  auto trust = keystore_.GetTrust(snapshot);
  const bool damaged = !trust.has_value() && trust.error().code() == ErrorCode::kCorrupt;
  if (!trust.has_value() && !damaged) return std::move(trust).error();
  std::shared_ptr<const Trust> now =
      damaged ? std::make_shared<const Trust>(Trust{TrustSet({}, {}), {}, true}) : std::move(trust).value();
  if (anchors_.from == now) return true;
  revocations_ = RevocationsOf(*now);
  const std::vector<Certificate>& authorities = now->set.authorities();
  const Digest identity = IdentityOf(authorities);
  if (identity != anchors_.identity) {
    anchors_.identity = identity;
    anchors_.set = TrustSet(authorities, {});
    anchors_.by_subject.clear();
    anchors_.boundaries = Boundaries();
    for (const Certificate& each : authorities) {
      anchors_.by_subject.emplace(SubjectNumber(each), each);
      anchors_.boundaries.Add(each.not_before(), each.not_after());
    }
  }
  anchors_.from = std::move(now);
  return !damaged;
}

Result<Inspector::Walk> Inspector::BeginWalk(TableSnapshot& snapshot, const Store& store,
                                             std::shared_ptr<InspectedStore> found,
                                             std::chrono::sys_seconds now) {
  if (stopped_ && stopped_->store == store.number) {
    Walk walk = *std::exchange(stopped_, std::nullopt);
    if (walk.entries == store.entries && walk.anchors == anchors_.identity && walk.lasting.Holds(now) &&
        walk.found->name == found->name && walk.found->open == found->open)
      return walk;
  }
  Walk walk{store.number, store.entries, anchors_.identity, {}, std::move(found), {}};
  const auto listed = ListLive(snapshot, store.number, walk.left);
  if (!listed.has_value() && listed.error().code() != ErrorCode::kCorrupt) return listed.error();
  walk.found->damaged = !listed.has_value();
  return walk;
}

Result<std::shared_ptr<const InspectedStore>> Inspector::InspectStore(TableSnapshot& snapshot,
                                                                      const Store& store,
                                                                      std::chrono::sys_seconds now) {
  auto found = std::make_shared<InspectedStore>();
  found->name = store.name.text();
  found->trust = PolicyOf(store.name).rules == RuleSet::kTrust;
  found->open = (store.attributes.mode & kOthersEnter) == kOthersEnter;
  KnownStore& known = stores_[store.number];
  const bool same = known.store && known.entries == store.entries && known.anchors == anchors_.identity &&
                    known.store->name == found->name && known.store->open == found->open;
  if (same && known.lasting.Holds(now)) return known.store;
  Walk walk = TRY(BeginWalk(snapshot, store, std::move(found), now));
  while (!walk.left.empty()) {
    const auto& [alias, number] = *walk.left.begin();
    const auto mark = TRY(snapshot.FindEntryMark(number));
    KnownEntry& entry = entries_[number];
    const bool current = entry.entry && mark && entry.mark == *mark && entry.anchors == anchors_.identity &&
                         entry.entry->damage.empty() && entry.lasting.Holds(now);
    if (!current) {
      if (left_ == 0) {
        stopped_ = std::move(walk);
        return std::shared_ptr<const InspectedStore>();
      }
      entry = TRY(InspectEntry(snapshot, store, alias, number, now));
      entry.mark = mark.value_or(0);
    }
    walk.found->damaged = walk.found->damaged || !entry.entry->damage.empty();
    walk.lasting.Narrow(entry.lasting);
    walk.found->entries.push_back(entry.entry);
    walk.left.erase(walk.left.begin());
  }
  // What is damaged may be put right, and no digest would tell.
  known = {walk.found->damaged ? Digest{} : store.entries, anchors_.identity, walk.lasting, walk.found};
  return known.store;
}

void Inspector::ForgetOthers(const Inspection& inspection, const std::set<Number>& stores) {
  std::unordered_set<Number> there;
  for (const auto& store : inspection.stores) {
    for (const InspectedEntryPointer& each : store->entries) there.insert(each->number);
  }
  std::erase_if(stores_, [&](const auto& each) { return !stores.contains(each.first); });
  std::erase_if(entries_, [&](const auto& each) { return !there.contains(each.first); });
}

Result<std::shared_ptr<const Inspection>> Inspector::Inspect(TableSnapshot& snapshot,
                                                             std::chrono::sys_seconds now) {
  const std::lock_guard lock(mutex_);
  left_ = kVerdictsMax;
  auto inspection = std::make_shared<Inspection>();
  inspection->damaged = !TRY(UpdateTrust(snapshot));
  inspection->revocations = revocations_;
  std::map<std::string, std::shared_ptr<const InspectedStore>> by_name;
  std::set<Number> there;
  for (Cursor after = 0;;) {
    Cursor skipped = after;
    auto next = snapshot.NextStore(after, &skipped);
    if (!next.has_value()) {
      if (next.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(next).error();
      inspection->damaged = true;
      after = skipped;
      continue;
    }
    if (!next.value()) break;
    after = next.value()->at;
    const Store& store = next.value()->item;
    there.insert(store.number);
    if (PolicyOf(store.name).holds == Holds::kNothing) continue;
    auto found = TRY(InspectStore(snapshot, store, now));
    if (!found) return std::shared_ptr<const Inspection>();
    by_name.emplace(found->name, std::move(found));
  }
  for (auto& [name, store] : by_name) inspection->stores.push_back(std::move(store));
  stopped_.reset();
  if (last_ && *last_ == *inspection) return last_;
  ForgetOthers(*inspection, there);
  last_ = std::move(inspection);
  return last_;
}

std::uint64_t Inspector::verdicts() const {
  const std::lock_guard lock(mutex_);
  return verdicts_;
}

}  // namespace certfs
