#include "fs/volume/authority_files.h"

#include <algorithm>

#include "crypto/pem.h"
#include "crypto/revocation_list.h"
#include "crypto/sealing.h"

namespace certfs {

namespace {

constexpr std::string_view kPemEnding = ".pem";
constexpr std::string_view kKeyEnding = ".key";
constexpr std::string_view kProfileEnding = ".toml";

void AppendPem(Bytes& out, std::string_view label, BytesView der) {
  const SecretBytes pem = WritePem(label, der);
  out.insert(out.end(), pem.Reveal().begin(), pem.Reveal().end());
}

Digest IdentityOf(BytesView bytes) { return Sha256({bytes}); }

// Node ids have room for 32 bits of it; two profiles that meet there are told apart by their bytes.
Number NumberOf(std::string_view profile) {
  const Digest digest = Sha256({AsBytes(profile)});
  return Number{digest[0]} << 24 | Number{digest[1]} << 16 | Number{digest[2]} << 8 | Number{digest[3]};
}

// A retired authority certificate keeps its name in the ledger's lines, hence its chain here.
std::vector<BytesView> IntermediatesIn(const AuthorityCertificate& authority) {
  std::vector<BytesView> found;
  if (authority.chain.empty()) return found;  // A root, which nobody sends.
  found.emplace_back(authority.certificate);
  for (std::size_t i = 0; i + 1 < authority.chain.size(); ++i) found.emplace_back(authority.chain[i]);
  return found;
}

}  // namespace

std::optional<AuthorityFile> AuthorityFileOf(NodeId node) {
  const auto kind = node.view_kind();
  if (!kind || *kind < static_cast<std::uint8_t>(AuthorityFile::kRoot) ||
      *kind > static_cast<std::uint8_t>(AuthorityFile::kProfile))
    return std::nullopt;
  return static_cast<AuthorityFile>(*kind);
}

std::optional<IssuedName> ParseIssuedName(std::string_view name) {
  const bool key = name.ends_with(kKeyEnding);
  if ((!key && !name.ends_with(kPemEnding)) || name.size() == kPemEnding.size()) return std::nullopt;
  return IssuedName{std::string(name.substr(0, name.size() - kPemEnding.size())), key};
}

Attributes AuthorityFiles::AttributesOf(std::uint32_t mode, Time when) const {
  Attributes attributes;
  attributes.uid = owner_.uid;
  attributes.gid = owner_.gid;
  attributes.mode = mode;
  attributes.atime = attributes.mtime = attributes.ctime = when;
  return attributes;
}

// --- ca/ itself

Result<std::shared_ptr<const AuthorityFiles::Face>> AuthorityFiles::FaceOf(TableSnapshot& snapshot) {
  {
    const std::lock_guard lock(mutex_);
    if (face_ && face_->commit == snapshot.commit()) return face_;
  }
  auto made = std::make_shared<Face>();
  made->commit = snapshot.commit();
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  made->requests.uid = record.requests_uid != 0 ? record.requests_uid : owner_.uid;
  made->requests.gid = record.requests_gid != 0 ? record.requests_gid : owner_.gid;
  made->requests.mode = record.requests_mode;
  if (snapshot.has_authority()) {
    if (auto found = TRY(authority_.Face(snapshot))) {
      made->there = true;
      made->certificate = found->certificate.fingerprint();
      AppendPem(made->chain.bytes, "CERTIFICATE", found->certificate.der());
      for (const Certificate& each : found->chain) AppendPem(made->chain.bytes, "CERTIFICATE", each.der());
      const Certificate& root = found->chain.empty() ? found->certificate : found->chain.back();
      AppendPem(made->root.bytes, "CERTIFICATE", root.der());
      if (!found->crl.empty()) {
        AppendPem(made->list_pem.bytes, "X509 CRL", found->crl);
        made->list = TRY(RevocationList::FromDer(found->crl));
        made->list_der.bytes = std::move(found->crl);
      }
      // Once: a list may be large.
      for (Face::File* const file : {&made->root, &made->chain, &made->list_pem, &made->list_der})
        file->identity = IdentityOf(file->bytes);
      made->facts = std::move(found->facts);
    }
  }
  const std::lock_guard lock(mutex_);
  face_ = made;
  return std::shared_ptr<const Face>(std::move(made));
}

Result<std::vector<AuthorityFiles::Shown>> AuthorityFiles::PublicFiles(TableSnapshot& snapshot) {
  std::vector<Shown> shown;
  const auto face = TRY(FaceOf(snapshot));
  if (!face->there) return shown;
  const auto add = [&](AuthorityFile file, std::string name, const Face::File& of, Time when) {
    if (of.bytes.empty()) return;
    shown.push_back({file, 0, std::move(name), of.identity, of.bytes.size(), AttributesOf(0644, when)});
  };
  add(AuthorityFile::kRoot, "root.pem", face->root, face->facts.created);
  add(AuthorityFile::kChain, "chain.pem", face->chain, face->facts.created);
  add(AuthorityFile::kListPem, "crl.pem", face->list_pem, face->facts.crl_made);
  add(AuthorityFile::kListDer, "crl.der", face->list_der, face->facts.crl_made);
  return shown;
}

Result<bool> AuthorityFiles::IsListDue(TableSnapshot& snapshot) {
  const auto face = TRY(FaceOf(snapshot));
  if (!face->list) return face->there;
  const auto next = face->list->next_update();
  return !next || keystore_.Now() >= face->list->this_update() + (*next - face->list->this_update()) / 2;
}

Result<AttributeChange> AuthorityFiles::RequestsAttributes(TableSnapshot& snapshot) {
  return TRY(FaceOf(snapshot))->requests;
}

// --- ca/profiles/

Result<std::vector<AuthorityFiles::Shown>> AuthorityFiles::ProfileFiles(TableSnapshot& snapshot) {
  std::vector<Shown> shown;
  for (const auto& [name, text] : TRY(authority_.Profiles(snapshot))) {
    Shown each{AuthorityFile::kProfile,   NumberOf(name), name + std::string(kProfileEnding),
               IdentityOf(AsBytes(text)), text.size(),    AttributesOf(0644, owner_.began)};
    const std::lock_guard lock(mutex_);
    if (const auto written = profile_times_.find(name); written != profile_times_.end())
      each.attributes.atime = each.attributes.mtime = each.attributes.ctime = written->second;
    shown.push_back(std::move(each));
  }
  return shown;
}

void AuthorityFiles::ProfileChanged(const std::string& name) {
  const std::lock_guard lock(mutex_);
  profile_times_[name] = keystore_.Now();
}

// --- backup/ca.p12

Result<std::optional<AuthorityFiles::Shown>> AuthorityFiles::BackupFile(TableSnapshot& snapshot) {
  const auto face = TRY(FaceOf(snapshot));
  if (!face->there) return std::optional<Shown>();
  const auto size = authority_.MeasureBackup(snapshot);
  // A key that lies in a token cannot be backed up by anybody.
  if (!size.has_value() && size.error().code() == ErrorCode::kUnsupported) return std::optional<Shown>();
  if (!size.has_value()) return size.error();
  const Settings settings = TRY(snapshot.GetSettings());
  const auto form = static_cast<std::uint8_t>(settings.profile);
  const Digest identity = HmacSha256(TRY(snapshot.DeriveViewKey()),
                                     {face->certificate, {&form, 1}, settings.export_password.Reveal()});
  return std::optional(Shown{AuthorityFile::kBackup, 0, std::string(kAuthorityBackupName), identity,
                             size.value(), AttributesOf(0600, face->facts.created)});
}

// --- ca/issued/

Result<std::shared_ptr<const Bytes>> AuthorityFiles::IntermediatesOf(TableSnapshot& snapshot,
                                                                     std::uint32_t id) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = intermediates_.find(id); known != intermediates_.end()) return known->second;
  }
  auto pem = std::make_shared<Bytes>();
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  const AuthorityCertificate* const authority = record.Find(id);
  if (authority == nullptr) return std::shared_ptr<const Bytes>(std::move(pem));
  for (const BytesView der : IntermediatesIn(*authority)) AppendPem(*pem, "CERTIFICATE", der);
  const std::lock_guard lock(mutex_);
  intermediates_[id] = pem;
  return std::shared_ptr<const Bytes>(std::move(pem));
}

