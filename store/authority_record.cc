#include "store/authority_record.h"

#include <algorithm>

#include "store/record_format.h"

namespace certfs {

namespace {

constexpr std::uint16_t kAuthorityFormat = 1;  // On disk: never change or reuse.
constexpr auto kWhat = "the authority";
constexpr std::uint32_t kModeMax = 07777;

void WriteCertificate(Writer<SecretBytes>& writer, const AuthorityCertificate& each) {
  writer.U32(each.id);
  writer.U8(static_cast<std::uint8_t>(each.role));
  WriteLong(writer, each.certificate);
  writer.U16(static_cast<std::uint16_t>(each.chain.size()));
  for (const Bytes& certificate : each.chain) WriteLong(writer, certificate);
  WriteLong(writer, each.key.Reveal());
  writer.Prefixed(AsBytes(each.token));
  writer.U64(each.crl_number);
  writer.I64(each.crl_made.time_since_epoch().count());
  writer.U64(each.root_entry);
  writer.U64(each.crl_entry);
  writer.I64(each.created.time_since_epoch().count());
  writer.U64(each.issued);
}

AuthorityCertificate ReadCertificate(Reader& reader) {
  AuthorityCertificate each;
  each.id = reader.U32();
  each.role = static_cast<AuthorityRole>(reader.U8());
  each.certificate = CopyOf(TakeLong(reader));
  const std::size_t count = reader.U16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) each.chain.push_back(CopyOf(TakeLong(reader)));
  each.key = SecretBytes::CopyOf(TakeLong(reader));
  each.token = std::string(AsText(reader.Prefixed()));
  each.crl_number = reader.U64();
  each.crl_made = TakeTime(reader);
  each.root_entry = reader.U64();
  each.crl_entry = reader.U64();
  each.created = TakeTime(reader);
  each.issued = reader.U64();
  return each;
}

void WriteReplacement(Writer<SecretBytes>& writer, const std::optional<RootReplacement>& replacement) {
  writer.U8(replacement ? 1 : 0);
  if (!replacement) return;
  writer.U8(static_cast<std::uint8_t>(replacement->phase));
  writer.U32(replacement->from);
  writer.U32(replacement->to);
  writer.U8(replacement->compromised ? 1 : 0);
  writer.U8(replacement->rekey ? 1 : 0);
  writer.U64(replacement->total);
  writer.U64(replacement->failed);
  writer.I64(replacement->began.time_since_epoch().count());
}

bool ReadReplacement(Reader& reader, std::optional<RootReplacement>& replacement) {
  bool under_way = false;
  if (!TakeFlag(reader, under_way)) return false;
  if (!under_way) return true;
  replacement.emplace();
  replacement->phase = static_cast<ReplacementPhase>(reader.U8());
  replacement->from = reader.U32();
  replacement->to = reader.U32();
  if (!TakeFlag(reader, replacement->compromised) || !TakeFlag(reader, replacement->rekey)) return false;
  replacement->total = reader.U64();
  replacement->failed = reader.U64();
  replacement->began = TakeTime(reader);
  return true;
}

void WriteOperation(Writer<SecretBytes>& writer, const std::optional<LastOperation>& operation) {
  writer.U8(operation ? 1 : 0);
  if (!operation) return;
  writer.Prefixed(AsBytes(operation->name));
  writer.I64(operation->at.time_since_epoch().count());
  writer.U16(static_cast<std::uint16_t>(operation->entries.size()));
  for (const LastOperation::Changed& each : operation->entries) {
    writer.U64(each.entry);
    writer.U64(each.revision);
  }
  writer.U8(operation->reverted ? 1 : 0);
}

bool ReadOperation(Reader& reader, std::optional<LastOperation>& operation) {
  bool known = false;
  if (!TakeFlag(reader, known)) return false;
  if (!known) return true;
  operation.emplace();
  operation->name = std::string(AsText(reader.Prefixed()));
  operation->at = TakeTime(reader);
  const std::size_t count = reader.U16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    LastOperation::Changed& each = operation->entries.emplace_back();
    each.entry = reader.U64();
    each.revision = reader.U64();
  }
  return TakeFlag(reader, operation->reverted);
}

// In the order of their names, so that one record has one encoding.
bool ReadProfiles(Reader& reader, std::map<std::string, std::string>& profiles) {
  const std::size_t count = reader.U16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    std::string name(AsText(reader.Prefixed()));
    if (!profiles.empty() && name <= profiles.rbegin()->first) return false;
    profiles.emplace_hint(profiles.end(), std::move(name), AsText(TakeLong(reader)));
  }
  return reader.ok();
}

Error Refusal(std::string_view what) {
  return {ErrorCode::kInvalidArgument, "an authority record with " + std::string(what)};
}

Result<void> CheckCertificate(const AuthorityCertificate& each) {
  if (each.certificate.empty() || each.certificate.size() > kIssuedDerBytesMax)
    return Refusal("a certificate that is none");
  if (each.role < AuthorityRole::kIssuing || each.role > AuthorityRole::kRetired)
    return Refusal("a role that is none");
  if (each.chain.size() > kAuthorityChainMax) return Refusal("a chain that is too long");
  for (const Bytes& certificate : each.chain) {
    if (certificate.empty() || certificate.size() > kIssuedDerBytesMax)
      return Refusal("a certificate of a chain that is none");
  }
  if (each.key.size() > kIssuedDerBytesMax) return Refusal("a key that is too long");
  if (each.token.size() > kTokenBytesMax || !IsUtf8(each.token)) return Refusal("a token's URI that is none");
  return {};
}

