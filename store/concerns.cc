#include "store/concerns.h"

#include <algorithm>
#include <array>
#include <utility>

#include "store/concern_actions.h"
#include "store/policy.h"

namespace certfs {

namespace {

constexpr std::array<std::string_view, 3> kUrgencies{"critical", "warning", "info"};

Urgency UrgencyNamed(std::string_view severity) {
  const auto* const found = std::find(kUrgencies.begin(), kUrgencies.end(), severity);
  return found == kUrgencies.end() ? Urgency::kInfo : static_cast<Urgency>(found - kUrgencies.begin());
}

// What is found of one entry.
class EntryConcerns {
 public:
  EntryConcerns(const ConcernSources& from, const InspectedStore& store, const InspectedEntry& entry,
                std::vector<Concern>& concerns)
      : from_(from), store_(store), entry_(entry), concerns_(concerns) {
    about_ = {store.name, entry.alias, entry.list.has_value(), store.trust, false};
    about_.renewable = !store.trust && !entry.issuers.empty() && !entry.chain.front()->self_signed &&
                       from.own_authorities.contains(entry.issuers.front());
  }

  void Find() {
    if (!entry_.damage.empty()) return Add("damaged", Urgency::kCritical, entry_.damage);
    FindRevoked();
    for (const Finding& each : entry_.findings) {
      if (each.severity == Severity::kFix) continue;
      std::string detail = std::string(each.rule->summary) + ": " + each.subject;
      if (!each.detail.empty()) detail += ": " + each.detail;
      Add(each.rule->id, UrgencyOf(each), std::move(detail));
    }
    FindExpiring();
  }

 private:
  void Add(std::string_view id, Urgency urgency, std::string detail) {
    concerns_.push_back({std::string(id), urgency, PathOf(store_, entry_), std::move(detail),
                         ActionOf(id, about_), store_.open && entry_.open});
  }

  void FindRevoked() {
    if (store_.trust || !from_.inspection.revocations) return;
    for (std::size_t i = 0; i < entry_.chain.size(); ++i) {
      const auto* const by = from_.inspection.revocations->Find(*entry_.chain[i], entry_.issuers[i]);
      if (by == nullptr) continue;
      const Rule& rule = RuleById("revoked");
      Add(rule.id, Urgency::kCritical,
          std::string(rule.summary) + ": certificate " + std::to_string(i + 1) + " (" +
              entry_.chain[i]->subject + "): by the CRL of " + by->list);
    }
  }

  // An entry is good for as long as all that its chain takes is. An anchor near its end is no alarm: what
  // still depends on it has one of its own.
  void FindExpiring() {
    if (entry_.chain.empty()) return;
    const InspectedCertificate& first = entry_.first_end();
    const auto left = first.not_after - from_.now;
    if (left < std::chrono::seconds(0) || left > kExpiryWarning) return;
    const bool alarm = left <= kExpiryAlarm && !store_.trust;
    Add("expiring", alarm ? Urgency::kCritical : Urgency::kWarning,
        "expires " + FormatTimestamp(first.not_after) +
            (&first == entry_.chain.front().get() ? "" : ", because its issuer does: " + first.subject));
  }

