// Opening files for reading, their bytes, and listing.

#include <algorithm>

#include "fs/volume.h"
#include "fs/volume/backup_files.h"
#include "fs/volume/state.h"
#include "store/audit_text.h"

namespace certfs {

namespace {

// Offsets of a listing: 0 is the start, then "." and "..", then the fixed children, then the order of the
// hash tree.
constexpr std::uint64_t kBehindDot = 1;
constexpr std::uint64_t kBehindDots = 2;
constexpr std::uint64_t kBehindFixed = 8;
constexpr std::uint64_t kBehindMembers = kBehindDots + kMembers.size() + 1;

}  // namespace

Result<ContentPointer> Volume::OpenContent(TableSnapshot& snapshot, const Entry& entry, Member member) {
  const NodeId node = NodeId::OfFile(entry.number, member, entry.revision);
  {
    const std::lock_guard lock(state_->mutex);
    // All handles on a revision share its bytes: locked memory is scarce, and whoever may read a key can open
    // it ten thousand times.
    if (const auto open = state_->open_contents.find(node); open != state_->open_contents.end())
      return open->second.content;
    if (ContentPointer found = state_->cache.Find(node)) return found;
  }
  ContentPointer content = TRY(LoadContent(snapshot, entry, member));
  // Key material is not kept: it is unsealed when it is opened, and wiped with the last handle.
  if (IsKeyMaterial(member)) return content;
  const std::lock_guard lock(state_->mutex);
  state_->cache.Add(content);
  return content;
}

// --- Opening for reading: Volume::Open, which has it noted, is in volume_audit.cc.

Result<HandleId> Volume::OpenFile(const Caller& caller, NodeId node, OpenMode mode) {
  if (const ScratchPointer scratch = FindScratch(node)) return OpenScratch(caller, scratch, mode);
  if (node.is_staging()) return OpenStaging(caller, node, mode);
  const auto add_reader = [&](ContentPointer content) -> HandleId {
    state_->stale_answers.Clear(caller.thread);
    const std::lock_guard lock(state_->mutex);
    const HandleId handle = state_->NewHandle(HandleUse::kReads);
    auto& open = state_->open_contents[content->node];
    open.content = content;
    ++open.handles;
    state_->readers.emplace(handle, std::move(content));
    return handle;
  };
  if (const auto fixed = node.fixed()) {
    if (FixedNode(*fixed, state_->options).type != NodeType::kFile)
      return Error(ErrorCode::kIsADirectory, "not a file");
    if (*fixed == Fixed::kControl) return OpenControl();
    if (mode.write) return RefuseOpen(caller, node, Generated());
    const StatusFile* const file = FindStatusFile(*fixed);
    if (file == nullptr) return Error(ErrorCode::kStale, "there is no such file");
    ContentPointer content = TRY(state_->Show(keystore_, *file, caller, Wanted::kBytes)).content;
    // Of what is made for him alone, memory for each handle.
    constexpr std::size_t kHandleBytes = 1024;
    const std::size_t own = kHandleBytes + (content.use_count() == 1 ? content->plain.size() : 0);
    const HandleId handle = add_reader(std::move(content));
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->AddStatusHandle({caller.thread, caller.uid, own}, node, handle)) return handle;
    }
    Release(node, handle);
    return RefuseOpen(
        caller, node,
        {ErrorCode::kNoMemory, "too-many-handles", "too many files of status/ are open: close some"});
  }
  if (node.is_view()) {
    if (!node.view_kind()) return Error(ErrorCode::kIsADirectory, "not a file");
    if (mode.write && AuthorityFileOf(node) == AuthorityFile::kProfile)
      return OpenProfileToWrite(caller, node, mode);
    if (mode.write) return RefuseOpen(caller, node, Generated());
    auto content = AuthorityFileOf(node) ? OpenAuthority(caller, node) : OpenView(caller, node);
    if (content.has_value()) return add_reader(std::move(content).value());
    return RefuseOpen(caller, node, std::move(content).error());
  }
  const auto member = node.member();
  if (!member) return Error(ErrorCode::kIsADirectory, "not a file");
  if (mode.write)
    return NotPermitted("a live file is written through a lookup of its name, not through an open file");

  const auto snapshot = TRY(keystore_.Snapshot());
  const std::optional<Entry> entry = TRY(snapshot->FindEntryByNumber(node.number()));
  const Instant now = state_->Now();
  if (entry && entry->file(*member) && node.HasRevision(entry->revision)) {
    if (member == Member::kKey) {
      auto released = state_->key_release.Check(*snapshot, *entry);
      if (!released.has_value()) return RefuseOpen(caller, node, std::move(released).error());
    }
    auto content = OpenContent(*snapshot, *entry, *member);
    if (!content.has_value()) return RefuseOpen(caller, node, std::move(content).error());
    const HandleId handle = add_reader(std::move(content).value());
    if (entry->is_pair()) state_->pins.Opened(entry->number, node.revision(), *member, caller, now);
    return handle;
  }
  // What was replaced is withheld like what is live.
  const auto check = [&](const Content& content) -> Result<void> {
    auto released = CheckEarlier(*snapshot, content);
    if (released.has_value() || released.error().code() == ErrorCode::kStale) return released;
    state_->stale_answers.Clear(caller.thread);
    return RefuseOpen(caller, node, std::move(released).error());
  };
  if (entry && !entry->file(*member) && node.HasRevision(entry->revision)) {
    if (const auto live = TRY(state_->FindWentLive(*snapshot, *entry, *member, now))) {
      ContentPointer content = TRY(LoadContent(*snapshot, *live, *member, node));
      TRY(check(*content));
      return add_reader(std::move(content));
    }
  }
  if (auto pinned = state_->pins.Find(node.number(), *member, caller, now); pinned && pinned->node == node) {
    TRY(check(*pinned));
    const HandleId handle = add_reader(std::move(pinned));
    state_->pins.Opened(node.number(), node.revision(), *member, caller, now);
    return handle;
  }
  const Error superseded{ErrorCode::kStale, "a superseded revision"};
  const std::vector<ContentPointer> found = state_->stale_answers.WhatIsFound(caller.thread, node);
  for (const ContentPointer& each : found) {
    if (each->node != node) continue;
    TRY(check(*each));
    // It is as if it were replaced now: whoever opens this half gets the other one of the same pair.
    if (found.size() > 1) state_->pins.Replacing(node.number(), node.revision(), found, 0, now);
    state_->pins.Opened(node.number(), node.revision(), *member, caller, now);
    return add_reader(each);
  }
  if (state_->stale_answers.Tell(caller.thread, now)) return superseded;
  ContentPointer kept = state_->superseded.Find(node, now);
  if (!kept) {
    // What was told before was about something else: this is the first such answer.
    static_cast<void>(state_->stale_answers.Tell(caller.thread, now));
    return superseded;
  }
  TRY(check(*kept));
  state_->pins.Opened(node.number(), node.revision(), *member, caller, now);
  return add_reader(std::move(kept));
}

