// ca/: the authority's public face, what it issued, its profiles; and backup/ca.p12 (fs/README.md, "The
// authority").

#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

// Offsets of a listing: "." and "..", the fixed children, then the lines of the ledger by their cursors. A
// line has up to three files, which stand behind each other: cursors are 62 bits of a digest, and none of
// another line comes between.
constexpr std::uint64_t kBehindDots = 2;
constexpr std::uint64_t kBehindFixed = 8;
constexpr std::uint64_t kFilesOfLineMax = 3;

struct FixedChildOfCa {
  std::string_view name;
  Fixed fixed;
};
constexpr FixedChildOfCa kChildren[] = {
    {"requests", Fixed::kRequests},
    {"issued", Fixed::kIssued},
    {"profiles", Fixed::kProfiles},
    {"control", Fixed::kControl},
};

Node NodeOf(const AuthorityFiles::Shown& shown) {
  Node node;
  node.id = shown.node();
  node.shown_as = ShownAs(node.id);
  node.attributes = shown.attributes;
  node.size = shown.size;
  node.volatile_name = true;
  // A profile that is being written is shown to its writer by the same node.
  node.volatile_attributes = shown.file == AuthorityFile::kProfile;
  node.uncached = true;
  return node;
}

bool IsList(NodeId node) {
  const auto file = AuthorityFileOf(node);
  return file == AuthorityFile::kListPem || file == AuthorityFile::kListDer;
}

Error Gone() { return {ErrorCode::kStale, "what it shows is gone"}; }

}  // namespace

bool IsAuthorityDirectory(NodeId node) {
  const auto fixed = node.fixed();
  return fixed == Fixed::kAuthority || fixed == Fixed::kRequests || fixed == Fixed::kIssued ||
         fixed == Fixed::kProfiles;
}

std::optional<Fixed> FixedChildOfAuthority(std::string_view name) {
  for (const FixedChildOfCa& child : kChildren) {
    if (child.name == name) return child.fixed;
  }
  return std::nullopt;
}

Result<Node> Volume::LookupAuthority(const Caller& caller, NodeId parent, std::string_view name) {
  if (parent.fixed() == Fixed::kRequests) return LookupScratch(caller, parent, name);
  if (parent.fixed() == Fixed::kAuthority) RefreshDueLists();
  const auto snapshot = TRY(keystore_.Snapshot());
  if (parent.fixed() == Fixed::kIssued) {
    const auto shown = TRY(state_->authority_files.FindIssued(*snapshot, name));
    if (!shown) return NoSuchName();
    return NodeOf(*shown);
  }
  const bool profiles = parent.fixed() == Fixed::kProfiles;
  for (const AuthorityFiles::Shown& each : TRY(profiles ? state_->authority_files.ProfileFiles(*snapshot)
                                                        : state_->authority_files.PublicFiles(*snapshot))) {
    if (each.name == name) return NodeOf(each);
  }
  return profiles ? LookupScratch(caller, parent, name) : Result<Node>(NoSuchName());
}

Result<std::optional<Node>> Volume::AuthorityBackup(TableSnapshot& snapshot) {
  const auto shown = TRY(state_->authority_files.BackupFile(snapshot));
  if (!shown) return std::optional<Node>();
  Node node = NodeOf(*shown);
  node.volatile_attributes = true;
  return std::optional(std::move(node));
}

Result<Node> Volume::AuthorityAttributes(NodeId node, HandleId handle) {
  ContentPointer open;
  ScratchPointer writing;
  {
    const std::lock_guard lock(state_->mutex);
    const auto reader = state_->readers.find(handle);
    const auto writer = state_->scratch_handles.find(handle);
    const auto shared = state_->open_contents.find(node);
    if (writer != state_->scratch_handles.end()) writing = writer->second.file;
    if (reader != state_->readers.end()) {
      open = reader->second;
    } else if (shared != state_->open_contents.end()) {
      open = shared->second.content;
    }
  }
  const auto snapshot = TRY(keystore_.Snapshot());
  const auto shown = TRY(state_->authority_files.Find(*snapshot, node));
  if (!shown && !open && !writing) return Gone();
  Node found;
  if (shown) found = NodeOf(*shown);
  found.id = node;
  found.shown_as = ShownAs(node);
  found.uncached = found.volatile_name = true;
  if (writing) {
    const std::lock_guard lock(writing->mutex);
    if (!shown) found.attributes = writing->attributes;
    found.size = writing->bytes.size();
  } else if (open) {
    // What is open stays as it was.
    found.attributes = open->attributes;
    found.size = open->size();
  }
  return found;
}

