#include "store/unlocked_header.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace certfs {

namespace {

using namespace std::string_view_literals;

// On disk: never change or reuse.
constexpr auto kHeaderLabel = "certfs/v1/header\0"sv;
constexpr auto kManifestLabel = "certfs/v1/manifest\0"sv;
constexpr auto kCertificateLabel = "certfs/v1/certificate\0"sv;

Result<SecretBytes> DeriveFromRoot(const SecretBytes& root_key, std::string_view label,
                                   const StoreId& store_id) {
  Bytes info;
  Writer writer(info);
  writer.Raw(AsBytes(label));
  writer.Raw(store_id);
  return DeriveKey(root_key, {}, info, 32);
}

Result<SecretBytes> RandomRootKey() {
  SecretBytes root_key(kRootKeyBytes);
  TRY(FillRandom({root_key.data(), root_key.size()}));
  return root_key;
}

Error NoSlot(SlotNumber number) {
  return {ErrorCode::kNotFound, "there is no slot " + std::to_string(number)};
}

Error HasSlot(SlotNumber number) {
  return {ErrorCode::kAlreadyExists, "slot " + std::to_string(number) + " opens by it already"};
}

}  // namespace

Result<UnlockedHeader> UnlockedHeader::Create(std::chrono::sys_seconds now) {
  Header header;
  TRY(FillRandom(header.store_id_));
  header.created_ = now;
  return UnlockedHeader(std::move(header), TRY(RandomRootKey()));
}

Result<UnlockedHeader> UnlockedHeader::Open(Header header, const UnlockSecret& secret) {
  Error refusal(ErrorCode::kAccessDenied, "wrong key: it opens no slot of this keystore");
  for (const Header::NumberedSlot& each : header.slots_) {
    auto root_key = UnwrapRootKey(header.store_id_, secret, each.slot);
    if (!root_key.has_value()) {
      const ErrorCode code = root_key.error().code();
      if (code == ErrorCode::kAccessDenied) continue;
      // A slot that this version cannot try does not keep the next one from fitting.
      refusal = std::move(root_key).error();
      if (code == ErrorCode::kUnsupported) continue;
      return refusal;
    }
    const SlotNumber opened = each.number;
    UnlockedHeader unlocked(std::move(header), std::move(root_key).value());
    unlocked.opened_ = opened;
    TRY(unlocked.header_.Check(TRY(unlocked.Keys()).header));
    return unlocked;
  }
  return refusal;
}

Result<UnlockedHeader> UnlockedHeader::WithNewRootKey() const {
  Header header;
  header.store_id_ = header_.store_id_;
  header.created_ = header_.created_;
  header.next_number_ = header_.next_number_;
  return UnlockedHeader(std::move(header), TRY(RandomRootKey()));
}

Result<RootKeys> UnlockedHeader::Keys() const {
  const StoreId& id = header_.store_id_;
  SecretBytes manifest = TRY(DeriveFromRoot(root_key_, kManifestLabel, id));
  SecretBytes header = TRY(DeriveFromRoot(root_key_, kHeaderLabel, id));
  SecretBytes certificates = TRY(DeriveFromRoot(root_key_, kCertificateLabel, id));
  return RootKeys{id, std::move(manifest), HeaderKeys{std::move(header), std::move(certificates)}};
}

Result<SlotNumber> UnlockedHeader::NewNumber() {
  if (header_.next_number_ == std::numeric_limits<SlotNumber>::max())
    return Error(ErrorCode::kNoSpace, "the header has used up the numbers of slots");
  return header_.next_number_++;
}

Result<SlotNumber> UnlockedHeader::Find(const UnlockSecret& secret) const {
  return TRY(Open(header_, secret)).opened();
}

Result<SlotNumber> UnlockedHeader::Add(const UnlockSecret& secret, std::chrono::sys_seconds now) {
  const auto found = Find(secret);
  if (found.has_value()) return HasSlot(found.value());
  const SlotNumber number = TRY(NewNumber());
  TRY(Put(number, secret, now));
  return number;
}

Result<SlotNumber> UnlockedHeader::Add(const Certificate& recipient, std::chrono::sys_seconds now) {
  TRY(CheckRecipient(recipient));
  const Digest digest = TRY(RecipientDigest(recipient));
  for (const Header::NumberedSlot& each : header_.slots_) {
    if (each.facts.recipient == digest) return HasSlot(each.number);
  }
  const SlotNumber number = TRY(NewNumber());
  TRY(Put(number, recipient, now));
  return number;
}

Result<void> UnlockedHeader::Put(SlotNumber number, const UnlockSecret& secret,
                                 std::chrono::sys_seconds now) {
  Slot slot = TRY(WrapRootKey(header_.store_id_, secret, root_key_, now));
  // What could not be opened again must never be written: it may be somebody's only key.
  const SecretBytes unwrapped = TRY(UnwrapRootKey(header_.store_id_, secret, slot));
  if (!EqualSecrets(unwrapped.Reveal(), root_key_.Reveal()))
    return Error(ErrorCode::kInternal, "the new slot opens to another key");
  return Insert(number, std::move(slot), {});
}

Result<void> UnlockedHeader::Put(SlotNumber number, const Certificate& recipient,
                                 std::chrono::sys_seconds now) {
  Slot slot = TRY(WrapRootKeyFor(header_.store_id_, recipient, root_key_, now));
  const RootKeys keys = TRY(Keys());
  Bytes certificate =
      TRY(Seal(keys.header.certificates, CertificateIdentity(header_.store_id_, number), 0, recipient.der()));
  return Insert(number, std::move(slot), std::move(certificate));
}

Result<void> UnlockedHeader::Insert(SlotNumber number, Slot slot, Bytes certificate) {
  if (header_.slots_.size() == Header::kSlotsMax)
    return Error(ErrorCode::kNoSpace, "the header has 16 slots, and room for no more: remove one first");
  // What both encode is at most 65,535 bytes long.
  if (certificate.size() >= Header::kBytesMax || slot.size() >= Header::kBytesMax)
    return Error(ErrorCode::kNoSpace, "the certificate is too large for keystore.hdr");
  const SlotFacts facts = TRY(ReadSlotFacts(slot));
  const auto after = std::find_if(header_.slots_.begin(), header_.slots_.end(),
                                  [&](const Header::NumberedSlot& each) { return each.number >= number; });
  if (after != header_.slots_.end() && after->number == number)
    return Error(ErrorCode::kInternal, "the slot's number is taken");
  Header changed = header_;
  changed.slots_.insert(changed.slots_.begin() + (after - header_.slots_.begin()),
                        {number, facts, std::move(slot), std::move(certificate)});
  TRY(changed.Encode(TRY(Keys()).header));
  header_ = std::move(changed);
  return {};
}

Result<void> UnlockedHeader::Remove(SlotNumber number) {
  Header changed = header_;
  const auto removed = std::find_if(changed.slots_.begin(), changed.slots_.end(),
                                    [&](const Header::NumberedSlot& each) { return each.number == number; });
  if (removed == changed.slots_.end()) return NoSlot(number);
  if (changed.slots_.size() == 1) {
    return Error(ErrorCode::kNotPermitted, "slot " + std::to_string(number) +
                                               " is the last one: without it nobody could ever open the "
                                               "keystore again; add another one first");
  }
  changed.slots_.erase(removed);
  TRY(changed.Encode(TRY(Keys()).header));
  header_ = std::move(changed);
  return {};
}

}  // namespace certfs
