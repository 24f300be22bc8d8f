// Stores that withhold the keys of revoked certificates: `user.certfs.enforce_revocation`.

#include "fs/volume.h"
#include "fs/volume/state.h"

namespace certfs {

Result<std::optional<bool>> Volume::EnforcesRevocation(NodeId node) {
  if (!node.directory()) return std::optional<bool>();
  const auto snapshot = TRY(keystore_.Snapshot());
  const std::optional<Store> store = TRY(snapshot->FindStoreByNumber(*node.directory()));
  return store ? std::optional(store->enforce_revocation) : std::optional<bool>();
}

Result<void> Volume::SetEnforcesRevocation(const Caller& caller, NodeId node, bool on) {
  CallerRequest request(caller, state_->processes, "enforce_revocation", NodePath(keystore_, node));
  request.Describe(on ? "on" : "off");
  const auto set = [&]() -> Result<void> {
    const Place place = TRY(Resolve(keystore_, node));
    if (!place.store) return Error(ErrorCode::kUnsupported, "revocation is enforced by stores");
    // The kernel asks for no more than the right to write, which does not go so far.
    if (caller.uid != 0 && caller.uid != place.store->attributes.uid)
      return NotPermitted("whether revocation is enforced is for the owner of the store to say");
    TRY(keystore_.SetEnforceRevocation(place.store->number, on));
    return {};
  };
  auto outcome = set();
  if (!outcome.has_value() && outcome.error().code() != ErrorCode::kUnsupported)
    return RefuseOpen(caller, node, std::move(outcome).error());
  return outcome;
}

}  // namespace certfs