Result<void> Volume::CheckEarlier(TableSnapshot& snapshot, const Content& content) {
  if (content.node.member() != Member::kKey) return {};
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(content.store));
  if (!store || !store->enforce_revocation) return {};
  if (!content.enforced) return Error(ErrorCode::kStale, "a superseded revision");
  if (!content.certificate) return {};
  return state_->key_release.CheckEarlier(snapshot, *store, content.node.number(), content.node.revision(),
                                          content.certificate->bytes());
}

// --- Reading

Result<SecretBytes> Volume::Read(NodeId node, HandleId handle, std::uint64_t offset, std::size_t size) {
  const auto part = [&](BytesView bytes) {
    if (offset >= bytes.size()) return SecretBytes();
    const std::size_t start = static_cast<std::size_t>(offset);
    return SecretBytes::CopyOf(bytes.subspan(start, std::min(size, bytes.size() - start)));
  };
  ContentPointer content;
  StagingPointer staging;
  ScratchPointer scratch;
  std::shared_ptr<ControlHandle> control;
  {
    const std::lock_guard lock(state_->mutex);
    const auto reader = state_->readers.find(handle);
    const auto writer = state_->writers.find(handle);
    if (reader != state_->readers.end()) content = reader->second;
    if (writer != state_->writers.end()) staging = writer->second;
    const auto open_scratch = state_->scratch_handles.find(handle);
    if (open_scratch != state_->scratch_handles.end()) scratch = open_scratch->second.file;
    if (const auto open_control = state_->controls.find(handle); open_control != state_->controls.end())
      control = open_control->second;
  }
  if (control) {
    const std::lock_guard lock(control->mutex);
    return part(control->bytes());
  }
  if (scratch) {
    const std::lock_guard lock(scratch->mutex);
    return part(scratch->bytes.Reveal());
  }
  if (staging) {
    const std::lock_guard lock(staging->mutex);
    return part(staging->buffer.Reveal());
  }
  if (!content) content = TRY(Adopt(node, handle));
  if (content->audit) return SecretBytes::CopyOf(TRY(content->audit->Read(offset, size)));
  if (content->spooled) {
    SecretBytes bytes = TRY(content->spooled->Read(offset, size));
    NoteRead(*content, handle, offset, bytes.size());
    return bytes;
  }
  SecretBytes bytes = part(content->bytes());
  NoteRead(*content, handle, offset, bytes.size());
  return bytes;
}

