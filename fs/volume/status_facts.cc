#include "fs/volume/status_facts.h"

#include <algorithm>
#include <utility>

#include "crypto/issuer_link.h"

namespace certfs {

namespace {

// What everybody may know of it; the same where that is everything.
std::shared_ptr<const Inspection> Opened(const std::shared_ptr<const Inspection>& inspection) {
  auto opened = std::make_shared<Inspection>(*inspection);
  bool hides = false;
  for (auto& store : opened->stores) {
    const bool all = store->open && std::all_of(store->entries.begin(), store->entries.end(),
                                                [](const auto& entry) { return entry->open; });
    if (all) continue;
    hides = true;
    auto shown = std::make_shared<InspectedStore>(*store);
    std::erase_if(shown->entries, [&](const auto& entry) { return !store->open || !entry->open; });
    store = std::move(shown);
  }
  return hides ? opened : inspection;
}

StatusFactsPointer Kept(const StatusFactsPointer& before, StatusFacts now) {
  if (before && *before == now) return before;
  return std::make_shared<const StatusFacts>(std::move(now));
}

}  // namespace

std::string_view StatusOf(const std::vector<Concern>& concerns) {
  const auto has = [&](Urgency urgency) {
    return std::any_of(concerns.begin(), concerns.end(),
                       [&](const Concern& each) { return each.urgency == urgency; });
  };
  return has(Urgency::kCritical) ? "critical" : has(Urgency::kWarning) ? "warning" : "ok";
}

StatusFactsSource::StatusFactsSource(Keystore& keystore, CertificateAuthority& authority,
                                     const BackupNote& note, std::string version)
    : keystore_(keystore),
      authority_(authority),
      note_(note),
      version_(version.substr(0, version.find('\n'))),
      inspector_(keystore) {}

Result<StatusFacts> StatusFactsSource::FindOut(TableSnapshot& snapshot,
                                               std::shared_ptr<const Inspection> inspection,
                                               const Moment& moment, std::chrono::sys_seconds now) {
  StatusFacts facts;
  facts.version = version_;
  facts.inspection = std::move(inspection);
  facts.today = std::chrono::floor<std::chrono::days>(now);
  facts.keystore_backed_up = moment.backed_up;
  ConcernSources sources{*facts.inspection, now, {}, {}, false, moment.backed_up != Time{}};
  sources.has_export_password = !TRY(snapshot.GetSettings()).export_password.empty();
  const auto examine = [&]() -> Result<void> {
    const AuthorityRecord record = TRY(snapshot.GetAuthority());
    facts.has_authority = record.Issuing() != nullptr;
    facts.authority_backed_up = record.backed_up;
    for (const AuthorityCertificate& each : record.certificates)
      sources.own_authorities.insert(HolderOf(TRY(Certificate::FromDer(each.certificate))));
    sources.authority = TRY(authority_.Health(snapshot));
    return {};
  };
  const auto examined = examine();
  if (!examined.has_value()) {
    // Of damage whoever watches is to hear: the files must not go with what is damaged.
    if (examined.error().code() != ErrorCode::kCorrupt) return examined.error();
    sources.authority = {{"authority-damaged", "critical", "the certificate authority",
                          examined.error().message() + "; nothing else of it is examined"}};
  }
  if (!moment.failure.empty())
    sources.authority.push_back({"crl-not-signed", "critical", "ca/crl.pem", moment.failure});
  facts.concerns = ConcernsOf(sources);
  return facts;
}

Result<StatusFactsPointer> StatusFactsSource::Get(Audience audience,
                                                  const std::optional<Error>& list_failure) {
  const auto known = [&] {
    const std::lock_guard lock(mutex_);
    return audience == Audience::kOwner ? owner_ : everybody_;
  };
  std::unique_lock looking(looking_, kPatience);
  if (!looking) {
    if (auto before = known()) return before;
    const bool too_many = ++waiting_ > kWaitersMax;
    if (!too_many) looking.lock();
    --waiting_;
    if (too_many)
      return Error(ErrorCode::kBusy,
                   "the stores are looked at for the first time since they were mounted; "
                   "try again in some seconds");
  }
  for (;;) {
    const auto now = std::chrono::floor<std::chrono::seconds>(keystore_.Now());
    const auto snapshot = TRY(keystore_.Snapshot());
    Moment moment;
    moment.commit = snapshot->commit();
    moment.minute = std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
    if (list_failure) moment.failure = list_failure->message();
    moment.backed_up = note_.Get();
    if (moment_ == moment) return known();
    auto inspection = TRY(inspector_.Inspect(*snapshot, now));
    // A snapshot is not held for as long as a whole keystore takes to judge.
    if (!inspection) continue;
    Keep(TRY(FindOut(*snapshot, std::move(inspection), moment, now)), std::move(moment));
    return known();
  }
}

void StatusFactsSource::Keep(StatusFacts facts, Moment moment) {
  const std::lock_guard lock(mutex_);
  owner_ = Kept(owner_, facts);
  if (opened_of_ != facts.inspection) opened_ = Opened(facts.inspection);
  opened_of_ = facts.inspection;
  facts.inspection = opened_;
  facts.hides = facts.inspection != owner_->inspection;
  facts.concerns = ForEverybody(std::move(facts.concerns));
  everybody_ = Kept(everybody_, std::move(facts));
  moment_ = std::move(moment);
}

}  // namespace certfs
