// vecs-cli store permission, get-permissions.

#include <sys/stat.h>

#include <cerrno>
#include <iostream>

#include "tools/json_text.h"
#include "tools/system.h"
#include "tools/vecs/access_plan.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace {

Result<AccessOrder> OrderOf(const Options& options) {
  if (options.grant.empty() == options.revoke.empty())
    return Error(ErrorCode::kInvalidArgument, "say one of --grant and --revoke, with read or write");
  const std::string& word = options.grant.empty() ? options.revoke : options.grant;
  const Grantee grantee = TRY(FindGrantee(options.user));
  return AccessOrder{grantee, !options.grant.empty(), {word == "read", word == "write"}};
}

// Why a grant or its end came to nothing; that is no failure, but somebody may have meant something else.
std::string NothingToDo(const AccessOrder& order, std::uint32_t owner) {
  const std::string right = TextOf(order.rights);
  const Grantee& grantee = order.grantee;
  if (grantee.kind == Grantee::Kind::kUser && grantee.id == 0) return "root needs no permission";
  if (grantee.kind == Grantee::Kind::kUser && grantee.id == owner)
    return "user [" + grantee.name + "] owns the store, and by that may " + right;
  return "user [" + grantee.name + "] " + (order.grant ? "may " : "had no permission to ") + right +
         (order.grant ? " already" : "");
}

}  // namespace

Result<void> SetPermission(const Options& options) {
  const AccessOrder order = TRY(OrderOf(options));
  const StorePlace store = TRY(FindStore(options));
  const auto planned = PlanAccess(store.directory, order);
  if (!planned.has_value()) return Explain(planned.error(), store.mount, store.directory, "write");
  struct stat status {};
  if (lstat(store.directory.c_str(), &status) != 0) return SystemError(store.directory, errno);
  const std::size_t count = planned.value().size();
  if (count == 0) std::cerr << "vecs-cli: nothing to change: " << NothingToDo(order, status.st_uid) << "\n";

  Json object{{"store", ShownName(store.name.text())},
              {"user", order.grantee.name},
              {order.grant ? "granted" : "revoked", TextOf(order.rights)},
              {"changes", count}};
  if (options.dry_run) {
    object["dry_run"] = true;
    Say(options, "Would change " + std::to_string(count) + " access lists in store [" + options.store + "]",
        object);
    return {};
  }
  auto applied = ApplyAccess(planned.value());
  // Entries that came between the plan and the new default ACL of the store.
  if (applied.has_value() && count > 0) {
    const auto later = PlanAccess(store.directory, order);
    applied = later.has_value() ? ApplyAccess(later.value()) : Result<void>(later.error());
  }
  if (!applied.has_value()) return Explain(applied.error(), store.mount, store.directory, "write");
  Say(options, "Permissions for store [" + options.store + "] set  successfully", object);
  return {};
}

Result<void> GetPermissions(const Options& options) {
  const StorePlace store = TRY(FindStore(options));
  struct stat status {};
  if (lstat(store.directory.c_str(), &status) != 0) return SystemError(store.directory, errno);
  const AccessList list = TRY(AccessList::Read(store.directory, Which::kAccess));
  const std::string owner = UserOf(status.st_uid).name;
  Json users = Json::array();
  std::string lines;
  for (const Grantee& grantee : list.Grantees()) {
    const Rights rights = list.RightsOf(grantee, Place::kDirectory);
    if (rights == Rights{}) continue;
    lines += grantee.name + "\t" + TextOf(rights) + "\n";
    Json access = Json::array();
    if (rights.read) access.push_back("read");
    if (rights.write) access.push_back("write");
    users.push_back({{"name", grantee.name},
                     {"id", grantee.kind == Grantee::Kind::kEveryone ? Json() : Json(grantee.id)},
                     {"access", std::move(access)}});
  }
  if (options.json) {
    PrintJson({{"store", ShownName(store.name.text())},
               {"owner", {{"name", owner}, {"id", status.st_uid}}},
               {"users", std::move(users)}});
    return {};
  }
  std::cout << "PERMISSIONS FOR STORE: [" << options.store << "]\nOWNER : " << owner << "\nUSER\t\tACCESS\n"
            << lines;
  return {};
}

}  // namespace certfs::vecs