// What is read out of order, or in parts, is no backup.
bool Volume::State::HasReadAll(HandleId handle, std::uint64_t offset, std::uint64_t size,
                               std::uint64_t whole) {
  const std::lock_guard lock(mutex);
  std::uint64_t& reached = backups_read[handle];
  if (offset > reached || reached >= whole) return false;
  reached = std::max(reached, offset + size);
  return reached >= whole;
}

// --- Listing

namespace {

// The items of one listing, from an offset on.
class Listing {
 public:
  Listing(std::uint64_t offset, const std::function<bool(const DirectoryItem&)>& sink)
      : offset_(offset), sink_(sink) {}

  // Offers one item, which stands at `place`; does nothing if the listing starts behind it or is full.
  void Offer(std::string_view name, const Node& node, std::uint64_t place, bool complete = true) {
    if (full_ || place <= offset_) return;
    full_ = !sink_(DirectoryItem{name, node, place, complete});
  }

  bool full() const { return full_; }
  void Damaged(Error error) { damage_ = std::move(error); }

  // Where to go on in the order of the hash tree.
  Cursor start() const { return offset_ <= kBehindFixed ? 0 : offset_ - kBehindFixed; }

  Result<void> Finish() {
    if (damage_ && !full_) return *std::move(damage_);
    return {};
  }

 private:
  std::uint64_t offset_;
  const std::function<bool(const DirectoryItem&)>& sink_;
  bool full_ = false;
  std::optional<Error> damage_;
};

// Offers the entries of a store.
Result<void> OfferEntries(Listing& listing, TableSnapshot& snapshot, Number store) {
  auto listed = snapshot.ListEntries(store, listing.start(), [&](Cursor at, const EntryHead& head) {
    // What is staged is listed in its live entry.
    if (!head.is_staged()) listing.Offer(head.alias.text(), NodeOf(head), at + kBehindFixed);
    return !listing.full();
  });
  if (listed.has_value()) return {};
  if (listed.error().code() != ErrorCode::kCorrupt) return listed;
  listing.Damaged(std::move(listed).error());
  return {};
}

// Offers every store, going on behind what is damaged.
Result<void> OfferStores(Listing& listing, TableSnapshot& snapshot) {
  Cursor after = listing.start();
  while (!listing.full()) {
    Cursor skipped = after;
    auto item = snapshot.NextStore(after, &skipped);
    if (!item.has_value()) {
      if (item.error().code() != ErrorCode::kCorrupt || skipped <= after) return std::move(item).error();
      listing.Damaged(std::move(item).error());
      after = skipped;
      continue;
    }
    if (!item.value()) break;
    after = item.value()->at;
    const auto& found = item.value()->item;
    listing.Offer(found.name.text(), NodeOf(found), after + kBehindFixed);
  }
  return {};
}

}  // namespace

