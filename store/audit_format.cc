#include "store/audit_format.h"

#include <algorithm>
#include <charconv>

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kMagic = "CERTFSAL"sv;
constexpr std::uint16_t kFormat = 1;
constexpr std::uint32_t kEpoch = 0;  // The key is the same for ever.
constexpr std::size_t kNumberDigits = 20;

Error Damaged(std::string_view how) {
  return {ErrorCode::kCorrupt, "a file of the audit log is damaged: " + std::string(how)};
}

RecordIdentity IdentityOf(const StoreId& store_id, std::uint64_t number) {
  return {store_id, RecordKind::kAuditLine, kEpoch, number, 0};
}

}  // namespace

std::string AuditSegmentName(std::uint64_t first) {
  std::string digits = std::to_string(first);
  digits.insert(0, kNumberDigits - digits.size(), '0');  // In the order of names they are in that of lines.
  return std::string(kAuditLogName) + "." + digits;
}

std::uint64_t AuditSegmentOf(std::string_view name) {
  const std::string prefix = std::string(kAuditLogName) + ".";
  if (!name.starts_with(prefix) || name.size() != prefix.size() + kNumberDigits) return 0;
  name.remove_prefix(prefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : 0;
}

Bytes EncodeAuditHeader(const StoreId& store_id, std::uint64_t first) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(AsBytes(kMagic));
  writer.U16(kFormat);
  writer.U16(0);
  writer.U32(0);
  writer.Raw(store_id);
  writer.U64(first);
  return bytes;
}

Result<std::uint64_t> DecodeAuditHeader(const StoreId& store_id, BytesView bytes) {
  Reader reader(bytes);
  if (AsText(reader.Raw(kMagic.size())) != kMagic) return Damaged("it does not begin like one");
  const std::uint16_t format = reader.U16();
  if (format > kFormat)
    return Error(ErrorCode::kUnsupported, "the audit log has format " + std::to_string(format));
  const bool known = format == kFormat && reader.U16() == 0 && reader.U32() == 0;
  StoreId of{};
  reader.Fill(of);
  const std::uint64_t first = reader.U64();
  if (!known || !reader.done() || first == 0) return Damaged("its header does not decode");
  if (of != store_id) return Damaged("it is another keystore's");
  return first;
}

Result<Bytes> AuditCipher::Seal(std::uint64_t number, std::string_view line) const {
  const Bytes sealed = TRY(certfs::Seal(key_, IdentityOf(store_id_, number), number, AsBytes(line)));
  Bytes frame;
  frame.reserve(kAuditLengthBytes + sealed.size());
  Writer writer(frame);
  writer.U32(static_cast<std::uint32_t>(sealed.size()));
  writer.Raw(sealed);
  return frame;
}

Result<std::string> AuditCipher::Unseal(std::uint64_t number, BytesView sealed) const {
  const Unsealed opened = TRY(certfs::Unseal(key_, IdentityOf(store_id_, number), sealed));
  if (opened.revision != number) return Damaged("a line bears another number than it was sealed under");
  return std::string(AsText(opened.plaintext.Reveal()));
}

std::uint64_t AuditCipher::NumberOf(BytesView sealed) {
  constexpr std::size_t kRevisionAt = 8;  // store/README.md, "Sealed records".
  return sealed.size() < kRevisionAt + 8 ? 0 : Reader(sealed.subspan(kRevisionAt)).U64();
}

}  // namespace certfs
