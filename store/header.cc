#include "store/header.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "store/files.h"
#include "store/unlocked_header.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kMagic = "CERTFS\r\n"sv;
constexpr std::uint16_t kFormat = 2;
constexpr std::size_t kSlotsAt = 40;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kChecksumBytes = 32;
constexpr auto kHeaderName = "keystore.hdr";
constexpr auto kHeaderNameNew = "keystore.hdr.new";

Error Damaged(std::string_view how) {
  return {ErrorCode::kCorrupt, "keystore.hdr is damaged: " + std::string(how)};
}

Error Failure(std::string_view what) { return SystemFailure(std::string(what) + " keystore.hdr", errno); }

// Takes the front of a header apart, and checks what has no key: its length, its zeros, its checksum.
struct Front {
  std::size_t slot_count = 0;
  std::uint32_t reserved = 0;  // Zero in format 1; in format 2 the next slot's number stands in it.
  StoreId store_id{};
  std::chrono::sys_seconds created{};
  BytesView slots;
};

Result<Front> ReadFront(BytesView bytes) {
  if (bytes.size() < kSlotsAt + kMacBytes + kChecksumBytes) return Damaged("it is cut short");
  const std::size_t checksum_at = bytes.size() - kChecksumBytes;
  const Digest checksum = Sha256({bytes.first(checksum_at)});
  if (!EqualSecrets(checksum, bytes.subspan(checksum_at))) return Damaged("its checksum does not fit");
  Reader reader(bytes.subspan(10));  // Behind magic and format.
  Front front;
  front.slot_count = reader.U16();
  front.reserved = reader.U32();
  reader.Fill(front.store_id);
  front.created = std::chrono::sys_seconds(std::chrono::seconds(reader.I64()));
  front.slots = bytes.subspan(kSlotsAt, checksum_at - kMacBytes - kSlotsAt);
  if (front.slot_count == 0 || front.slot_count > Header::kSlotsMax)
    return Damaged("its number of key slots is not possible");
  return front;
}

Result<void> WriteAll(int descriptor, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

RecordIdentity CertificateIdentity(const StoreId& store_id, SlotNumber number) {
  return {store_id, RecordKind::kRecoveryCertificate, 0, number, 0};
}

Result<Header> Header::Create(const UnlockSecret& secret, std::chrono::sys_seconds now) {
  UnlockedHeader made = TRY(UnlockedHeader::Create(now));
  TRY(made.Add(secret, now));
  return made.header();
}

Result<Header> Header::Parse(BytesView bytes) {
  Reader reader(bytes);
  if (AsText(reader.Raw(kMagic.size())) != kMagic) return Damaged("it does not begin as one");
  const std::uint16_t format = reader.U16();
  if (!reader.ok() || format == 0) return Damaged("it is cut short");
  // Before the checksum: only this format says where the checksum lies.
  if (format > kFormat) {
    return Error(ErrorCode::kUnsupported, "keystore.hdr has format version " + std::to_string(format) +
                                              ": made by a newer certfs; this one knows 2");
  }
  if (bytes.size() > kBytesMax) return Damaged("it is too long");
  Header header = TRY(format == 1 ? ParseFormat1(bytes) : ParseFormat2(bytes));
  header.bytes_.assign(bytes.begin(), bytes.end());
  return header;
}

// Slots of one size, which are their places.
Result<Header> Header::ParseFormat1(BytesView bytes) {
  const Front front = TRY(ReadFront(bytes));
  if (front.slots.size() != kSlotBytes * front.slot_count)
    return Damaged("it has another length than its slots need");
  if (front.reserved != 0) return Damaged("what is reserved is not zero");
  Header header;
  header.store_id_ = front.store_id;
  header.created_ = front.created;
  for (std::size_t i = 0; i < front.slot_count; ++i) {
    const BytesView slot = front.slots.subspan(i * kSlotBytes, kSlotBytes);
    const SlotFacts facts = TRY(ReadSlotFacts(slot));
    header.slots_.push_back({header.next_number_++, facts, Slot(slot.begin(), slot.end()), {}});
  }
  return header;
}

Result<Header> Header::ParseFormat2(BytesView bytes) {
  const Front front = TRY(ReadFront(bytes));
  Header header;
  header.store_id_ = front.store_id;
  header.created_ = front.created;
  header.next_number_ = static_cast<SlotNumber>(front.reserved >> 16);
  if ((front.reserved & 0xFFFF) != 0) return Damaged("what is reserved is not zero");
  Reader reader(front.slots);
  SlotNumber last = 0;
  for (std::size_t i = 0; i < front.slot_count; ++i) {
    const SlotNumber number = reader.U16();
    const BytesView slot = reader.Prefixed();
    const BytesView certificate = reader.Prefixed();
    if (!reader.ok() || number <= last || number >= header.next_number_)
      return Damaged("its key slots are not in order");
    last = number;
    const SlotFacts facts = TRY(ReadSlotFacts(slot));
    if (certificate.empty() != (facts.type != SlotType::kRecovery))
      return Damaged("a recovery slot has its certificate, and no other slot has one");
    header.slots_.push_back(
        {number, facts, Slot(slot.begin(), slot.end()), Bytes(certificate.begin(), certificate.end())});
  }
  if (!reader.done()) return Damaged("it has another length than its slots need");
  return header;
}

Result<void> Header::Encode(const HeaderKeys& keys) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(AsBytes(kMagic));
  writer.U16(kFormat);
  writer.U16(static_cast<std::uint16_t>(slots_.size()));
  writer.U16(next_number_);
  writer.U16(0);
  writer.Raw(store_id_);
  writer.I64(created_.time_since_epoch().count());
  for (const NumberedSlot& each : slots_) {
    writer.U16(each.number);
    writer.Prefixed(each.slot);
    writer.Prefixed(each.certificate);
  }
  writer.Raw(HmacSha256(keys.mac, {bytes}));
  writer.Raw(Sha256({bytes}));
  if (bytes.size() > kBytesMax) {
    return Error(ErrorCode::kNoSpace,
                 "keystore.hdr would grow over 64 KiB; remove a slot, or take a smaller certificate");
  }
  bytes_ = std::move(bytes);
  return {};
}

