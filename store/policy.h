// What each store is for: what it holds, what may be removed, how its writes are judged. One table.
//
// Thread-safety: constants.

#pragma once

#include <span>
#include <string_view>

#include "crypto/judgement.h"
#include "store/entry.h"

namespace certfs {

// The kinds of entry that a store holds.
enum class Holds { kPairs, kCertificates, kRevocationLists, kSecrets, kAnything, kNothing };

// Who may remove an entry or one of its files. Renaming takes nothing away: root may, unless the store holds
// kNothing.
enum class Removal { kAnyone, kRoot, kNobody };

struct StorePolicy {
  std::string_view name;  // Empty for the row that stands for every other store.
  Holds holds;
  RuleSet rules;
  bool removable;  // The store itself may be removed when empty, and renamed.
  Removal entries;
  std::uint32_t mode;  // Of the store's directory when it is made.
};

// The stores that every new keystore has, in the order in which they are made.
std::span<const StorePolicy> DefaultStores();

// The policy of the store of that name, ignoring ASCII case.
const StorePolicy& PolicyOf(const StoreName& name);

// Says whether an entry with these `files` may get `member` in a store with `policy`: the store holds its
// kind, and no file of another kind is there already.
bool MayHold(const StorePolicy& policy, const Entry& entry, Member member);

// What judges things that are kept already: only a protected store says which kinds it holds.
StorePolicy WithoutKinds(StorePolicy policy);

// Says whether a replacement of `entry` may be staged in its `next/`: whether it is, or may become, a
// certificate and key.
bool MayStage(const StorePolicy& policy, const Entry& entry);

// `TRUSTED_ROOT_CRLS`, the second spelling of TRUSTED_ROOTS_CRLS: a link, whose name no store may take.
inline constexpr std::string_view kLinkName = "TRUSTED_ROOT_CRLS";
inline constexpr std::string_view kLinkTarget = "TRUSTED_ROOTS_CRLS";

// The stores that verdicts are reached against.
inline constexpr std::string_view kTrustedRoots = "TRUSTED_ROOTS";
inline constexpr std::string_view kTrustedLists = "TRUSTED_ROOTS_CRLS";

// The store of previous states, which certfs alone writes.
inline constexpr std::string_view kBackupStore = "BACKUP_STORE";

}  // namespace certfs