Result<void> Volume::List(const Caller& caller, NodeId directory, std::uint64_t offset,
                          const std::function<bool(const DirectoryItem&)>& sink) {
  Listing listing(offset, sink);
  const auto offer_fixed = [&](std::string_view name, Fixed fixed, std::uint64_t place) -> Result<void> {
    listing.Offer(name, TRY(GetAttributes(caller, NodeId::Of(fixed), 0)), place);
    return {};
  };
  const auto offer_dots = [&](const Node& self, const Node& parent) {
    listing.Offer(".", self, kBehindDot);
    listing.Offer("..", parent, kBehindDots);
  };
  const Node root = TRY(GetAttributes(caller, NodeId::Of(Fixed::kRoot), 0));
  if (IsAuthorityDirectory(directory)) {
    const bool inner = directory.fixed() != Fixed::kAuthority;
    offer_dots(TRY(GetAttributes(caller, directory, 0)),
               inner ? TRY(GetAttributes(caller, NodeId::Of(Fixed::kAuthority), 0)) : root);
    auto listed = ListAuthority(caller, directory, offset,
                                [&](std::string_view name, const Node& node, std::uint64_t place) {
                                  listing.Offer(name, node, place);
                                  return !listing.full();
                                });
    if (!listed.has_value() && listed.error().code() != ErrorCode::kCorrupt) return listed;
    if (!listed.has_value()) listing.Damaged(std::move(listed).error());
    return listing.Finish();
  }
  if (IsGenerated(directory)) {
    offer_dots(TRY(GetAttributes(caller, directory, 0)), root);
    auto listed = ListViews(caller, directory, kBehindDots + 1, listing.start(), kBehindFixed,
                            [&](std::string_view name, const Node& node, std::uint64_t place) {
                              listing.Offer(name, node, place);
                              return !listing.full();
                            });
    if (!listed.has_value() && listed.error().code() != ErrorCode::kCorrupt) return listed;
    if (!listed.has_value()) listing.Damaged(std::move(listed).error());
    return listing.Finish();
  }
  const auto snapshot = TRY(keystore_.Snapshot());

  if (const auto fixed = directory.fixed()) {
    offer_dots(TRY(GetAttributes(caller, directory, 0)), root);
    switch (*fixed) {
      case Fixed::kRoot:
        TRY(offer_fixed("stores", Fixed::kStores, 3));
        TRY(offer_fixed("status", Fixed::kStatus, 4));
        TRY(offer_fixed("export", Fixed::kExport, 5));
        TRY(offer_fixed("backup", Fixed::kBackup, 6));
        TRY(offer_fixed("ca", Fixed::kAuthority, 7));
        return listing.Finish();
      case Fixed::kStatus:
        // Whoever lists names need not wait until all of these are made, nor miss those that can be.
        for (std::uint64_t place = kBehindDots; const StatusFile& file : StatusFiles())
          listing.Offer(file.name, FixedNode(file.node, state_->options), ++place, false);
        return listing.Finish();
      case Fixed::kStores:
        TRY(offer_fixed(kLinkName, Fixed::kLink, 3));
        TRY(OfferStores(listing, *snapshot));
        return listing.Finish();
      default:
        return Error(ErrorCode::kNotADirectory, "not a directory");
    }
  }
  const auto offer_scratch = [&](const Entry* entry) {
    for (const auto& each : state_->scratch.In(directory, caller.uid, state_->Now())) {
      const auto member = MemberNamed(each.name);
      if (entry != nullptr && member && entry->file(*member)) continue;  // Not a placeholder any more.
      listing.Offer(each.name, NodeOfScratch(*each.file), kBehindMembers + each.serial);
    }
  };
  if (directory.is_staging()) {
    const ScratchPointer scratch = FindScratch(directory);
    if (!scratch) return Error(ErrorCode::kStale, "the directory is gone");
    if (!scratch->directory) return Error(ErrorCode::kNotADirectory, "not a directory");
    offer_dots(NodeOfScratch(*scratch), root);
    offer_scratch(nullptr);
    return listing.Finish();
  }
  const Place place = TRY(Resolve(*snapshot, directory));
  if (directory.member()) return Error(ErrorCode::kNotADirectory, "not a directory");
  if (place.store) {
    offer_dots(NodeOf(*place.store), TRY(GetAttributes(caller, NodeId::Of(Fixed::kStores), 0)));
    TRY(OfferEntries(listing, *snapshot, place.store->number));
    return listing.Finish();
  }
  if (!place.entry) return Error(ErrorCode::kStale, "the directory is gone");
  const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(place.entry->store));
  std::optional<Entry> other;  // Of a live entry and its staged one: that which is not listed.
  if (place.entry->is_staged()) {
    other = TRY(snapshot->FindEntryByNumber(place.entry->origin));
  } else {
    other = TRY(snapshot->FindEntry(place.entry->store, place.entry->alias.Next()));
  }
  const bool staged = place.entry->is_staged();
  offer_dots(NodeOf(*place.entry), staged && other ? NodeOf(*other) : store ? NodeOf(*store) : root);
  for (const Member member : kMembers) {
    if (!place.entry->file(member)) continue;
    listing.Offer(FileName(member), NodeOf(*place.entry, member),
                  kBehindDots + static_cast<std::uint64_t>(member));
  }
  if (!staged && other) listing.Offer(kNextName, NodeOf(*other), kBehindMembers);
  offer_scratch(&*place.entry);
  return listing.Finish();
}

Result<std::optional<Digest>> Volume::ListingDigest(NodeId directory) {
  const auto number = directory.directory();
  if (!number) return std::optional<Digest>();
  const auto snapshot = TRY(keystore_.Snapshot());
  const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(*number));
  return store ? std::optional(store->entries) : std::optional<Digest>();
}

}  // namespace certfs