  const ConcernSources& from_;
  const InspectedStore& store_;
  const InspectedEntry& entry_;
  std::vector<Concern>& concerns_;
  ActionSubject about_;
};

// Which findings of the ledger an entry's own findings say as well, and of which entries everybody may know.
struct Seen {
  std::set<std::pair<std::string_view, std::string>> said;  // Rule and subject.
  std::set<std::string> open;                               // Paths.
};

void AddOfAuthority(const ConcernSources& from, const Seen& seen, std::vector<Concern>& concerns) {
  for (const HealthFinding& each : from.authority) {
    const std::string_view same = each.id == "revoked-live"   ? "revoked"
                                  : each.id == "expired-live" ? "expired"
                                                              : "";
    if (!same.empty() && seen.said.contains({same, each.subject})) continue;
    ActionSubject about;
    about.renewable = each.id.ends_with("-live");
    const std::size_t slash = each.subject.find('/');
    if (about.renewable && slash != std::string::npos) {
      about.store = std::string_view(each.subject).substr(0, slash);
      about.alias = std::string_view(each.subject).substr(slash + 1);
    }
    // Of an entry that was not seen, because its store is damaged, nobody knows who may know.
    const bool open = !about.renewable || seen.open.contains(each.subject);
    concerns.push_back({std::string(each.id), UrgencyNamed(each.severity), each.subject, each.detail,
                        ActionOf(each.id, about), open});
  }
}

void AddOfKeystore(const ConcernSources& from, bool has_keys, std::vector<Concern>& concerns) {
  // Where there is nothing but what everybody has, nobody loses anything.
  if (has_keys && !from.backup_read)
    concerns.push_back({"backup-never-read", Urgency::kWarning, "backup/keystore.cms",
                        "there are private keys, and the backup of the keystore was never read",
                        ActionOf("backup-never-read", {})});
  if (has_keys && !from.has_export_password)
    concerns.push_back({"export-password-unset", Urgency::kInfo, "export/",
                        "files that bear keys (*.p12, vmo-server.vmokeystore) cannot be read without an "
                        "export password",
                        ActionOf("export-password-unset", {})});
  if (from.inspection.revocations && from.inspection.revocations->damaged)
    concerns.push_back({"damaged", Urgency::kCritical, std::string(kTrustedLists),
                        "a CRL in it cannot be read: what that revokes nobody can tell",
                        ActionOf("damaged", {})});
  if (from.inspection.damaged)
    concerns.push_back({"damaged", Urgency::kCritical, "stores/", "there are stores that cannot be read",
                        ActionOf("damaged", {})});
}

}  // namespace

std::string_view ToString(Urgency urgency) { return kUrgencies[static_cast<std::size_t>(urgency)]; }

std::vector<Concern> Sorted(std::vector<Concern> concerns) {
  const auto key = [](const Concern& each) {
    return std::tie(each.urgency, each.subject, each.id, each.detail);
  };
  std::stable_sort(concerns.begin(), concerns.end(),
                   [&](const Concern& a, const Concern& b) { return key(a) < key(b); });
  return concerns;
}

std::vector<Concern> ConcernsOf(const ConcernSources& from) {
  std::vector<Concern> concerns;
  Seen seen;
  bool has_keys = false;
  for (const auto& store : from.inspection.stores) {
    bool unnamed = store->damaged;
    for (const auto& entry : store->entries) {
      EntryConcerns(from, *store, *entry, concerns).Find();
      has_keys = has_keys || (entry->members & (SetOf(Member::kKey) | SetOf(Member::kSecret))) != 0;
      unnamed = unnamed && entry->damage.empty();
      if (store->open && entry->open) seen.open.insert(PathOf(*store, *entry));
    }
    if (unnamed)
      concerns.push_back({"damaged", Urgency::kCritical, store->name,
                          "entries of it cannot be read, nor even named", ActionOf("damaged", {}),
                          store->open});
  }
  for (const Concern& each : concerns) {
    if (each.id == "revoked" || each.id == "expired")
      seen.said.emplace(each.id == "revoked" ? "revoked" : "expired", each.subject);
  }
  AddOfAuthority(from, seen, concerns);
  AddOfKeystore(from, has_keys, concerns);
  return Sorted(std::move(concerns));
}

std::vector<Concern> ForEverybody(std::vector<Concern> concerns) {
  for (Concern& each : concerns) {
    if (each.open) continue;
    each.subject = "an entry that not everybody may read";
    each.detail = "root, and whom the mount belongs to, sees more";
    each.action.clear();
  }
  return Sorted(std::move(concerns));
}

}  // namespace certfs
