#include "store/record_codec.h"

#include <algorithm>

#include "crypto/sealing.h"
#include "store/record_format.h"

namespace certfs {

namespace {

// On disk: never change or reuse. What is older is still read.
constexpr std::uint16_t kManifestFormat =
    4;  // 1 ends with the data keys, 2 with the flags, 3 with the ledger.
constexpr std::uint16_t kSettingsFormat = 1;
constexpr std::uint16_t kStoreFormat = 2;  // 1 ends with the name.
constexpr std::uint16_t kEntryFormat = 3;  // 1 ends with the files, 2 with the last change.
constexpr std::uint8_t kRewritePending = 1;
constexpr std::uint8_t kHasAuthority = 2;

// Of what is counted up for ever.
constexpr std::uint64_t kLastNumber = ~std::uint64_t{0};
constexpr std::uint32_t kModeMax = 07777;

void WriteAttributes(Writer<Bytes>& writer, const Attributes& attributes) {
  writer.U32(attributes.uid);
  writer.U32(attributes.gid);
  writer.U32(attributes.mode);
  for (const Time time : {attributes.atime, attributes.mtime, attributes.ctime}) {
    writer.I64(time.time_since_epoch().count());
  }
  writer.Prefixed(attributes.access_acl.Encode());
  writer.Prefixed(attributes.default_acl.Encode());
}

bool ReadAttributes(Reader& reader, Attributes& attributes) {
  attributes.uid = reader.U32();
  attributes.gid = reader.U32();
  attributes.mode = reader.U32();
  attributes.atime = TakeTime(reader);
  attributes.mtime = TakeTime(reader);
  attributes.ctime = TakeTime(reader);
  for (AccessControlList* const acl : {&attributes.access_acl, &attributes.default_acl}) {
    const BytesView bytes = reader.Prefixed();
    if (bytes.empty()) continue;
    auto list = AccessControlList::Parse(bytes);
    // Its entries have one order, whatever the kernel may give them in.
    if (!list.has_value() || !std::ranges::equal(list.value().Encode(), bytes)) return false;
    *acl = std::move(list).value();
  }
  const AccessControlList& access = attributes.access_acl;
  const bool in_step =
      access.empty() || (!access.IsMode() && access.mode() == (attributes.mode & kBitsOfAcl));
  return reader.ok() && attributes.mode <= kModeMax && in_step;
}

template <typename Name>
bool ReadName(Reader& reader, Name& name) {
  auto parsed = Name::ParseStored(AsText(reader.Prefixed()));
  if (!parsed.has_value()) return false;
  name = std::move(parsed).value();
  return true;
}

// Members come in ascending order, so that one entry has one encoding.
bool ReadFiles(Reader& reader, Entry& entry) {
  const std::size_t count = reader.U8();
  std::uint8_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t member = reader.U8();
    if (member <= last || member > kMembers.size()) return false;
    last = member;
    File& file = entry.file(static_cast<Member>(member)).emplace();
    if (!ReadAttributes(reader, file.attributes)) return false;
    file.size = reader.U32();
    const std::uint8_t dated = reader.U8();
    if (dated > 1) return false;
    file.dated = dated == 1;
    reader.Fill(file.digest);
  }
  return reader.ok();
}

bool ReadLastChange(Reader& reader, Entry& entry) {
  const std::uint8_t known = reader.U8();
  if (known == 1) {
    LastChange& changed = entry.changed.emplace();
    changed.uid = reader.U32();
    changed.at = TakeTime(reader);
  }
  return known <= 1;
}

}  // namespace

Manifest Manifest::Clone() const {
  Manifest copy;
  copy.commit = commit;
  copy.next_number = next_number;
  copy.stores = stores;
  copy.store_count = store_count;
  copy.serials = serials;
  copy.index_key = index_key.Clone();
  for (const DataKey& each : data_keys) copy.data_keys.push_back({each.epoch, each.key.Clone()});
  copy.settings = settings;
  copy.authority = authority;
  copy.has_authority = has_authority;
  copy.issued = issued;
  copy.groups = groups;
  copy.issued_count = issued_count;
  copy.audit = audit;
  copy.rewrite_pending = rewrite_pending;
  return copy;
}

