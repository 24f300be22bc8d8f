// ca/requests/ and ca/profiles/: files that are written to be taken (fs/README.md, "Requests").

#include <algorithm>

#include "crypto/pem.h"
#include "fs/control/payload.h"
#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

namespace {

// How much of a request's start decides whether it may be one at all.
constexpr std::size_t kStartBytes = 64;
constexpr std::string_view kExplanation = "Certificate Request:";
// RFC 6960, 4.2.2.2: whoever has such a certificate may say that a revoked one is good.
constexpr std::string_view kOcspSigning = "1.3.6.1.5.5.7.3.9";

Error NoAuthority() {
  return {ErrorCode::kNotPermitted, "no-authority", "there is no authority yet: certfs ca init"};
}

Error WriterDied() {
  return {ErrorCode::kCancelled, "writer-died", "the writer was killed before it had finished"};
}

bool MayBeRequest(BytesView start) {
  const std::string_view text = AsText(start).substr(0, kExplanation.size());
  return MayBegin(start) || kExplanation.starts_with(text);
}

// Says whether a certificate of `profile` speaks for the authority: it is for those to ask for who may
// command that.
bool SpeaksForAuthority(const Profile& profile) {
  const auto& usages = profile.extended_key_usage;
  return profile.authority || std::find(usages.begin(), usages.end(), kOcspSigning) != usages.end();
}

// NAME and PROFILE of "NAME.PROFILE", where there is a profile of that name.
struct SplitStem {
  std::string name;
  std::optional<std::string> profile;
};
SplitStem Split(const std::string& stem, const std::vector<std::pair<std::string, std::string>>& profiles) {
  const std::size_t dot = stem.rfind('.');
  if (dot != std::string::npos && dot != 0) {
    for (const auto& [name, text] : profiles) {
      if (stem.compare(dot + 1, std::string::npos, name) == 0) return {stem.substr(0, dot), name};
    }
  }
  return {stem, std::nullopt};
}

}  // namespace

Result<bool> Volume::TakesDrop(NodeId directory, std::string_view name) {
  if (name.size() > kNameBytesMax) return Error(ErrorCode::kNameTooLong, "a name is at most 255 bytes");
  if (!TRY(ParseDropName(directory, name))) return IsDropScratchName(name);
  if (directory.fixed() == Fixed::kRequests && !TRY(keystore_.Snapshot())->has_authority())
    return NoAuthority();
  return true;
}

std::shared_ptr<DropWriter> Volume::BeginDrop(const Caller& caller, NodeId file) {
  const auto names = state_->scratch.NamesOf(file);
  const bool dropped = std::any_of(names.begin(), names.end(),
                                   [](const auto& name) { return IsDropDirectory(name.directory); });
  if (!dropped) return nullptr;
  auto writer = std::make_shared<DropWriter>();
  writer->opener = state_->audit != nullptr ? Known(caller, state_->processes) : caller;
  writer->opener_process = state_->processes.ProcessOf(caller.thread);
  return writer;
}

// Precondition: the mutex of the file is held.
Result<void> Volume::WroteDrop(const Caller& caller, ScratchFile& file, DropWriter& writer,
                               std::size_t start) {
  writer.dirty = true;
  if (writer.writer_thread != caller.thread || writer.writer_process == 0) {
    writer.writer_process = caller.thread == writer.opener.thread
                                ? writer.opener_process
                                : state_->processes.ProcessOf(caller.thread);
    writer.writer_thread = caller.thread;
  }
  if (start >= kStartBytes) return {};
  // A shell's built-in echo does not look at close: what can never become a request is told here.
  const BytesView written = file.bytes.Reveal();
  for (const auto& name : state_->scratch.NamesOf(file.node)) {
    const auto drop = ParseDropName(name.directory, name.name);
    const bool request = drop.has_value() && drop.value() && drop.value()->kind == DropKind::kRequest;
    if (!request || MayBeRequest(written.first(std::min(written.size(), kStartBytes)))) continue;
    return RefuseDrop(caller, file, writer, "ca/requests/" + name.name,
                      {ErrorCode::kMalformed, "unreadable", "no request begins like this"});
  }
  return {};
}