Result<Header> Header::Load(const std::filesystem::path& directory) {
  auto opened = OpenRegularFile(directory / kHeaderName, O_RDONLY);
  if (!opened.has_value() && opened.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound, "there is no keystore.hdr in " + directory.string());
  }
  const Descriptor file = TRY(std::move(opened));
  Bytes bytes(kBytesMax + 1);  // One more than the largest, so that a longer file shows.
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(file.number(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failure("read");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return Parse(BytesView(bytes).first(filled));
}

Result<void> Header::Save(const std::filesystem::path& directory) const {
  const std::filesystem::path beside = directory / kHeaderNameNew;
  // What a crash left there, or somebody else put there, may have another mode or another name.
  unlink(beside.c_str());
  const auto write = [&]() -> Result<void> {
    const Descriptor file(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.open()) return Failure("create");
    TRY(KeepOwner(file.number(), directory / kHeaderName));
    TRY(WriteAll(file.number(), bytes_));
    if (fsync(file.number()) != 0) return Failure("sync");
    if (rename(beside.c_str(), (directory / kHeaderName).c_str()) != 0) return Failure("rename");
    return {};
  };
  auto written = write();
  if (!written.has_value()) {
    unlink(beside.c_str());
    return written;
  }
  // The new name is durable only once the directory is.
  return SyncDirectory(directory);
}

Result<RootKeys> Header::Unlock(const UnlockSecret& secret) const {
  return TRY(UnlockedHeader::Open(*this, secret)).Keys();
}

Result<void> Header::Check(const HeaderKeys& keys) const {
  const std::size_t mac_at = bytes_.size() - kChecksumBytes - kMacBytes;
  const Digest mac = HmacSha256(keys.mac, {BytesView(bytes_).first(mac_at)});
  if (!EqualSecrets(mac, BytesView(bytes_).subspan(mac_at, kMacBytes))) {
    return Damaged("the key fits, and its MAC does not");
  }
  return {};
}

std::vector<SlotDescription> Header::Slots() const {
  std::vector<SlotDescription> slots;
  for (const NumberedSlot& each : slots_) slots.push_back({each.number, each.facts, std::nullopt});
  return slots;
}

Result<std::vector<SlotDescription>> Header::Slots(const HeaderKeys& keys) const {
  TRY(Check(keys));
  std::vector<SlotDescription> slots = Slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots_[i].certificate.empty()) continue;
    const auto opened =
        Unseal(keys.certificates, CertificateIdentity(store_id_, slots_[i].number), slots_[i].certificate);
    if (!opened.has_value()) return Damaged("the certificate of a recovery slot does not open");
    slots[i].certificate = TRY(Certificate::FromDer(opened.value().plaintext.Reveal()));
  }
  return slots;
}

Result<std::vector<Certificate>> Header::RecoveryCertificates(const HeaderKeys& keys) const {
  std::vector<Certificate> certificates;
  for (SlotDescription& slot : TRY(Slots(keys))) {
    if (slot.certificate) certificates.push_back(*std::move(slot.certificate));
  }
  return certificates;
}

}  // namespace certfs