Result<void> CheckCertificates(const AuthorityRecord& record) {
  if (record.certificates.size() > kAuthorityCertificatesMax) return Refusal("too many certificates");
  std::uint32_t last = 0;
  std::size_t issuing = 0;
  for (const AuthorityCertificate& each : record.certificates) {
    if (each.id <= last || each.id >= record.next_id) return Refusal("a certificate's id out of order");
    last = each.id;
    issuing += each.role == AuthorityRole::kIssuing ? 1 : 0;
    TRY(CheckCertificate(each));
  }
  if (issuing > 1) return Refusal("two certificates that issue");
  return {};
}

}  // namespace

AuthorityCertificate AuthorityCertificate::Clone() const {
  AuthorityCertificate copy;
  copy.id = id;
  copy.role = role;
  copy.certificate = certificate;
  copy.chain = chain;
  copy.key = key.Clone();
  copy.token = token;
  copy.crl_number = crl_number;
  copy.crl_made = crl_made;
  copy.root_entry = root_entry;
  copy.crl_entry = crl_entry;
  copy.created = created;
  copy.issued = issued;
  return copy;
}

AuthorityRecord AuthorityRecord::Clone() const {
  AuthorityRecord copy;
  for (const AuthorityCertificate& each : certificates) copy.certificates.push_back(each.Clone());
  copy.next_id = next_id;
  copy.profiles = profiles;
  copy.requests_uid = requests_uid;
  copy.requests_gid = requests_gid;
  copy.requests_mode = requests_mode;
  copy.replacement = replacement;
  copy.last_operation = last_operation;
  copy.backed_up = backed_up;
  copy.issued_at_backup = issued_at_backup;
  return copy;
}

const AuthorityCertificate* AuthorityRecord::Find(std::uint32_t id) const {
  const auto found = std::ranges::find(certificates, id, &AuthorityCertificate::id);
  return found == certificates.end() ? nullptr : &*found;
}

AuthorityCertificate* AuthorityRecord::Find(std::uint32_t id) {
  return const_cast<AuthorityCertificate*>(std::as_const(*this).Find(id));
}

const AuthorityCertificate* AuthorityRecord::Issuing() const {
  const auto found = std::ranges::find(certificates, AuthorityRole::kIssuing, &AuthorityCertificate::role);
  return found == certificates.end() ? nullptr : &*found;
}

AuthorityCertificate* AuthorityRecord::Issuing() {
  return const_cast<AuthorityCertificate*>(std::as_const(*this).Issuing());
}

SecretBytes EncodeAuthority(const AuthorityRecord& record) {
  SecretBytes bytes;
  Writer writer(bytes);
  writer.U16(kAuthorityFormat);
  writer.U32(record.next_id);
  writer.U16(static_cast<std::uint16_t>(record.certificates.size()));
  for (const AuthorityCertificate& each : record.certificates) WriteCertificate(writer, each);
  writer.U16(static_cast<std::uint16_t>(record.profiles.size()));
  for (const auto& [name, toml] : record.profiles) {
    writer.Prefixed(AsBytes(name));
    WriteLong(writer, AsBytes(toml));
  }
  writer.U32(record.requests_uid);
  writer.U32(record.requests_gid);
  writer.U32(record.requests_mode);
  WriteReplacement(writer, record.replacement);
  WriteOperation(writer, record.last_operation);
  writer.I64(record.backed_up.time_since_epoch().count());
  writer.U64(record.issued_at_backup);
  return bytes;
}

Result<AuthorityRecord> DecodeAuthority(BytesView bytes) {
  Reader reader(bytes);
  TRY(ReadFormat(reader, kAuthorityFormat, kWhat));
  AuthorityRecord record;
  record.next_id = reader.U32();
  const std::size_t count = reader.U16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i)
    record.certificates.push_back(ReadCertificate(reader));
  if (!ReadProfiles(reader, record.profiles)) return DamagedRecord(kWhat);
  record.requests_uid = reader.U32();
  record.requests_gid = reader.U32();
  record.requests_mode = reader.U32();
  if (!ReadReplacement(reader, record.replacement) || !ReadOperation(reader, record.last_operation))
    return DamagedRecord(kWhat);
  record.backed_up = TakeTime(reader);
  record.issued_at_backup = reader.U64();
  if (!reader.done() || !CheckAuthority(record).has_value()) return DamagedRecord(kWhat);
  return record;
}

Result<void> CheckAuthority(const AuthorityRecord& record) {
  TRY(CheckCertificates(record));
  if (record.profiles.size() > kProfilesMax) return Refusal("too many profiles");
  for (const auto& [name, toml] : record.profiles) {
    if (!internal::CheckName(name, kProfileNameBytesMax, "/").has_value() || toml.size() > kProfileBytesMax)
      return Refusal("a profile that is none");
  }
  if (record.requests_mode > kModeMax) return Refusal("permission bits that are none");
  if (record.replacement) {
    const RootReplacement& replacement = *record.replacement;
    const bool known = replacement.phase == ReplacementPhase::kReissuing ||
                       replacement.phase == ReplacementPhase::kRollingBack;
    if (!known || record.Find(replacement.from) == nullptr || record.Find(replacement.to) == nullptr)
      return Refusal("a replacement of certificates that are not there");
  }
  if (record.last_operation) {
    const LastOperation& operation = *record.last_operation;
    if (operation.name.size() > kIssuedNameBytesMax || !IsUtf8(operation.name) ||
        operation.entries.size() > kOperationEntriesMax)
      return Refusal("an operation that is too large");
  }
  return {};
}

}  // namespace certfs