// Precondition: the mutex of the file is held.
Error Volume::RefuseDrop(const Caller& caller, ScratchFile& file, DropWriter& writer, std::string path,
                         Error error) {
  writer.dirty = false;
  writer.refused = state_->Refuse(caller, keystore_.Now(), std::move(path), std::move(error));
  file.bytes.Clear();
  // What was refused is gone: a file that stays is one that was taken, or is still being written.
  for (const auto& name : state_->scratch.NamesOf(file.node)) {
    if (IsDropDirectory(name.directory)) state_->scratch.Remove(name, state_->Now());
  }
  return *writer.refused;
}

Result<void> Volume::FlushDrop(const Caller& closer, HandleId handle, bool synced) {
  State::ScratchHandle open;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->scratch_handles.find(handle);
    if (found == state_->scratch_handles.end() || !found->second.drop) return {};
    open = found->second;
  }
  const std::lock_guard lock(open.file->mutex);
  DropWriter& writer = *open.drop;
  if (synced) {
    if (writer.refused) return *writer.refused;
    return writer.dirty ? TakeWritten(closer, *open.file, writer) : Result<void>();
  }
  const std::int32_t process = closer.thread == writer.opener.thread
                                   ? writer.opener_process
                                   : state_->processes.ProcessOf(closer.thread);
  const Caller caller = Closing(closer, process, writer.opener, writer.opener_process);
  if (!writer.dirty) {
    if (process == writer.opener_process && writer.refused) return *writer.refused;
    return {};
  }
  const auto asked = state_->processes.IsDyingOfSignal(caller.thread);
  // It may be half of a request. Only what a living writer finished may be taken.
  if (!asked.has_value())
    return RefuseDrop(caller, *open.file, writer, PathOfDrop(*open.file), asked.error());
  if (asked.value() && process == writer.writer_process) {
    static_cast<void>(RefuseDrop(caller, *open.file, writer, PathOfDrop(*open.file), WriterDied()));
    return {};  // Nobody is left to hear it.
  }
  if (asked.value() || process != writer.opener_process) return {};
  return TakeWritten(caller, *open.file, writer);
}

void Volume::ReleaseDrop(ScratchFile& file, DropWriter& writer) {
  const std::lock_guard lock(file.mutex);
  // Whoever opened it closed it before it was written: the last close counts, and a refusal is only logged.
  if (writer.dirty) static_cast<void>(TakeWritten(writer.opener, file, writer));
}

std::string Volume::PathOfDrop(const ScratchFile& file) {
  for (const auto& name : state_->scratch.NamesOf(file.node)) {
    if (name.directory.fixed() == Fixed::kRequests) return "ca/requests/" + name.name;
    if (name.directory.fixed() == Fixed::kProfiles) return "ca/profiles/" + name.name;
  }
  return "ca/profiles/";
}

// Precondition: the mutex of the file is held.
Result<void> Volume::TakeWritten(const Caller& caller, ScratchFile& file, DropWriter& writer) {
  // Whoever opened it asks, not whoever happens to close it: a program may have more rights than the one that
  // wrote, and became it (setuid), or was handed the file. `caller` tells the thread alone.
  Caller requester = writer.opener;
  requester.thread = caller.thread;
  std::vector<ScratchTable::Name> names = state_->scratch.NamesOf(file.node);
  if (!writer.profile.empty()) names = {{NodeId::Of(Fixed::kProfiles), writer.profile, requester.uid}};
  for (const ScratchTable::Name& name : names) {
    if (!IsDropDirectory(name.directory)) continue;
    auto taken = Take(requester, file, name.directory, name.name);
    if (!taken.has_value()) {
      const std::string path = writer.profile.empty() ? PathOfDrop(file) : "ca/profiles/" + writer.profile;
      return RefuseDrop(requester, file, writer, path, std::move(taken).error());
    }
    // The profile itself is there now, for everybody.
    if (taken.value() == DropKind::kProfile) state_->scratch.Remove(name, state_->Now());
  }
  writer.dirty = false;
  return {};
}

