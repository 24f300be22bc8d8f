#include "store/header.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "store/descriptor.h"

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kMagic = "CERTFS\r\n"sv;
constexpr std::uint16_t kFormat = 1;
constexpr auto kHeaderLabel = "certfs/v1/header\0"sv;
constexpr auto kManifestLabel = "certfs/v1/manifest\0"sv;
constexpr std::size_t kSlotsAt = 40;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kChecksumBytes = 32;
constexpr std::size_t kSlotsMax = 16;
constexpr std::size_t kHeaderBytesMax = kSlotsAt + kSlotBytes * kSlotsMax + kMacBytes + kChecksumBytes;
constexpr auto kHeaderName = "keystore.hdr";
constexpr auto kHeaderNameNew = "keystore.hdr.new";

Error Damaged(std::string_view how) {
  return {ErrorCode::kCorrupt, "keystore.hdr is damaged: " + std::string(how)};
}

Error Failure(std::string_view what) { return SystemFailure(std::string(what) + " keystore.hdr", errno); }

Result<SecretBytes> DeriveFromRoot(const SecretBytes& root_key, std::string_view label,
                                   const StoreId& store_id) {
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(label));
  writer.Raw(store_id);
  return DeriveKey(root_key, {}, info, 32);
}

Bytes EncodeFront(const StoreId& store_id, std::chrono::sys_seconds created, const std::vector<Slot>& slots) {
  Bytes bytes;
  Writer writer(bytes);
  writer.Raw(AsBytes(kMagic));
  writer.U16(kFormat);
  writer.U16(static_cast<std::uint16_t>(slots.size()));
  writer.U32(0);
  writer.Raw(store_id);
  writer.I64(created.time_since_epoch().count());
  for (const Slot& slot : slots) writer.Raw(slot);
  return bytes;
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

Result<Header> Header::Create(const UnlockSecret& secret, std::chrono::sys_seconds now) {
  Header header;
  TRY(FillRandom(header.store_id_));
  SecretBytes root_key(kRootKeyBytes);
  TRY(FillRandom({root_key.data(), root_key.size()}));
  header.created_ = now;
  header.slots_.push_back(TRY(WrapRootKey(header.store_id_, secret, root_key, now)));
  header.bytes_ = EncodeFront(header.store_id_, now, header.slots_);
  const SecretBytes mac_key = TRY(DeriveFromRoot(root_key, kHeaderLabel, header.store_id_));
  Writer writer(header.bytes_);
  writer.Raw(HmacSha256(mac_key, {header.bytes_}));
  writer.Raw(Sha256({header.bytes_}));
  return header;
}

Result<Header> Header::Parse(BytesView bytes) {
  Reader reader(bytes);
  if (AsText(reader.Raw(kMagic.size())) != kMagic) return Damaged("it does not begin as one");
  const std::uint16_t format = reader.U16();
  if (!reader.ok()) return Damaged("it is cut short");
  // Before the checksum: only this format says where the checksum lies.
  if (format != kFormat) {
    return Error(ErrorCode::kUnsupported, "keystore.hdr has format version " + std::to_string(format) +
                                              ": made by a newer certfs; this one knows 1");
  }
  const std::size_t slot_count = reader.U16();
  const std::uint32_t zero = reader.U32();
  if (slot_count == 0 || slot_count > kSlotsMax) return Damaged("its number of key slots is not possible");
  if (bytes.size() != kSlotsAt + kSlotBytes * slot_count + kMacBytes + kChecksumBytes) {
    return Damaged("it has another length than its slots need");
  }
  const std::size_t checksum_at = bytes.size() - kChecksumBytes;
  const Digest checksum = Sha256({bytes.first(checksum_at)});
  if (!EqualSecrets(checksum, bytes.subspan(checksum_at)) || zero != 0)
    return Damaged("its checksum does not fit");

  Header header;
  reader.Fill(header.store_id_);
  header.created_ = std::chrono::sys_seconds(std::chrono::seconds(reader.I64()));
  header.slots_.resize(slot_count);
  for (Slot& slot : header.slots_) reader.Fill(slot);
  header.bytes_.assign(bytes.begin(), bytes.end());
  return header;
}

Result<Header> Header::Load(const std::filesystem::path& directory) {
  const Descriptor file(open((directory / kHeaderName).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open() && errno == ENOENT) {
    return Error(ErrorCode::kNotFound, "there is no keystore.hdr in " + directory.string());
  }
  if (!file.open()) return Failure("open");
  Bytes bytes(kHeaderBytesMax + 1);  // One more than the largest, so that a longer file shows.
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + filled, bytes.size() - filled);
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
    TRY(WriteAll(file.get(), bytes_));
    if (fsync(file.get()) != 0) return Failure("sync");
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
  Error refusal(ErrorCode::kAccessDenied, "wrong key: it opens no slot of this keystore");
  for (const Slot& slot : slots_) {
    auto root_key = UnwrapRootKey(store_id_, secret, slot);
    if (!root_key.has_value()) {
      const ErrorCode code = root_key.error().code();
      if (code == ErrorCode::kAccessDenied) continue;
      // A slot that this version cannot try does not keep the next one from fitting.
      refusal = std::move(root_key).error();
      if (code == ErrorCode::kUnsupported) continue;
      return refusal;
    }
    HeaderKeys header_keys{TRY(DeriveFromRoot(root_key.value(), kHeaderLabel, store_id_))};
    TRY(Check(header_keys));
    return RootKeys{store_id_, TRY(DeriveFromRoot(root_key.value(), kManifestLabel, store_id_)),
                    std::move(header_keys)};
  }
  return refusal;
}

Result<void> Header::Check(const HeaderKeys& keys) const {
  const std::size_t mac_at = bytes_.size() - kChecksumBytes - kMacBytes;
  const Digest mac = HmacSha256(keys.mac, {BytesView(bytes_).first(mac_at)});
  if (!EqualSecrets(mac, BytesView(bytes_).subspan(mac_at, kMacBytes))) {
    return Damaged("the key fits, and its MAC does not");
  }
  return {};
}

Result<std::vector<Certificate>> Header::RecoveryCertificates(const HeaderKeys& keys) const {
  TRY(Check(keys));
  return std::vector<Certificate>();
}

}  // namespace certfs