const SecretBytes* Manifest::KeyOf(std::uint32_t epoch) const {
  for (const DataKey& each : data_keys) {
    if (each.epoch == epoch) return &each.key;
  }
  return nullptr;
}

SecretBytes EncodeManifest(const Manifest& manifest) {
  SecretBytes bytes;
  Writer writer(bytes);
  writer.U16(kManifestFormat);
  writer.U64(manifest.commit);
  writer.U64(manifest.next_number);
  writer.Raw(manifest.stores);
  writer.U64(manifest.store_count);
  writer.Raw(manifest.serials);
  writer.Raw(manifest.index_key.Reveal());
  writer.U16(static_cast<std::uint16_t>(manifest.data_keys.size()));
  for (const DataKey& each : manifest.data_keys) {
    writer.U32(each.epoch);
    writer.Raw(each.key.Reveal());
  }
  writer.Raw(manifest.settings);
  writer.U8(static_cast<std::uint8_t>((manifest.rewrite_pending ? kRewritePending : 0) |
                                      (manifest.has_authority ? kHasAuthority : 0)));
  writer.Raw(manifest.authority);
  writer.Raw(manifest.issued);
  writer.Raw(manifest.groups);
  writer.U64(manifest.issued_count);
  writer.U64(manifest.audit.first);
  writer.Raw(manifest.audit.before);
  writer.U64(manifest.audit.last.number);
  writer.Raw(manifest.audit.last.digest);
  writer.U64(manifest.audit.last.segment);
  writer.U64(manifest.audit.last.offset);
  return bytes;
}

Result<Manifest> DecodeManifest(BytesView bytes) {
  Reader reader(bytes);
  const std::uint16_t format = TRY(ReadFormat(reader, kManifestFormat, "the manifest"));
  Manifest manifest;
  manifest.commit = reader.U64();
  manifest.next_number = reader.U64();
  reader.Fill(manifest.stores);
  manifest.store_count = reader.U64();
  reader.Fill(manifest.serials);
  manifest.index_key = SecretBytes::CopyOf(reader.Raw(kDataKeyBytes));
  const std::size_t count = reader.U16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const std::uint32_t epoch = reader.U32();
    if (manifest.KeyOf(epoch) != nullptr) return DamagedRecord("the manifest");
    manifest.data_keys.push_back({epoch, SecretBytes::CopyOf(reader.Raw(kDataKeyBytes))});
  }
  if (format >= 2) {
    reader.Fill(manifest.settings);
    const std::uint8_t flags = reader.U8();
    const std::uint8_t known = format == 2 ? kRewritePending : kRewritePending | kHasAuthority;
    if ((flags & ~known) != 0) return DamagedRecord("the manifest");
    manifest.rewrite_pending = (flags & kRewritePending) != 0;
    manifest.has_authority = (flags & kHasAuthority) != 0;
  }
  if (format >= 3) {
    reader.Fill(manifest.authority);
    reader.Fill(manifest.issued);
    reader.Fill(manifest.groups);
    manifest.issued_count = reader.U64();
  }
  if (format >= 4) {
    AuditAnchor& audit = manifest.audit;
    audit.first = reader.U64();
    reader.Fill(audit.before);
    audit.last.number = reader.U64();
    reader.Fill(audit.last.digest);
    audit.last.segment = reader.U64();
    audit.last.offset = reader.U64();
    const bool begun = audit.first != 0;
    if (begun != (audit.last.number != 0) || audit.first > audit.last.number)
      return DamagedRecord("the manifest");
  }
  // Nothing gets past the last number: the next commit would be the first one again.
  const bool goes_on = manifest.commit != kLastNumber && manifest.next_number != kLastNumber &&
                       manifest.audit.last.number != kLastNumber;
  if (!reader.done() || count == 0 || manifest.next_number < kFirstNumber || !goes_on)
    return DamagedRecord("the manifest");
  return manifest;
}