// Precondition: the mutex of the file is held.
Result<std::optional<DropKind>> Volume::Take(const Caller& caller, ScratchFile& file, NodeId directory,
                                             std::string_view name) {
  const std::optional<DropName> drop = TRY(ParseDropName(directory, name));
  // An empty file asks for nothing yet.
  if (!drop || file.bytes.empty()) return std::optional<DropKind>();
  if (file.copied && caller.uid != 0)
    return NotPermitted("the copy of a file that you may not read stays with its owner");
  const CallerRequest request(caller, state_->processes,
                              drop->kind == DropKind::kProfile ? "profile" : "request",
                              ChildPath(keystore_, directory, name));
  TRY(WithinMemory([&]() -> Result<void> {
    if (drop->kind != DropKind::kProfile) return TakeRequest(caller, file, *drop);
    TRY(state_->authority.SetProfile(drop->stem, file.bytes.Reveal()));
    state_->authority_files.ProfileChanged(drop->stem);
    return {};
  }));
  // Whoever drops many in a short time is not to wait until the first have gone.
  state_->scratch.Spent(file.node);
  return std::optional(drop->kind);
}

Result<IssueOrder> Volume::OrderOf(const Caller& caller, BytesView bytes, const DropName& drop) {
  control::OrderText text;
  if (drop.kind == DropKind::kRequest) {
    text.request = TRY(CertificationRequest::Parse(bytes));
  } else {
    text = TRY(control::ParseOrder(bytes));
  }
  const auto snapshot = TRY(keystore_.Snapshot());
  if (!snapshot->has_authority()) return NoAuthority();
  SplitStem stem = Split(drop.stem, TRY(state_->authority.Profiles(*snapshot)));
  if (stem.profile && text.profile && *stem.profile != *text.profile) {
    return Error(ErrorCode::kMalformed, "request-profile",
                 "its name asks for the profile " + *stem.profile + ", its text for " + *text.profile);
  }
  IssueOrder order;
  order.profile = text.profile.value_or(stem.profile.value_or(order.profile));
  order.config = std::move(text.config);
  order.request = std::move(text.request);
  order.pickup = TRY(Alias::Parse(stem.name)).text();
  auto profile = state_->authority.FindProfile(*snapshot, order.profile);
  if (!profile.has_value()) {
    if (profile.error().code() != ErrorCode::kNotFound) return std::move(profile).error();
    return Error(ErrorCode::kMalformed, "request-profile", "there is no profile " + order.profile);
  }
  const bool commands = caller.uid == 0 || caller.uid == state_->options.uid;
  if (SpeaksForAuthority(profile.value()) && !commands) {
    return Error(ErrorCode::kNotPermitted, "profile-reserved",
                 "a certificate of the profile " + order.profile +
                     " speaks for the authority: only who may write ca/control may ask for it");
  }
  return order;
}

// Precondition: the mutex of the name is held.
Result<void> Volume::CheckPickup(const Caller& caller, const std::string& pickup) {
  if (caller.uid == 0 || caller.uid == state_->options.uid) return {};
  const auto snapshot = TRY(keystore_.Snapshot());
  std::optional<Error> taken;
  TRY(snapshot->ListIssued(IssuedGroupKey::Pickup(pickup), [&](Cursor, const IssuedCertificate& line) {
    if (FoldName(line.pickup) != FoldName(pickup) || line.uid == caller.uid) return true;
    taken = Error(ErrorCode::kNotPermitted, "pickup-taken",
                  "ca/issued/" + line.pickup + ".pem is another user's until he has taken it");
    return false;
  }));
  if (taken) return *std::move(taken);
  return {};
}

Result<void> Volume::TakeRequest(const Caller& caller, ScratchFile& file, const DropName& drop) {
  const BytesView bytes = file.bytes.Reveal();
  const IssueOrder order = TRY(OrderOf(caller, bytes, drop));
  // From here on nobody else gets, or takes away, anything by this name.
  const std::lock_guard alone(state_->PickupMutex(order.pickup));
  TRY(CheckPickup(caller, order.pickup));
  const Digest digest = Sha256({bytes});
  if (const auto taken = state_->taken.Find(caller.uid, order.pickup, digest, state_->Now())) {
    const auto snapshot = TRY(keystore_.Snapshot());
    const auto there = TRY(AuthorityFiles::FindPickup(*snapshot, order.pickup));
    const bool same = there && there->serial == *taken && there->profile == order.profile;
    if (same && StateOf(there->Clone(), keystore_.Now()) == IssuedState::kActive) return {};
  }
  const Issued issued = TRY(state_->authority.Issue(order, {caller.uid, caller.gid}));
  state_->taken.Add(caller.uid, order.pickup, digest, issued.record.serial, state_->Now());
  state_->observer.ListingChanged(NodeId::Of(Fixed::kIssued));
  return {};
}