Result<void> Volume::ListAuthority(const Caller& caller, NodeId directory, std::uint64_t offset,
                                   const OfferItem& offer) {
  std::uint64_t place = kBehindDots + 1;
  if (directory.fixed() == Fixed::kAuthority) {
    for (const FixedChildOfCa& child : kChildren)
      offer(child.name, TRY(GetAttributes(caller, NodeId::Of(child.fixed), 0)), place++);
    RefreshDueLists();
  }
  const auto snapshot = TRY(keystore_.Snapshot());
  if (directory.fixed() == Fixed::kAuthority) {
    for (const AuthorityFiles::Shown& each : TRY(state_->authority_files.PublicFiles(*snapshot)))
      offer(each.name, NodeOf(each), place++);
    return {};
  }
  if (directory.fixed() == Fixed::kIssued) {
    const std::uint64_t behind = kBehindFixed + kFilesOfLineMax;
    return state_->authority_files.ListIssued(
        *snapshot, offset <= behind ? 0 : offset - behind,
        [&](Cursor line, std::size_t which, const AuthorityFiles::Shown& shown) {
          return offer(shown.name, NodeOf(shown), line + kBehindFixed + which);
        });
  }
  std::set<std::string, std::less<>> live;
  if (directory.fixed() == Fixed::kProfiles) {
    for (const AuthorityFiles::Shown& each : TRY(state_->authority_files.ProfileFiles(*snapshot))) {
      offer(each.name, NodeOf(each), place++);
      live.insert(each.name);
    }
  }
  for (const auto& each : state_->scratch.In(directory, caller.uid, state_->Now())) {
    if (!live.contains(each.name))
      offer(each.name, NodeOfScratch(*each.file), kFixedChildrenMax + each.serial);
  }
  return {};
}

Result<ContentPointer> Volume::OpenAuthority(const Caller& caller, NodeId node) {
  if (IsList(node)) RefreshDueLists();
  const auto snapshot = TRY(keystore_.Snapshot());
  const auto shown = TRY(state_->authority_files.Find(*snapshot, node));
  if (!shown) return Gone();
  const bool current = shown->node() == node;
  // A second such answer would reach the user: then what is there now is opened as what was looked up.
  if (!current && state_->stale_answers.Tell(caller.thread, state_->Now())) return Gone();
  {
    const std::lock_guard lock(state_->mutex);
    if (const auto open = state_->open_contents.find(node); open != state_->open_contents.end())
      return open->second.content;
  }
  ViewBytes bytes = TRY(state_->authority_files.Read(*snapshot, *shown));
  auto content = std::make_shared<Content>();
  content->node = node;
  content->attributes = shown->attributes;
  content->plain = std::move(bytes.plain);
  content->secret = std::move(bytes.secret);
  if (!current) {
    // What stat showed of this node was another state's.
    state_->observer.AttributesChanged(node);
    state_->observer.Settle(KernelHolds::kNoDirectory);
  }
  return ContentPointer(std::move(content));
}

void Volume::NoteRead(const Content& content, HandleId handle, std::uint64_t offset, std::uint64_t size) {
  if (!content.spooled && AuthorityFileOf(content.node) != AuthorityFile::kBackup) return;
  if (state_->options.read_only) return;  // It changes nothing, be it a note.
  if (!state_->HasReadAll(handle, offset, size, content.size())) return;
  if (content.spooled) return state_->backup_note.Set(keystore_.Now());
  // The reminder stays where it cannot be noted; the reader has his backup all the same.
  const AuditedRequest request(OwnProcess(), "note-backup", "backup/ca.p12");
  static_cast<void>(WithinMemory([&] { return state_->authority.NoteBackup(); }));
}

// --- Names that go