SecretBytes EncodeSettings(const Settings& settings) {
  SecretBytes bytes;
  Writer writer(bytes);
  writer.U16(kSettingsFormat);
  writer.U8(static_cast<std::uint8_t>(settings.profile));
  writer.Prefixed(settings.export_password.Reveal());
  return bytes;
}

Result<Settings> DecodeSettings(BytesView bytes) {
  Reader reader(bytes);
  TRY(ReadFormat(reader, kSettingsFormat, "the settings"));
  const std::uint8_t profile = reader.U8();
  Settings settings;
  settings.profile = static_cast<ExportProfile>(profile);
  settings.export_password = SecretBytes::CopyOf(reader.Prefixed());
  const bool known =
      settings.profile == ExportProfile::kModern || settings.profile == ExportProfile::kCompatible;
  if (!reader.done() || !known || settings.export_password.size() > kExportPasswordBytesMax)
    return DamagedRecord("the settings");
  return settings;
}

Bytes EncodeStore(const Store& store) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U16(kStoreFormat);
  writer.U64(store.number);
  WriteAttributes(writer, store.attributes);
  writer.Raw(store.entries);
  writer.U64(store.entry_count);
  writer.Prefixed(AsBytes(store.name.text()));
  writer.U8(store.enforce_revocation ? 1 : 0);
  return bytes;
}

Result<Store> DecodeStore(BytesView bytes) {
  Reader reader(bytes);
  const std::uint16_t format = TRY(ReadFormat(reader, kStoreFormat, "a store"));
  Store store;
  store.number = reader.U64();
  if (!ReadAttributes(reader, store.attributes)) return DamagedRecord("a store");
  reader.Fill(store.entries);
  store.entry_count = reader.U64();
  const bool read =
      ReadName(reader, store.name) && (format < 2 || TakeFlag(reader, store.enforce_revocation));
  if (!read || !reader.done() || store.number < kFirstNumber) return DamagedRecord("a store");
  return store;
}

Bytes EncodeEntry(const Entry& entry) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U16(kEntryFormat);
  writer.U64(entry.number);
  writer.U64(entry.store);
  writer.U64(entry.origin);
  writer.U64(entry.revision);
  WriteAttributes(writer, entry.attributes);
  writer.Prefixed(AsBytes(entry.alias.text()));
  std::uint8_t count = 0;
  for (const auto& file : entry.files) count = static_cast<std::uint8_t>(count + (file ? 1 : 0));
  writer.U8(count);
  for (const Member member : kMembers) {
    const auto& file = entry.file(member);
    if (!file) continue;
    writer.U8(static_cast<std::uint8_t>(member));
    WriteAttributes(writer, file->attributes);
    writer.U32(file->size);
    writer.U8(file->dated ? 1 : 0);
    writer.Raw(file->digest);
  }
  writer.U8(entry.changed ? 1 : 0);
  if (entry.changed) {
    writer.U32(entry.changed->uid);
    writer.I64(entry.changed->at.time_since_epoch().count());
  }
  writer.U64(entry.keeps);
  return bytes;
}

Result<Entry> DecodeEntry(BytesView bytes) {
  Reader reader(bytes);
  const std::uint16_t format = TRY(ReadFormat(reader, kEntryFormat, "an entry"));
  Entry entry;
  entry.number = reader.U64();
  entry.store = reader.U64();
  entry.origin = reader.U64();
  entry.revision = reader.U64();
  const bool read = ReadAttributes(reader, entry.attributes) && ReadName(reader, entry.alias) &&
                    ReadFiles(reader, entry) && (format < 2 || ReadLastChange(reader, entry));
  if (format >= 3) entry.keeps = reader.U64();
  if (!read || !reader.done() || entry.number < kFirstNumber || entry.store < kFirstNumber)
    return DamagedRecord("an entry");
  return entry;
}

}  // namespace certfs
