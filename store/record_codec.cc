#include "store/record_codec.h"

#include <string>

#include "crypto/sealing.h"

namespace certfs {

namespace {

constexpr std::uint16_t kFormat = 1;  // On disk: never change or reuse.
constexpr std::uint32_t kModeMax = 07777;

Error Damaged(std::string_view what) {
  return {ErrorCode::kCorrupt, "the record of " + std::string(what) + " does not decode"};
}

// Checks the format that every record begins with.
Result<void> CheckFormat(Reader& reader, std::string_view what) {
  const std::uint16_t format = reader.U16();
  if (!reader.ok() || format == 0) return Damaged(what);
  if (format > kFormat) {
    return Error(ErrorCode::kUnsupported, "the record of " + std::string(what) + " has format " +
                                              std::to_string(format) +
                                              ": made by a newer certfs; this one knows 1");
  }
  return {};
}

Time TakeTime(Reader& reader) { return Time(std::chrono::nanoseconds(reader.I64())); }

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
    if (!list.has_value()) return false;
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

}  // namespace

Manifest Manifest::Clone() const {
  Manifest copy{commit, next_number, stores, store_count, serials, index_key.Clone(), {}};
  for (const DataKey& each : data_keys) copy.data_keys.push_back({each.epoch, each.key.Clone()});
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
  writer.U16(kFormat);
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
  return bytes;
}

Result<Manifest> DecodeManifest(BytesView bytes) {
  Reader reader(bytes);
  TRY(CheckFormat(reader, "the manifest"));
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
    if (manifest.KeyOf(epoch) != nullptr) return Damaged("the manifest");
    manifest.data_keys.push_back({epoch, SecretBytes::CopyOf(reader.Raw(kDataKeyBytes))});
  }
  if (!reader.done() || count == 0 || manifest.next_number < kFirstNumber) return Damaged("the manifest");
  return manifest;
}

Bytes EncodeStore(const Store& store) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U16(kFormat);
  writer.U64(store.number);
  WriteAttributes(writer, store.attributes);
  writer.Raw(store.entries);
  writer.U64(store.entry_count);
  writer.Prefixed(AsBytes(store.name.text()));
  return bytes;
}

Result<Store> DecodeStore(BytesView bytes) {
  Reader reader(bytes);
  TRY(CheckFormat(reader, "a store"));
  Store store;
  store.number = reader.U64();
  if (!ReadAttributes(reader, store.attributes)) return Damaged("a store");
  reader.Fill(store.entries);
  store.entry_count = reader.U64();
  if (!ReadName(reader, store.name) || !reader.done() || store.number < kFirstNumber)
    return Damaged("a store");
  return store;
}

Bytes EncodeEntry(const Entry& entry) {
  Bytes bytes;
  Writer writer(bytes);
  writer.U16(kFormat);
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
  return bytes;
}

Result<Entry> DecodeEntry(BytesView bytes) {
  Reader reader(bytes);
  TRY(CheckFormat(reader, "an entry"));
  Entry entry;
  entry.number = reader.U64();
  entry.store = reader.U64();
  entry.origin = reader.U64();
  entry.revision = reader.U64();
  const bool read =
      ReadAttributes(reader, entry.attributes) && ReadName(reader, entry.alias) && ReadFiles(reader, entry);
  if (!read || !reader.done() || entry.number < kFirstNumber || entry.store < kFirstNumber)
    return Damaged("an entry");
  return entry;
}

}  // namespace certfs
