// Lines of the ledger, to bytes and back.

#include "store/authority_record.h"
#include "store/record_format.h"

namespace certfs {

namespace {

constexpr std::uint16_t kIssuedFormat = 1;  // On disk: never change or reuse.
constexpr auto kWhat = "an issued certificate";

void WriteSerial(Writer<SecretBytes>& writer, const std::optional<SerialNumber>& serial) {
  writer.U8(serial ? 1 : 0);
  if (serial) writer.Raw(*serial);
}

bool ReadSerial(Reader& reader, std::optional<SerialNumber>& serial) {
  bool known = false;
  if (!TakeFlag(reader, known)) return false;
  if (known) reader.Fill(serial.emplace());
  return true;
}

bool ReadRevocation(Reader& reader, std::optional<Revocation>& revocation) {
  bool revoked = false;
  if (!TakeFlag(reader, revoked)) return false;
  if (!revoked) return true;
  revocation.emplace();
  revocation->at = TakeTime(reader);
  revocation->reason = static_cast<RevocationReason>(reader.U8());
  return true;
}

std::chrono::sys_seconds TakeSeconds(Reader& reader) {
  return std::chrono::sys_seconds(std::chrono::seconds(reader.I64()));
}

std::string TakeText(Reader& reader) { return std::string(AsText(reader.Prefixed())); }

}  // namespace

SecretBytes EncodeIssued(const IssuedCertificate& issued) {
  SecretBytes bytes;
  Writer writer(bytes);
  writer.U16(kIssuedFormat);
  writer.U64(issued.number);
  writer.U32(issued.authority);
  WriteLong(writer, issued.certificate);
  writer.Raw(issued.serial);
  writer.I64(issued.not_before.time_since_epoch().count());
  writer.I64(issued.not_after.time_since_epoch().count());
  writer.Prefixed(AsBytes(issued.common_name));
  writer.U16(static_cast<std::uint16_t>(issued.names.size()));
  for (const std::string& name : issued.names) writer.Prefixed(AsBytes(name));
  writer.Prefixed(AsBytes(issued.profile));
  writer.U32(issued.uid);
  writer.U32(issued.gid);
  writer.I64(issued.issued.time_since_epoch().count());
  writer.U8(issued.revocation ? 1 : 0);
  if (issued.revocation) {
    writer.I64(issued.revocation->at.time_since_epoch().count());
    writer.U8(static_cast<std::uint8_t>(issued.revocation->reason));
  }
  writer.U64(issued.entry);
  WriteSerial(writer, issued.replaces);
  WriteSerial(writer, issued.replaced_by);
  writer.Prefixed(AsBytes(issued.pickup));
  WriteLong(writer, issued.key.Reveal());
  return bytes;
}

Result<IssuedCertificate> DecodeIssued(BytesView bytes) {
  Reader reader(bytes);
  TRY(ReadFormat(reader, kIssuedFormat, kWhat));
  IssuedCertificate issued;
  issued.number = reader.U64();
  issued.authority = reader.U32();
  issued.certificate = CopyOf(TakeLong(reader));
  reader.Fill(issued.serial);
  issued.not_before = TakeSeconds(reader);
  issued.not_after = TakeSeconds(reader);
  issued.common_name = TakeText(reader);
  const std::size_t count = reader.U16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) issued.names.push_back(TakeText(reader));
  issued.profile = TakeText(reader);
  issued.uid = reader.U32();
  issued.gid = reader.U32();
  issued.issued = TakeTime(reader);
  if (!ReadRevocation(reader, issued.revocation)) return DamagedRecord(kWhat);
  issued.entry = reader.U64();
  if (!ReadSerial(reader, issued.replaces) || !ReadSerial(reader, issued.replaced_by))
    return DamagedRecord(kWhat);
  issued.pickup = TakeText(reader);
  issued.key = SecretBytes::CopyOf(TakeLong(reader));
  const bool whole = reader.done() && issued.number >= kFirstNumber;
  if (!whole || !CheckIssued(issued).has_value()) return DamagedRecord(kWhat);
  return issued;
}

Result<void> CheckIssued(const IssuedCertificate& issued) {
  const auto refuse = [](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, "an issued certificate with " + std::string(what));
  };
  const auto is_text = [](const std::string& text) {
    return text.size() <= kIssuedNameBytesMax && IsUtf8(text);
  };
  if (issued.authority == 0) return refuse("no authority");
  if (issued.certificate.size() > kIssuedDerBytesMax || issued.key.size() > kIssuedDerBytesMax)
    return refuse("a certificate or key that is too long");
  if (issued.not_after < issued.not_before) return refuse("a validity that ends before it begins");
  if (!is_text(issued.common_name) || !is_text(issued.profile)) return refuse("a name that is none");
  if (issued.names.size() > kIssuedNamesMax) return refuse("too many names");
  for (const std::string& name : issued.names) {
    if (name.empty() || !is_text(name)) return refuse("an alternative name that is none");
  }
  const bool picked_up =
      issued.pickup.empty() || internal::CheckName(issued.pickup, kPickupNameBytesMax, "/").has_value();
  if (!picked_up) return refuse("a name in ca/issued/ that is none");
  if (!issued.revocation) return {};
  switch (issued.revocation->reason) {
    case RevocationReason::kUnspecified:
    case RevocationReason::kKeyCompromise:
    case RevocationReason::kCaCompromise:
    case RevocationReason::kAffiliationChanged:
    case RevocationReason::kSuperseded:
    case RevocationReason::kCessationOfOperation:
    case RevocationReason::kCertificateHold:
    case RevocationReason::kPrivilegeWithdrawn:
      return {};
  }
  return refuse("a reason of revocation that is none");
}

}  // namespace certfs
