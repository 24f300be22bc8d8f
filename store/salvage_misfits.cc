// What has no place in the new keystore, and gets one: Salvager's third part.

#include <algorithm>
#include <utility>
#include <vector>

#include "store/keystore_change.h"
#include "store/policy.h"
#include "store/salvager.h"

namespace certfs {

namespace {

std::vector<const StorePolicy*> ProtectedWithout(const std::set<std::string>& folded) {
  std::vector<const StorePolicy*> missing;
  for (const StorePolicy& policy : DefaultStores()) {
    if (!policy.removable && folded.count(FoldName(policy.name)) == 0) missing.push_back(&policy);
  }
  return missing;
}

}  // namespace

// --- Stores

void Salvager::GiveName(FoundStore& found, const StorePolicy& policy) {
  auto name = StoreName::Parse(policy.name);
  if (!name.has_value()) return;
  Store& store = found.store;
  store_names_.erase(FoldName(store.name.text()));
  store.name = std::move(name).value();
  store.attributes = PrivateAttributes(policy.mode);
  store_names_.insert(FoldName(store.name.text()));
  found.guessed = true;
}

// No keystore is without the protected stores, and none of them is ever renamed: where all stores are known
// save one, and all protected names are had save one, the one has the other. And nowhere but in BACKUP_STORE
// has a live entry an origin, or a name that has a store's in it.
void Salvager::GuessName() {
  for (auto& [number, found] : stores_) {
    const auto is_kept = [](const auto& each) {
      const Entry& entry = each.second.entry;
      return !entry.is_staged() && (entry.origin != 0 || !Alias::Parse(entry.alias.text()).has_value());
    };
    if (found.chosen.record == nullptr && store_names_.count(FoldName(kBackupStore)) == 0 &&
        std::ranges::any_of(found.entries, is_kept))
      GiveName(found, *std::ranges::find(DefaultStores(), kBackupStore, &StorePolicy::name));
  }
  if (!stores_whole_) return;
  const auto missing = ProtectedWithout(store_names_);
  std::vector<FoundStore*> lost;
  for (auto& [number, found] : stores_) {
    if (found.chosen.record == nullptr && found.listed && !found.guessed) lost.push_back(&found);
  }
  if (missing.size() == 1 && lost.size() == 1) GiveName(*lost.front(), *missing.front());
}

Result<void> Salvager::PutMissingStores() {
  for (const StorePolicy* const policy : ProtectedWithout(store_names_)) {
    StoreName name = TRY(StoreName::Parse(policy->name));
    store_names_.insert(FoldName(policy->name));
    Note(name.text(), Fate::kLost, "nothing says any more which store it was: it was made empty");
    TRY(load_.Add(BackupStore{std::move(name), PrivateAttributes(policy->mode), false}));
    ++report_.stores;
  }
  return {};
}

// --- Files

// What the record of an entry does not vouch for may be of another time than what stands beside it.
void Salvager::SetMisfitsApart(const FoundStore& found, Number number, const std::string& name,
                               const std::set<Member>& sure, BackupEntry& entry) {
  const StorePolicy policy = WithoutKinds(PolicyOf(found.store.name));
  Entry fitting;
  fitting.alias = entry.alias;
  for (const bool surely : {true, false}) {
    for (const Member member : kMembers) {
      if (!entry.file(member) || (sure.count(member) != 0) != surely) continue;
      if (MayHold(policy, fitting, member)) {
        fitting.file(member).emplace();
      } else {
        SetApart(number, member, name, entry);
      }
    }
  }
  const auto& certificate = entry.file(Member::kCertificate);
  const auto& key = entry.file(Member::kKey);
  if (policy.name == kBackupStore || entry.is_staged() || !certificate || !key) return;
  const auto outlines = OutlineCertificates(certificate->bytes.Reveal());
  if (!outlines.has_value()) return;
  const auto matches = OutlineMatches(key->bytes.Reveal(), outlines.value().front());
  if (matches.has_value() && matches.value()) return;
  const bool keeps_key = sure.count(Member::kKey) != 0 && sure.count(Member::kCertificate) == 0;
  SetApart(number, keeps_key ? Member::kCertificate : Member::kKey, name, entry);
}

void Salvager::SetApart(Number number, Member member, const std::string& name, BackupEntry& entry) {
  const std::string path = name + "/" + std::string(FileName(member));
  for (SalvagedItem& item : report_.items) {
    if (item.name != path) continue;
    item.fate = Fate::kDoubtful;
    item.detail = "it does not go with what else is left of the entry, and is in " + nameless_name_.text() +
                  "/" + FolderOf(number, member);
  }
  misfits_.push_back({number, member, *std::exchange(entry.file(member), std::nullopt)});
}

std::string Salvager::FolderOf(Number entry, Member member) const {
  std::string file(FileName(member));
  std::ranges::replace(file, '.', '-');
  return "number-" + std::to_string(entry) + "-" + file;
}

Result<void> Salvager::PutNameless() {
  FoundStore found;
  found.store.name = nameless_name_;
  found.store.attributes = PrivateAttributes(kForOwner);
  for (const auto& [number, files] : nameless_) {
    FoundEntry entry;
    entry.entry.number = number;
    entry.entry.alias = TRY(Alias::Parse("number-" + std::to_string(number)));
    entry.entry.attributes = PrivateAttributes(kForOwner);
    entry.entry.revision = 1;
    found.entries.emplace(number, std::move(entry));
  }
  if (found.entries.empty() && misfits_.empty()) return {};
  TRY(PutStore(found));
  return PutMisfits(found);
}

// Each gets an entry of its own, of the store that was put last.
Result<void> Salvager::PutMisfits(const FoundStore& nameless) {
  for (Misfit& each : std::exchange(misfits_, {})) {
    BackupEntry entry;
    entry.alias = TRY(Alias::Parse(FolderOf(each.entry, each.member)));
    const Attributes& of_file = each.file.attributes;
    entry.attributes = NewAttributes({of_file.uid, of_file.gid}, kForOwner, now_);
    entry.revision = 1;
    std::string name = nameless.store.name.text() + "/" + entry.alias.text();
    Note(name, Fate::kDoubtful, "it was made for a file that has no place elsewhere");
    ++report_.entries;
    // A request stands in a replacement only.
    if (!MayHold(PolicyOf(nameless.store.name), {}, each.member)) {
      TRY(load_.Add(entry));
      entry.alias = entry.alias.Next();
      name = nameless.store.name.text() + "/" + entry.alias.text();
      Note(name, Fate::kDoubtful, "it was made for a file that has no place elsewhere");
      ++report_.entries;
    }
    entry.file(each.member) = std::move(each.file);
    IndexSerials(nameless, name, entry);
    TRY(load_.Add(entry));
  }
  return {};
}

}  // namespace certfs
