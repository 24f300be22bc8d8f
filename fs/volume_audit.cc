// Who reads keys, and what is refused, as the audit log has it (store/README.md, "The audit log"). Changes
// are noted by the keystore itself; from here it knows who asked.

#include <utility>

#include "fs/errno.h"
#include "fs/volume/audit.h"
#include "fs/volume/state.h"
#include "store/audit_log.h"

namespace certfs {

namespace {

// Views and backups that bear a key.
bool IsKeyView(NodeId node) {
  const auto kind = node.view_kind();
  if (!kind) return false;
  if (const auto file = AuthorityFileOf(node))
    return *file == AuthorityFile::kPickupKey || *file == AuthorityFile::kBackup;
  if (IsBackup(node)) return *kind == static_cast<std::uint8_t>(BackupFile::kKeystore);
  switch (static_cast<ViewKind>(*kind)) {
    case ViewKind::kCombined:
    case ViewKind::kKeystore:
    case ViewKind::kStoreKeystore:
    case ViewKind::kServerKeystore:
      return true;
    default:
      return false;
  }
}

// What a line says of `node`.
struct Description {
  std::string path;
  std::vector<AuditedEntry> about;
};

// In one look at the keystore: it is done for every key that is read.
Result<Description> DescribeFile(Keystore& keystore, NodeId node) {
  const auto snapshot = TRY(keystore.Snapshot());
  const Place place = TRY(Resolve(*snapshot, node));
  if (!place.entry) return Error(ErrorCode::kStale, "the entry is gone");
  const auto store = TRY(snapshot->FindStoreByNumber(place.entry->store));
  return Description{
      PathOf(*snapshot, *place.entry) + "/" + std::string(FileName(*node.member())),
      {{store ? store->name.text() : std::string(), place.entry->alias.text(), node.revision()}}};
}

Result<std::vector<AuditedEntry>> AboutView(Keystore& keystore, NodeId node) {
  const auto snapshot = TRY(keystore.Snapshot());
  const Place place = TRY(Resolve(*snapshot, NodeId::OfDirectory(node.number())));
  if (place.store) return std::vector<AuditedEntry>{{place.store->name.text(), {}, std::nullopt}};
  if (!place.entry) return std::vector<AuditedEntry>();
  const auto store = TRY(snapshot->FindStoreByNumber(place.entry->store));
  return std::vector<AuditedEntry>{
      {store ? store->name.text() : std::string(), place.entry->alias.text(), place.entry->revision}};
}

// What is gone by now, or damaged, has the path that can be told.
Description Describe(Keystore& keystore, NodeId node) {
  if (node.member()) {
    auto file = WithinMemory([&] { return DescribeFile(keystore, node); });
    if (file.has_value()) return std::move(file).value();
  }
  Description description{NodePath(keystore, node), {}};
  if (!node.is_view() || node.number() == 0 || AuthorityFileOf(node)) return description;
  auto about = WithinMemory([&] { return AboutView(keystore, node); });
  if (about.has_value()) description.about = std::move(about).value();
  return description;
}

}  // namespace

AuditActor AuditedCaller::Who() const {
  if (caller_.known) return *caller_.known;
  AuditActor actor;
  actor.uid = caller_.uid;
  actor.gid = caller_.gid;
  if (caller_.thread == 0) return actor;
  actor.pid = processes_.ProcessOf(caller_.thread);
  actor.executable = processes_.ExecutableOf(caller_.thread);
  // That takes a file of /proc, the other a link.
  if (!actor.executable) actor.program = processes_.ProgramOf(caller_.thread);
  return actor;
}

Caller Known(const Caller& opener, const ProcessTable& processes) {
  Caller known = opener;
  known.known = std::make_shared<const AuditActor>(AuditedCaller(opener, processes).Who());
  return known;
}

Caller Closing(const Caller& caller, std::int32_t process, const Caller& opener,
               std::int32_t opener_process) {
  Caller closing = caller;
  if (process == opener_process && opener.known) {
    closing.known = opener.known;
    return closing;
  }
  AuditActor actor;
  actor.uid = caller.uid;
  actor.gid = caller.gid;
  actor.pid = process;
  closing.known = std::make_shared<const AuditActor>(std::move(actor));
  return closing;
}

std::string AuditedCaller::OutcomeOf(const Error& error) const {
  return std::string(ErrnoName(error.code()));
}

std::string NameOfChange(const AttributeChange& change, std::optional<std::uint64_t> size) {
  if (size) return "truncate";
  if (change.access_acl || change.default_acl) return "setfacl";
  if (change.uid || change.gid) return "chown";
  return change.mode ? "chmod" : "utimens";
}

const char* NotedReading(NodeId node) {
  if (node.fixed() == Fixed::kAudit) return "read-log";
  const bool key = (node.member() && IsKeyMaterial(*node.member())) || IsKeyView(node);
  return key ? "read" : nullptr;
}

Result<HandleId> Volume::Open(const Caller& caller, NodeId node, OpenMode mode) {
  const char* const operation = state_->audit != nullptr && !mode.write ? NotedReading(node) : nullptr;
  if (operation == nullptr) return OpenFile(caller, node, mode);
  Description description = Describe(keystore_, node);
  const CallerRequest request(caller, state_->processes, operation, std::move(description.path));
  auto opened = OpenFile(caller, node, mode);
  if (!opened.has_value()) {
    // Of what the kernel asks again nothing has come yet; what was refused in words has its line.
    if (opened.error().code() == ErrorCode::kStale || request.request().noted()) return opened;
    AuditEvent event = request.request().Event();
    event.about = std::move(description.about);
    state_->NoteRefusal(std::move(event), opened.error());
    return opened;
  }
  AuditEvent event = request.request().Event();
  event.about = std::move(description.about);
  auto noted = WithinMemory([&] { return state_->audit->Append(event); });
  if (noted.has_value()) return opened;
  // Whoever cannot be noted gets no key.
  Release(node, opened.value());
  return RefuseOpen(caller, node, std::move(noted).error());
}

Result<void> Volume::NoteReading(const AuditedRequest& request, NodeId node) {
  if (state_->audit == nullptr) return {};
  AuditEvent event = request.Event();
  event.about = Describe(keystore_, node).about;
  TRY(state_->audit->Append(event));
  return {};
}

void Volume::State::NoteRefusal(AuditEvent event, const Error& error) {
  event.outcome = ErrnoName(error.code());
  event.rule = error.rule();
  event.reason = error.message();
  // It is refused all the same where that cannot be noted.
  static_cast<void>(audit->Append(event).has_value());
}

void Volume::State::NoteRefusal(const Caller& caller, const std::string& path, const Error& error) {
  if (audit == nullptr) return;
  AuditedRequest* const request = AuditedRequest::Current();
  AuditEvent event;
  if (request != nullptr) {
    event = request->Event();
  } else {
    event.operation = "write";
    event.who = AuditedCaller(caller, processes).Who();
  }
  event.path = path;
  NoteRefusal(std::move(event), error);
  if (request != nullptr) request->Noted();
}

}  // namespace certfs
