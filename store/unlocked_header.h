// A header whose root key is at hand: its slots come and go without anything else being encrypted again.
//
// Thread-safety: a value. Ownership: owns the root key; move-only. Errors: kNotFound for a slot that is not
// there, kNoSpace when the header has no room for another, and those of key_slot.h.

#pragma once

#include <chrono>

#include "store/header.h"

namespace certfs {

class UnlockedHeader {
 public:
  // Makes one with a new store id and root key, and no slot yet.
  static Result<UnlockedHeader> Create(std::chrono::sys_seconds now);

  // Opens `header` as Header::Unlock does.
  static Result<UnlockedHeader> Open(Header header, const UnlockSecret& secret);

  // The same keystore under a new root key: the numbers of slots go on, and there is none yet.
  Result<UnlockedHeader> WithNewRootKey() const;

  const Header& header() const noexcept { return header_; }
  // The slot that Open opened; 0 where nothing was opened.
  SlotNumber opened() const noexcept { return opened_; }
  Result<RootKeys> Keys() const;

  // Adds a slot, and makes sure that it opens. kAlreadyExists if one opens by that secret already.
  Result<SlotNumber> Add(const UnlockSecret& secret, std::chrono::sys_seconds now);
  // Adds a recovery slot. kAlreadyExists if there is one of the same key; kRejected as CheckRecipient.
  Result<SlotNumber> Add(const Certificate& recipient, std::chrono::sys_seconds now);

  // The same under a number that was given before and is free now: for a slot that is wrapped anew.
  Result<void> Put(SlotNumber number, const UnlockSecret& secret, std::chrono::sys_seconds now);
  Result<void> Put(SlotNumber number, const Certificate& recipient, std::chrono::sys_seconds now);

  // kNotPermitted for the last slot: nobody could ever open the keystore again.
  Result<void> Remove(SlotNumber number);

  // The slot that `secret` opens; kAccessDenied if it opens none, and as Header::Unlock.
  Result<SlotNumber> Find(const UnlockSecret& secret) const;

 private:
  UnlockedHeader(Header header, SecretBytes root_key)
      : header_(std::move(header)), root_key_(std::move(root_key)) {}

  Result<SlotNumber> NewNumber();
  Result<void> Insert(SlotNumber number, Slot slot, Bytes certificate);

  Header header_;
  SecretBytes root_key_;
  SlotNumber opened_ = 0;
};

}  // namespace certfs