Result<Bytes> AuthorityFiles::ChainOf(TableSnapshot& snapshot, const IssuedCertificate& line) {
  Bytes chain;
  AppendPem(chain, "CERTIFICATE", line.certificate);
  const auto intermediates = TRY(IntermediatesOf(snapshot, line.authority));
  chain.insert(chain.end(), intermediates->begin(), intermediates->end());
  return chain;
}

Result<std::vector<AuthorityFiles::Shown>> AuthorityFiles::FilesOf(TableSnapshot& snapshot,
                                                                   const IssuedCertificate& line) {
  std::vector<Shown> shown;
  if (line.certificate.empty()) return shown;
  const std::uint64_t size = TRY(ChainOf(snapshot, line)).size();
  const Digest identity = IdentityOf(line.certificate);
  const Attributes of_daemon = AttributesOf(0644, line.issued);
  shown.push_back({AuthorityFile::kSerial, line.number, ToText(line.serial) + std::string(kPemEnding),
                   identity, size, of_daemon});
  if (line.pickup.empty()) return shown;
  Attributes own = of_daemon;
  own.uid = line.uid;
  own.gid = line.gid;
  if (!IsHidden(line.number))
    shown.push_back(
        {AuthorityFile::kPickup, line.number, line.pickup + std::string(kPemEnding), identity, size, own});
  if (line.key.empty()) return shown;
  own.mode = 0600;
  shown.push_back({AuthorityFile::kPickupKey, line.number, line.pickup + std::string(kKeyEnding), identity,
                   WritePem("PRIVATE KEY", line.key.Reveal()).size(), own});
  return shown;
}

