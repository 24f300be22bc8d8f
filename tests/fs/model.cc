#include "tests/fs/model.h"

#include <algorithm>
#include <utility>

#include "tests/support/vectors.h"

namespace certfs::test {

namespace {

constexpr std::size_t kStartBytes = 64;
constexpr auto kSecondHalfAwaited = std::chrono::minutes(1);
constexpr std::string_view kProtected[] = {"machine_ssl_cert", "trusted_roots", "trusted_roots_crls",
                                           "backup_store"};

std::string Fold(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

bool IsProtected(const std::string& folded) {
  return std::find(std::begin(kProtected), std::end(kProtected), folded) != std::end(kProtected);
}

std::string Text(const std::string& vector) { return std::string(AsText(Vector(vector))); }

std::string StoreText(const std::string& vector) {
  return std::string(AsText(ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + vector)));
}

const Sample* SampleOf(const std::string& bytes) {
  for (const Sample& sample : Samples()) {
    if (sample.bytes == bytes) return &sample;
  }
  return nullptr;
}

bool IsKey(Member member) { return member == Member::kKey || member == Member::kSecret; }

}  // namespace

const std::vector<Sample>& Samples() {
  using enum ErrorCode;
  using enum Member;
  static const std::vector<Sample> samples = [] {
    std::vector<Sample> made{
        {"leaf", Text("leaf.pem"), kCertificate, "leaf", std::nullopt},
        {"chain", Text("chain.pem"), kCertificate, "leaf", std::nullopt},
        {"self-signed", Text("self-signed.pem"), kCertificate, "leaf", std::nullopt},
        {"root", Text("root.pem"), kCertificate, "root", std::nullopt, true},
        {"other-root", Text("other-root.pem"), kCertificate, "other-root", std::nullopt, true},
        {"expired", Text("expired.pem"), kCertificate, "leaf", kExpired},
        {"sha1", Text("sha1.pem"), kCertificate, "leaf", kRejected},
        {"leaf key", Text("leaf.key"), kKey, "leaf", std::nullopt},
        {"other key", Text("other.key"), kKey, "other", std::nullopt},
        {"second key", StoreText("serial.key"), kKey, "second", std::nullopt},
        {"second leaf", StoreText("serial-first.pem"), kCertificate, "second", std::nullopt},
        {"weak key", Text("rsa1024.key"), kKey, "weak", kRejected},
        {"encrypted key", Text("encrypted.key"), kKey, "leaf", kPasswordRequired},
        {"crl 5", Text("crl-5.pem"), kRevocationList, "", std::nullopt, false, "root", 5},
        {"crl 6", Text("crl-6.pem"), kRevocationList, "", std::nullopt, false, "root", 6},
        {"other crl", Text("crl-other.pem"), kRevocationList, "", std::nullopt, false, "other-root", 5},
        {"a password", "correct horse battery staple", kSecret, "", std::nullopt},
    };
    // What no certificate, key or CRL file begins with; and a chain that was cut off in its second
    // certificate.
    Sample garbage{"garbage", "garbage", kSecret, "", kMalformed};
    garbage.begins_well = false;
    made.push_back(garbage);
    const std::string chain = Text("chain.pem");
    made.push_back({"half a chain", chain.substr(0, chain.size() - 100), kCertificate, "leaf", kMalformed});
    return made;
  }();
  return samples;
}

Model::Model() {
  for (const char* const name : {"MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOTS_CRLS", "BACKUP_STORE",
                                 "machine", "vsphere-webclient", "vpxd", "vpxd-extension", "hvc",
                                 "data-encipherment", "APPLMGMT_PASSWORD", "SMS", "wcp", "KMS_ENCRYPTION"}) {
    stores[Fold(name)] = {next_id_++, name, name == std::string("BACKUP_STORE") ? 0700U : 0755U, {}};
  }
}

// --- Names

Outcome Model::MakeStore(const std::string& name) {
  if (stores.contains(Fold(name)) || Fold(name) == "trusted_root_crls") return ErrorCode::kAlreadyExists;
  stores[Fold(name)] = {next_id_++, name, 0755, {}};
  return std::nullopt;
}

Outcome Model::RemoveStore(const std::string& name) {
  const auto store = stores.find(Fold(name));
  if (store == stores.end() || store->second.name != name) return ErrorCode::kNotFound;
  if (IsProtected(store->first)) return ErrorCode::kNotPermitted;
  if (!store->second.entries.empty()) return ErrorCode::kNotEmpty;
  stores.erase(store);
  return std::nullopt;
}

Outcome Model::RenameStore(const std::string& from, const std::string& to) {
  if (IsProtected(Fold(from))) return ErrorCode::kNotPermitted;
  const auto store = stores.find(Fold(from));
  if (store == stores.end() || store->second.name != from) return ErrorCode::kNotFound;
  if (Fold(from) != Fold(to) && stores.contains(Fold(to))) return ErrorCode::kAlreadyExists;
  ModelStore moved = std::move(store->second);
  stores.erase(store);
  moved.name = to;
  for (auto& [alias, entry] : moved.entries) entry->store = Fold(to);
  stores[Fold(to)] = std::move(moved);
  return std::nullopt;
}

Outcome Model::MakeEntry(const std::string& store, const std::string& alias) {
  if (Fold(store) == "backup_store") return ErrorCode::kReadOnly;
  auto& entries = stores.at(Fold(store)).entries;
  if (entries.contains(Fold(alias))) return ErrorCode::kAlreadyExists;
  auto entry = std::make_shared<ModelEntry>();
  entry->alias = alias;
  entry->store = Fold(store);
  entry->mode = 0755;
  entries[Fold(alias)] = entry;
  return std::nullopt;
}

Outcome Model::RemoveEntry(const std::string& store, const std::string& alias, std::uint32_t uid) {
  auto& entries = stores.at(Fold(store)).entries;
  const auto entry = entries.find(Fold(alias));
  if (entry == entries.end() || entry->second->alias != alias) return ErrorCode::kNotFound;
  if (Fold(store) == "backup_store") {
    if (uid != 0) return ErrorCode::kNotPermitted;
    entry->second->alive = false;
    entries.erase(entry);
    return std::nullopt;
  }
  if (Fold(store) == "trusted_roots" && uid != 0) return ErrorCode::kNotPermitted;
  if (!entry->second->files.empty()) {
    return Fold(store) == "trusted_roots_crls" ? ErrorCode::kNotPermitted : ErrorCode::kNotEmpty;
  }
  if (entry->second->next) return ErrorCode::kNotEmpty;
  entry->second->alive = false;
  entries.erase(entry);
  return std::nullopt;
}

Outcome Model::RenameEntry(const std::string& store, const std::string& from, const std::string& to,
                           std::uint32_t uid) {
  auto& entries = stores.at(Fold(store)).entries;
  const auto entry = entries.find(Fold(from));
  if (entry == entries.end() || entry->second->alias != from) return ErrorCode::kNotFound;
  if (Fold(store) == "backup_store") return ErrorCode::kNotPermitted;
  if (Fold(store).starts_with("trusted_roots") && uid != 0) return ErrorCode::kNotPermitted;
  if (Fold(from) != Fold(to) && entries.contains(Fold(to))) return ErrorCode::kAlreadyExists;
  ModelEntryPointer moved = entry->second;
  entries.erase(entry);
  moved->alias = to;
  entries[Fold(to)] = moved;
  return std::nullopt;
}

Outcome Model::MakeNext(const ModelEntryPointer& entry) {
  if (entry->next) return ErrorCode::kAlreadyExists;
  if (auto wrong = MayCreate(entry, Member::kKey)) return wrong;
  entry->next = std::make_shared<ModelEntry>();
  entry->next->mode = 0755;
  entry->next->live = entry;
  return std::nullopt;
}

Outcome Model::RemoveNext(const ModelEntryPointer& entry) {
  if (!entry->next) return ErrorCode::kNotFound;
  if (!entry->next->files.empty()) return ErrorCode::kNotEmpty;
  entry->next->alive = false;
  entry->next.reset();
  return std::nullopt;
}

// Both are there and accepted: they replace the live ones at once, whose owner and mode stay.
void Model::GoLive(ModelEntry& staged) {
  ModelEntry& live = *staged.live.lock();
  const bool same = std::all_of(staged.files.begin(), staged.files.end(), [&](const auto& each) {
    const auto file = live.files.find(each.first);
    return file != live.files.end() && file->second.bytes == each.second.bytes;
  });
  if (!same) Keep(live);
  for (const auto& [member, file] : staged.files) {
    const auto there = live.files.find(member);
    if (there != live.files.end()) {
      there->second.bytes = file.bytes;
    } else {
      live.files[member] = file;
    }
  }
  if (!same) ++live.changes;
  staged.files.clear();
  ++staged.changes;
  ++went_live;
}

Outcome Model::RemoveFile(const ModelEntryPointer& entry, Member member, const Caller& caller) {
  if (!entry->files.contains(member)) {
    const bool there = entry->placeholders.erase({member, caller.uid}) != 0;
    return there ? std::nullopt : Outcome(ErrorCode::kNotFound);
  }
  ModelKept kept;
  if (!entry->staged()) {
    if (entry->store == "trusted_roots" && caller.uid != 0) return ErrorCode::kNotPermitted;
    if (entry->store == "trusted_roots_crls" || entry->store == "backup_store")
      return ErrorCode::kNotPermitted;
    kept = Keep(*entry, true);
  }
  Replaced(entry, member);
  removals_.push_back({caller.thread, entry, member, entry->files.at(member), kept, entry->changes, now});
  entry->files.erase(member);
  return std::nullopt;
}

void Model::Replaced(const ModelEntryPointer& entry, Member member) {
  std::erase_if(removals_, [&](const ModelRemoval& removal) {
    return removal.entry == entry && removal.member == member;
  });
}

// What the writer's process had removed returns, if nothing else has changed since.
void Model::BringBack(ModelWriter& writer) {
  const std::optional<ModelRemoval> removal = std::exchange(writer.removed, std::nullopt);
  if (!removal) return;
  ModelEntry& entry = *removal->entry;
  if (!entry.alive || entry.files.contains(removal->member) || entry.changes != removal->changes) return;
  entry.files[removal->member] = removal->file;
  ++brought_back;
  const ModelKept& kept = removal->kept;
  if (!kept.place || !kept.place->alive || kept.place->changes != kept.changes) return;
  ++kept.place->changes;
  kept.place->files = kept.files;
  kept.place->origin = kept.origin;
  if (kept.was_there) return;
  kept.place->alive = false;
  std::erase_if(stores.at("backup_store").entries,
                [&](const auto& each) { return each.second == kept.place; });
}

void Model::Undo(ModelWriter& writer) {
  writer.buffer.clear();
  writer.dirty = false;
  if (std::exchange(writer.placeholder, false))
    writer.entry->placeholders.erase({writer.member, writer.uid_of_opener});
  BringBack(writer);
}

Outcome Model::Chmod(const ModelEntryPointer& entry, Member member, std::uint32_t mode) {
  if (entry->store == "backup_store") return ErrorCode::kNotPermitted;
  if (IsKey(member) && (mode & 7) != 0) return ErrorCode::kNotPermitted;
  entry->files.at(member).mode = mode;
  return std::nullopt;
}

// Where the state of `entry` goes: to bkp_<alias>; to bkp_<alias>@<STORE> where another store has that; and
// so on where that is one's that was called so before. What a store that is gone has left gives way: under a
// name with a store's, to the store of that name; under the first one, to what a later store writes.
ModelEntryPointer Model::PlaceToKeep(const ModelEntry& entry, bool removes, bool& was_there) {
  const ModelStore& store = stores.at(entry.store);
  auto& kept = stores.at("backup_store").entries;
  const auto is_gone = [&](int id) {
    return std::none_of(stores.begin(), stores.end(), [&](const auto& each) { return each.second.id == id; });
  };
  was_there = true;
  std::string name = "bkp_" + entry.alias;
  const std::string first_name = name;
  ModelEntryPointer left;
  ModelEntryPointer first;
  for (int at = 0;; ++at) {
    if (at == 1) name = first_name + "@" + store.name;
    if (at > 1) name = first_name + "@@" + std::to_string(at);
    const auto there = kept.find(Fold(name));
    if (there == kept.end() && at == 0) continue;
    if (there == kept.end()) break;
    if (there->second->origin == store.id) return there->second;
    if (at == 0) first = there->second;
    if (at > 0 && !left && is_gone(there->second->origin)) left = there->second;
  }
  if (left) return left;
  if (first && !removes && store.id > first->id && is_gone(first->origin)) return first;
  was_there = false;
  auto made = std::make_shared<ModelEntry>();
  made->alias = first ? name : first_name;
  made->store = "backup_store";
  made->mode = entry.mode;
  made->origin = store.id;
  made->id = next_id_++;
  return kept[Fold(made->alias)] = made;
}

ModelKept Model::Keep(const ModelEntry& entry, bool removes) {
  if (entry.files.empty()) return {};
  bool was_there = true;
  const ModelEntryPointer place = PlaceToKeep(entry, removes, was_there);
  const int origin = std::exchange(place->origin, stores.at(entry.store).id);
  bool holds_all = true;
  for (const auto& [member, file] : entry.files) {
    const auto same = place->files.find(member);
    holds_all = holds_all && same != place->files.end() && same->second.bytes == file.bytes;
  }
  if (holds_all) return {};
  ModelKept displaced{place, was_there, place->files, origin, ++place->changes};
  place->files = entry.files;
  return displaced;
}

// --- Files

Outcome Model::MayCreate(const ModelEntryPointer& entry, Member member) const {
  using enum Member;
  const std::string store = entry->staged() ? entry->live.lock()->store : entry->store;
  if (store == "backup_store") return ErrorCode::kReadOnly;
  const bool pair = member == kCertificate || member == kKey;
  bool holds = pair || !entry->staged();
  if (store == "machine_ssl_cert") holds = pair;
  if (store == "trusted_roots") holds = member == kCertificate;
  if (store == "trusted_roots_crls") holds = member == kRevocationList;
  if (store == "applmgmt_password") holds = member == kSecret;
  for (const auto& [other, file] : entry->files) {
    const bool other_pair = other == kCertificate || other == kKey;
    holds = holds && (other == member || (pair && other_pair));
  }
  return holds ? std::nullopt : Outcome(ErrorCode::kNotPermitted);
}

bool Model::IsTrusted(const std::string& sample) const {
  for (const auto& [alias, entry] : stores.at("trusted_roots").entries) {
    const auto certificate = entry->files.find(Member::kCertificate);
    if (certificate == entry->files.end()) continue;
    if (const Sample* const root = SampleOf(certificate->second.bytes); root && root->name == sample)
      return true;
  }
  return false;
}

Outcome Model::JudgeList(const ModelEntry& entry, const Sample& list) const {
  if (entry.store == "trusted_roots_crls") {
    // One alias for each issuer.
    for (const auto& [alias, other] : stores.at("trusted_roots_crls").entries) {
      const auto file = other->files.find(Member::kRevocationList);
      if (other.get() == &entry || file == other->files.end()) continue;
      if (SampleOf(file->second.bytes)->issuer == list.issuer) return ErrorCode::kAlreadyExists;
    }
    if (!IsTrusted(list.issuer)) return ErrorCode::kRejected;
    if (const auto live = entry.files.find(Member::kRevocationList); live != entry.files.end()) {
      const Sample* const old = SampleOf(live->second.bytes);
      if (old->issuer != list.issuer || old->number >= list.number) return ErrorCode::kRejected;
    }
  }
  return std::nullopt;
}

Outcome Model::Judge(const ModelEntry& entry, Member member, const std::string& bytes) const {
  if (member == Member::kSecret) return std::nullopt;
  const Sample* const sample = SampleOf(bytes);
  if (sample == nullptr || sample->kind != member) return ErrorCode::kMalformed;
  if (sample->refusal == ErrorCode::kMalformed || sample->refusal == ErrorCode::kPasswordRequired) {
    return sample->refusal;
  }
  if (member == Member::kRevocationList) return JudgeList(entry, *sample);
  if (entry.store == "trusted_roots") {
    if (sample->name == "chain" || !sample->authority) {
      return sample->name == "chain" ? ErrorCode::kMalformed : ErrorCode::kRejected;
    }
    return std::nullopt;
  }
  const auto partner = entry.files.find(member == Member::kCertificate ? Member::kKey : Member::kCertificate);
  if (partner != entry.files.end() && SampleOf(partner->second.bytes)->pair != sample->pair) {
    return ErrorCode::kRejected;
  }
  const std::string store = entry.staged() ? entry.live.lock()->store : entry.store;
  if (store == "machine_ssl_cert" && member == Member::kCertificate) {
    // Server rules: the chain reaches a trusted root, or the certificate is its own issuer.
    if (sample->refusal == ErrorCode::kExpired)
      return ErrorCode::kRejected;  // No chain: decided before dates.
    if (sample->name == "self-signed") return std::nullopt;
    return sample->name == "chain" && IsTrusted("root") ? std::nullopt : Outcome(ErrorCode::kRejected);
  }
  return sample->refusal;
}

// --- Writers

ModelWriter Model::Open(const ModelEntryPointer& entry, Member member, const Caller& caller, bool edit) {
  ModelWriter writer{entry, member, caller.uid, IsKey(member) ? 0600U : 0644U, caller.thread};
  writer.uid_of_opener = caller.uid;
  const auto live = entry->files.find(member);
  if (live != entry->files.end()) {
    writer.uid = live->second.uid;
    writer.mode = live->second.mode;
    if (edit) writer.buffer = live->second.bytes;
    return writer;
  }
  writer.created = true;
  for (auto removal = removals_.begin(); removal != removals_.end(); ++removal) {
    if (removal->process != caller.thread || removal->entry != entry || removal->member != member) continue;
    if (removal->when + kSecondHalfAwaited >= now) {
      writer.created = false;
      writer.uid = removal->file.uid;
      writer.mode = removal->file.mode;
      writer.removed = *removal;
    }
    removals_.erase(removal);
    break;
  }
  return writer;
}

Outcome Model::Write(ModelWriter& writer, std::int32_t process, std::size_t offset,
                     const std::string& bytes) {
  if (writer.refused) return writer.refused;
  if (writer.buffer.size() < offset + bytes.size()) writer.buffer.resize(offset + bytes.size());
  writer.buffer.replace(offset, bytes.size(), bytes);
  writer.dirty = true;
  writer.last_writer = process;
  if (offset < kStartBytes && writer.member != Member::kSecret) {
    const Sample* const sample = SampleOf(writer.buffer);
    if ((sample && !sample->begins_well) || writer.buffer.starts_with("correct horse")) {
      Undo(writer);
      writer.refused = ErrorCode::kMalformed;
    }
  }
  return writer.refused;
}

Outcome Model::Empty(ModelWriter& writer) const {
  writer.buffer.clear();
  writer.dirty = false;
  writer.refused.reset();
  return std::nullopt;
}

Outcome Model::Flush(ModelWriter& writer, std::int32_t process, bool dying) {
  if (!writer.dirty) {
    if (process != writer.opener || writer.refused)
      return process == writer.opener ? writer.refused : std::nullopt;
    BringBack(writer);
    // Created empty: its creator sees it.
    const bool due = writer.created && !writer.committed && !writer.placeholder && writer.buffer.empty();
    if (due && writer.entry->alive && !writer.entry->files.contains(writer.member))
      writer.placeholder = writer.entry->placeholders.insert({writer.member, writer.uid_of_opener}).second;
    return std::nullopt;
  }
  if (dying && process == writer.last_writer) {
    Undo(writer);
    writer.refused = ErrorCode::kCancelled;
    return std::nullopt;
  }
  if (dying || process != writer.opener) return std::nullopt;
  return Commit(writer);
}

Outcome Model::Commit(ModelWriter& writer) {
  if (writer.refused) return writer.refused;
  if (!writer.dirty || writer.buffer.empty()) return std::nullopt;
  ModelEntry& entry = *writer.entry;
  const auto refuse = [&](ErrorCode code) {
    Undo(writer);
    writer.refused = code;
    return writer.refused;
  };
  if (!entry.alive) return refuse(ErrorCode::kNotFound);
  if (auto wrong = MayCreate(writer.entry, writer.member)) return refuse(*wrong);
  const auto live = entry.files.find(writer.member);
  const bool same = live != entry.files.end() && live->second.bytes == writer.buffer;
  if (entry.staged()) {
    if (auto wrong = MayCreate(entry.live.lock(), Member::kKey)) return refuse(*wrong);
  }
  if (!same) {
    if (auto judged = Judge(entry, writer.member, writer.buffer)) return refuse(*judged);
    if (!entry.staged()) Keep(entry);
    if (live != entry.files.end()) {
      live->second.bytes = writer.buffer;
    } else {
      entry.files[writer.member] = {writer.buffer, writer.mode, writer.uid};
    }
    ++entry.changes;
  }
  writer.committed = true;
  writer.placeholder = false;
  writer.removed.reset();
  if (entry.staged() && entry.files.size() == 2) {
    GoLive(entry);
    const ModelEntryPointer holder = entry.live.lock();
    for (const ModelEntryPointer& each : {writer.entry, holder}) {
      Replaced(each, writer.member);
      std::erase_if(each->placeholders,
                    [&](const auto& name) { return holder->files.contains(name.member); });
    }
    ModelFile& file = entry.live.lock()->files.at(writer.member);
    writer.uid = file.uid;
    writer.mode = file.mode;
    writer.dirty = false;
    return std::nullopt;
  }
  Replaced(writer.entry, writer.member);
  std::erase_if(entry.placeholders, [&](const auto& name) { return entry.files.contains(name.member); });
  writer.uid = entry.files[writer.member].uid;
  writer.mode = entry.files[writer.member].mode;
  writer.dirty = false;
  return std::nullopt;
}

void Model::Release(ModelWriter& writer) {
  if (writer.dirty) static_cast<void>(Commit(writer));
  BringBack(writer);
}

}  // namespace certfs::test
