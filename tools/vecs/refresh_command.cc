// vecs-cli force-refresh: brings the trust that the mount shows up to date now, and says what that changed.
//
// What other processes commit to the keystore the mount shows by itself, within a second; what there is to
// force is the authority's CRL, which is signed anew when it is read past half of its life.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include "crypto/pem.h"
#include "crypto/sealing.h"
#include "crypto/store_file.h"
#include "store/entry.h"
#include "store/policy.h"
#include "tools/control_client.h"
#include "tools/system.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

// What a store of trust holds: the digest of each entry's file, by alias.
using Holding = std::map<std::string, Digest>;

Result<Holding> HoldingOf(const Mount& mount, std::string_view store, Member member) {
  Holding holding;
  const fs::path directory = StoresOf(mount) / store;
  for (const std::string& alias : TRY(NamesIn(directory))) {
    const fs::path path = directory / alias / FileName(member);
    const auto bytes = ReadWholeFile(path, kFileBytesMax);
    if (bytes.has_value()) {
      holding.emplace(alias, Sha256({bytes.value()}));
    } else if (bytes.error().code() != ErrorCode::kNotFound) {
      return Unreadable(bytes.error(), mount, path);
    }
  }
  return holding;
}

struct Change {
  std::string store;
  Json added = Json::array();
  Json replaced = Json::array();
  Json removed = Json::array();
  std::size_t kept = 0;
};

Change Compare(std::string_view store, const Holding& before, const Holding& after) {
  Change change{ShownName(store)};
  for (const auto& [alias, digest] : after) {
    const auto old = before.find(alias);
    if (old == before.end()) {
      change.added.push_back(alias);
    } else if (old->second != digest) {
      change.replaced.push_back(alias);
    } else {
      ++change.kept;
    }
  }
  for (const auto& [alias, digest] : before) {
    if (!after.contains(alias)) change.removed.push_back(alias);
  }
  return change;
}

std::string TextOf(const Change& change) {
  return change.store + " :\tadded " + std::to_string(change.added.size()) + ", replaced " +
         std::to_string(change.replaced.size()) + ", removed " + std::to_string(change.removed.size()) +
         ", kept " + std::to_string(change.kept) + "\n";
}

Json ToJson(const Change& change) {
  return {{"store", change.store},
          {"added", change.added},
          {"replaced", change.replaced},
          {"removed", change.removed},
          {"kept", change.kept}};
}

constexpr auto kNoAuthority = "There is no certificate authority in this keystore: nothing to refresh";

// Says what would be done.
Result<void> Look(const Options& options, const Mount& mount) {
  const fs::path authority = TRY(AuthorityOf(mount));
  const auto pem = ReadWholeFile(authority / "crl.pem", kFileBytesMax * 64);
  Json object{{"authority", pem.has_value()}, {"due", false}, {"dry_run", true}};
  if (!pem.has_value()) {
    if (pem.error().code() != ErrorCode::kNotFound) return pem.error();
    Say(options, kNoAuthority, object);
    return {};
  }
  const fs::path control = authority / "control";
  if (faccessat(AT_FDCWD, control.c_str(), R_OK | W_OK, AT_EACCESS) != 0)
    return Explain(SystemError(control, errno), mount, control, "write");
  const RevocationListFile file = TRY(ReadRevocationListFile(pem.value()));
  const auto next = file.list.next_update();
  const auto now = std::chrono::system_clock::now();
  const bool due = next && now >= file.list.this_update() + (*next - file.list.this_update()) / 2;
  object["due"] = due;
  Say(options,
      due ? "Would have the authority sign its CRL anew"
          : "Nothing is due: the CRL is before half of its life",
      object);
  return {};
}

}  // namespace

Result<void> ForceRefresh(const Options& options) {
  const Mount mount = TRY(MountOf(options));
  if (options.dry_run) return Look(options, mount);
  const Holding roots = TRY(HoldingOf(mount, kTrustedRoots, Member::kCertificate));
  const Holding lists = TRY(HoldingOf(mount, kTrustedLists, Member::kRevocationList));
  const auto answer = Ask(mount, ControlCommand("crl"));
  if (!answer.has_value() && answer.error().rule() == "no-authority") {
    Say(options, kNoAuthority, {{"authority", false}, {"signed", 0}, {"stores", Json::array()}});
    return {};
  }
  if (!answer.has_value()) return answer.error();
  const Holding roots_now = TRY(HoldingOf(mount, kTrustedRoots, Member::kCertificate));
  const Holding lists_now = TRY(HoldingOf(mount, kTrustedLists, Member::kRevocationList));
  const Change of_roots = Compare(kTrustedRoots, roots, roots_now);
  const Change of_lists = Compare(kTrustedLists, lists, lists_now);
  const std::uint64_t fresh = NumberOf(answer.value(), "signed");
  Say(options, TextOf(of_roots) + TextOf(of_lists) + "CRLs signed anew :\t" + std::to_string(fresh),
      {{"authority", true}, {"signed", fresh}, {"stores", {ToJson(of_roots), ToJson(of_lists)}}});
  return {};
}

}  // namespace certfs::vecs
