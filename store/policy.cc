#include "store/policy.h"

#include <array>

namespace certfs {

namespace {

constexpr std::uint32_t kOpen = 0755;

constexpr std::array<StorePolicy, 14> kStores{{
    {"MACHINE_SSL_CERT", Holds::kPairs, RuleSet::kServer, false, Removal::kAnyone, kOpen},
    {kTrustedRoots, Holds::kCertificates, RuleSet::kTrust, false, Removal::kRoot, kOpen},
    {kTrustedLists, Holds::kRevocationLists, RuleSet::kTrust, false, Removal::kNobody, kOpen},
    {kBackupStore, Holds::kNothing, RuleSet::kGeneral, false, Removal::kNobody, 0700},
    {"machine", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"vsphere-webclient", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"vpxd", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"vpxd-extension", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"hvc", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"data-encipherment", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"APPLMGMT_PASSWORD", Holds::kSecrets, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"SMS", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"wcp", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
    {"KMS_ENCRYPTION", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen},
}};

constexpr StorePolicy kOther{"", Holds::kAnything, RuleSet::kGeneral, true, Removal::kAnyone, kOpen};

// Files of one group may stand in one entry: a certificate and its key (and, staged, the request for them),
// or a CRL, or a secret.
constexpr int kGroupOfPairs = 0;
int GroupOf(Member member) {
  switch (member) {
    case Member::kCertificate:
    case Member::kKey:
    case Member::kRequest:
    case Member::kSigningRequest:
      return kGroupOfPairs;
    case Member::kRevocationList:
      return 1;
    case Member::kSecret:
      return 2;
  }
  return -1;
}

bool StoreHolds(Holds holds, Member member) {
  switch (holds) {
    case Holds::kPairs:
      return GroupOf(member) == kGroupOfPairs;
    case Holds::kCertificates:
      return member == Member::kCertificate;
    case Holds::kRevocationLists:
      return member == Member::kRevocationList;
    case Holds::kSecrets:
      return member == Member::kSecret;
    case Holds::kAnything:
      return true;
    case Holds::kNothing:
      return false;
  }
  return false;
}

}  // namespace

std::span<const StorePolicy> DefaultStores() { return kStores; }

const StorePolicy& PolicyOf(const StoreName& name) {
  const std::string folded = FoldName(name.text());
  for (const StorePolicy& policy : kStores) {
    if (FoldName(policy.name) == folded) return policy;
  }
  return kOther;
}

bool MayHold(const StorePolicy& policy, const Entry& entry, Member member) {
  if (!StoreHolds(policy.holds, member)) return false;
  if (entry.is_staged() && GroupOf(member) != kGroupOfPairs) return false;
  const bool request = member == Member::kRequest || member == Member::kSigningRequest;
  if (request && !entry.is_staged()) return false;
  for (const Member other : kMembers) {
    if (entry.file(other) && GroupOf(other) != GroupOf(member)) return false;
  }
  return true;
}

StorePolicy WithoutKinds(StorePolicy policy) {
  if (policy.removable || policy.holds == Holds::kNothing) policy.holds = Holds::kAnything;
  return policy;
}

bool MayStage(const StorePolicy& policy, const Entry& entry) {
  const bool pairs = policy.holds == Holds::kPairs || policy.holds == Holds::kAnything;
  return pairs && !entry.is_staged() && MayHold(policy, entry, Member::kKey);
}

}  // namespace certfs