std::optional<Result<Node>> Volume::SetDropAttributes(const Caller& caller, NodeId node, HandleId handle,
                                                      const AttributeChange& change,
                                                      std::optional<std::uint64_t> size) {
  State::ScratchHandle open;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->scratch_handles.find(handle);
    if (found == state_->scratch_handles.end() || !found->second.drop) return std::nullopt;
    open = found->second;
  }
  if (size && *size != 0) {
    const std::lock_guard lock(open.file->mutex);
    if (open.drop->refused) return Result<Node>(*open.drop->refused);
  }
  Result<Node> set = SetScratchAttributes(caller, *open.file, change, size);
  if (!set.has_value()) return set;
  if (size) {
    const std::lock_guard lock(open.file->mutex);
    open.drop->dirty = *size != 0;
    if (*size == 0) open.drop->refused.reset();
  }
  if (node == set.value().id) return set;
  return AuthorityAttributes(node, handle);  // A profile that is written by its own node.
}

// --- Profiles that are there

Result<HandleId> Volume::OpenProfileToWrite(const Caller& caller, NodeId node, OpenMode mode) {
  ContentPointer live;
  std::string name;
  {
    const auto snapshot = TRY(keystore_.Snapshot());
    const auto shown = TRY(state_->authority_files.Find(*snapshot, node));
    if (!shown) return Error(ErrorCode::kStale, "the profile is gone");
    name = shown->name;
    if (!mode.truncate) live = TRY(OpenAuthority(caller, node));
  }
  const ScratchPointer scratch = TRY(PrepareScratch(caller, NodeId::Of(Fixed::kProfiles), 0644, false));
  if (live) {
    const std::lock_guard lock(scratch->mutex);
    if (!scratch->bytes.Assign(live->bytes())) return NoMemory();
  }
  auto writer = std::make_shared<DropWriter>();
  writer->opener = state_->audit != nullptr ? Known(caller, state_->processes) : caller;
  writer->opener_process = state_->processes.ProcessOf(caller.thread);
  writer->profile = name;
  state_->scratch.Opened(scratch);
  const std::lock_guard lock(state_->mutex);
  const HandleId handle = state_->NewHandle(HandleUse::kWrites);
  state_->scratch_handles.emplace(handle, State::ScratchHandle{scratch, mode.append, std::move(writer)});
  return handle;
}

std::optional<Result<void>> Volume::RenameProfileAway(const Caller& caller, NodeId parent,
                                                      std::string_view name, NodeId new_parent,
                                                      std::string_view new_name) {
  const bool away = parent.fixed() == Fixed::kProfiles && new_parent == parent && IsDropScratchName(new_name);
  if (!away) return std::nullopt;
  const auto live = Lookup(caller, parent, name);
  if (!live.has_value() && live.error().code() != ErrorCode::kNotFound) return Result<void>(live.error());
  if (!live.has_value() || AuthorityFileOf(live.value().id) != AuthorityFile::kProfile) return std::nullopt;
  const auto copy = [&]() -> Result<void> {
    const ContentPointer content = TRY(OpenAuthority(caller, live.value().id));
    const ScratchPointer scratch = TRY(MakeScratch(caller, parent, new_name, 0644, false, true));
    const std::lock_guard lock(scratch->mutex);
    if (!scratch->bytes.Assign(content->bytes())) return NoMemory();
    return {};
  };
  auto copied = copy();
  // The kernel moves what it knows under the old name to the new one.
  if (copied.has_value()) {
    state_->observer.NameChanged(parent, name);
    state_->observer.NameChanged(parent, new_name);
  }
  return copied;
}

}  // namespace certfs