Result<void> Volume::UnlinkAuthority(const Caller& caller, NodeId parent, std::string_view name) {
  if (parent.fixed() == Fixed::kRequests) return UnlinkScratch(caller, parent, name);
  if (parent.fixed() == Fixed::kProfiles) return UnlinkProfile(caller, parent, name);
  if (parent.fixed() == Fixed::kIssued) return UnlinkIssued(caller, name);
  return Generated();
}

Result<void> Volume::UnlinkProfile(const Caller& caller, NodeId parent, std::string_view name) {
  const auto drop = ParseDropName(parent, name);
  if (!drop.has_value() || !drop.value()) return UnlinkScratch(caller, parent, name);
  const std::string& stem = drop.value()->stem;
  {
    const auto snapshot = TRY(keystore_.Snapshot());
    if (!TRY(snapshot->GetAuthority()).profiles.contains(stem)) {
      for (const BuiltInProfile& each : BuiltInProfiles()) {
        if (each.name == stem)
          return Error(ErrorCode::kNotPermitted, "profile-built-in",
                       "a built-in profile stays: write another over it");
      }
      return UnlinkScratch(caller, parent, name);
    }
  }
  TRY(state_->authority.SetProfile(stem, {}));
  state_->authority_files.ProfileChanged(stem);
  return {};
}

Result<void> Volume::UnlinkIssued(const Caller& caller, std::string_view name) {
  const auto parsed = ParseIssuedName(name);
  if (!parsed) return NoSuchName();
  // Whose it is holds until it has gone: it goes by its name, which another may get next.
  const std::lock_guard alone(state_->PickupMutex(parsed->stem));
  std::optional<AuthorityFiles::Shown> shown;
  std::optional<IssuedCertificate> line;
  {
    const auto snapshot = TRY(keystore_.Snapshot());
    shown = TRY(state_->authority_files.FindIssued(*snapshot, name));
    if (shown) line = TRY(snapshot->FindIssuedByNumber(shown->number));
  }
  if (!line) return NoSuchName();
  if (shown->file == AuthorityFile::kSerial) return NotPermitted("what was issued stays in the ledger");
  if (caller.uid != 0 && caller.uid != line->uid && caller.uid != state_->options.uid)
    return NotPermitted("it is for whoever asked for it to take");
  // Whoever moves both away takes one after the other, in whichever order: with the name of the certificate
  // the key would be gone, too.
  const bool both = !line->key.empty() && !state_->authority_files.IsHidden(line->number);
  if (!both) return state_->authority.RemovePickup(line->pickup);
  if (shown->file == AuthorityFile::kPickupKey) return state_->authority.RemovePickupKey(line->pickup);
  state_->authority_files.HidePickup(line->number);
  return {};
}

// --- The list of what is revoked

void Volume::RefreshDueLists() {
  const auto due = [&]() -> Result<bool> {
    const auto snapshot = TRY(keystore_.Snapshot());
    return state_->authority_files.IsListDue(*snapshot);
  };
  const auto found = WithinMemory(due);
  if (!found.has_value() || !found.value()) return;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->Now() < state_->lists_again) return;
    state_->lists_again = state_->Now() + kListsAgain;
  }
  static_cast<void>(RefreshLists());
}

Result<void> Volume::RefreshLists() {
  if (state_->options.read_only) return {};
  const AuditedRequest request(OwnProcess(), "crl", "ca/crl.pem");
  const auto refresh = [&]() -> Result<void> {
    if (!TRY(keystore_.Snapshot())->has_authority()) return {};
    return ChangeByAuthority({}, KernelHolds::kDirectory, {}, [&]() -> Result<void> {
      TRY(state_->authority.RefreshLists(false));
      return {};
    });
  };
  auto outcome = WithinMemory(refresh);
  bool news = false;
  {
    const std::lock_guard lock(state_->mutex);
    news = !outcome.has_value() && !state_->list_failure;
    state_->list_failure.reset();
    if (!outcome.has_value()) state_->list_failure = outcome.error();
  }
  if (news) state_->observer.Refused("ca/crl.pem cannot be signed anew: " + outcome.error().message());
  return outcome;
}

}  // namespace certfs