Result<std::optional<IssuedCertificate>> AuthorityFiles::FindPickup(TableSnapshot& snapshot,
                                                                    const std::string& name) {
  std::optional<IssuedCertificate> found;
  TRY(snapshot.ListIssued(IssuedGroupKey::Pickup(name), [&](Cursor, const IssuedCertificate& line) {
    if (line.pickup != name) return true;
    found = line.Clone();
    return false;
  }));
  return found;
}

Result<std::optional<AuthorityFiles::Shown>> AuthorityFiles::FindIssued(TableSnapshot& snapshot,
                                                                        std::string_view name) {
  const auto parsed = ParseIssuedName(name);
  if (!parsed) return std::optional<Shown>();
  std::optional<IssuedCertificate> line;
  const auto serial = ParseSerialNumber(parsed->stem);
  if (serial && !parsed->key && ToText(*serial) == parsed->stem) line = TRY(snapshot.FindIssued(*serial));
  if (!line) line = TRY(FindPickup(snapshot, parsed->stem));
  if (!line) return std::optional<Shown>();
  for (Shown& each : TRY(FilesOf(snapshot, *line))) {
    if (each.name == name) return std::optional(std::move(each));
  }
  return std::optional<Shown>();
}

Result<void> AuthorityFiles::ListIssued(TableSnapshot& snapshot, Cursor after, const IssuedFileSink& sink) {
  std::optional<Error> failure;
  auto listed = snapshot.ListIssued(after, [&](Cursor at, const IssuedCertificate& line) {
    auto files = FilesOf(snapshot, line);
    if (!files.has_value()) {
      failure = std::move(files).error();
      return false;
    }
    std::size_t which = 0;
    for (const Shown& each : files.value()) {
      if (!sink(at, which++, each)) return false;
    }
    return true;
  });
  if (failure) return *std::move(failure);
  return listed;
}

void AuthorityFiles::HidePickup(Number line) {
  const std::lock_guard lock(mutex_);
  hidden_.insert(line);
}

bool AuthorityFiles::IsHidden(Number line) {
  const std::lock_guard lock(mutex_);
  return hidden_.contains(line);
}

// --- By node, and bytes

Result<std::optional<AuthorityFiles::Shown>> AuthorityFiles::Find(TableSnapshot& snapshot, NodeId node) {
  const auto file = AuthorityFileOf(node);
  if (!file) return std::optional<Shown>();
  std::vector<Shown> shown;
  switch (*file) {
    case AuthorityFile::kRoot:
    case AuthorityFile::kChain:
    case AuthorityFile::kListPem:
    case AuthorityFile::kListDer:
      shown = TRY(PublicFiles(snapshot));
      break;
    case AuthorityFile::kProfile:
      shown = TRY(ProfileFiles(snapshot));
      break;
    case AuthorityFile::kBackup:
      return BackupFile(snapshot);
    case AuthorityFile::kSerial:
    case AuthorityFile::kPickup:
    case AuthorityFile::kPickupKey:
      if (const auto line = TRY(snapshot.FindIssuedByNumber(node.number())))
        shown = TRY(FilesOf(snapshot, *line));
      break;
  }
  for (Shown& each : shown) {
    if (each.file == *file && each.number == node.number()) return std::optional(std::move(each));
  }
  return std::optional<Shown>();
}

Result<ViewBytes> AuthorityFiles::Read(TableSnapshot& snapshot, const Shown& shown) {
  ViewBytes bytes;
  switch (shown.file) {
    case AuthorityFile::kRoot:
      bytes.plain = TRY(FaceOf(snapshot))->root.bytes;
      break;
    case AuthorityFile::kChain:
      bytes.plain = TRY(FaceOf(snapshot))->chain.bytes;
      break;
    case AuthorityFile::kListPem:
      bytes.plain = TRY(FaceOf(snapshot))->list_pem.bytes;
      break;
    case AuthorityFile::kListDer:
      bytes.plain = TRY(FaceOf(snapshot))->list_der.bytes;
      break;
    case AuthorityFile::kBackup:
      bytes.plain = TRY(authority_.MakeBackup(snapshot));
      break;
    case AuthorityFile::kProfile:
      for (const auto& [name, text] : TRY(authority_.Profiles(snapshot))) {
        if (name + std::string(kProfileEnding) == shown.name) bytes.plain.assign(text.begin(), text.end());
      }
      break;
    case AuthorityFile::kSerial:
    case AuthorityFile::kPickup:
    case AuthorityFile::kPickupKey: {
      const auto line = TRY(snapshot.FindIssuedByNumber(shown.number));
      if (!line) return Error(ErrorCode::kStale, "what it shows is gone");
      if (shown.file == AuthorityFile::kPickupKey) {
        bytes.secret = WritePem("PRIVATE KEY", line->key.Reveal());
      } else {
        bytes.plain = TRY(ChainOf(snapshot, *line));
      }
      break;
    }
  }
  if (bytes.plain.size() + bytes.secret.size() != shown.size)
    return Error(ErrorCode::kInternal, shown.name + " is not as large as it was shown");
  return bytes;
}

}  // namespace certfs
