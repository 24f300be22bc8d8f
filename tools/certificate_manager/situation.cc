#include "tools/certificate_manager/situation.h"

#include <system_error>
#include <utility>

#include "crypto/pem.h"
#include "store/name.h"
#include "store/policy.h"
#include "tools/system.h"

namespace certfs {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPageLines = 1000;

Result<std::vector<std::string>> Names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure)) {
    names.push_back(at->path().filename().string());
  }
  if (failure) return SystemError(directory, failure.value());
  return names;
}

// The first certificate of a file that the mount shows as PEM; nothing where there is none.
Result<std::optional<Certificate>> ReadCertificate(const fs::path& path) {
  const auto bytes = ReadWholeFile(path, kFileBytesMax);
  if (!bytes.has_value() && bytes.error().code() == ErrorCode::kNotFound) return std::optional<Certificate>();
  if (!bytes.has_value()) return bytes.error();
  for (const PemBlock& block : TRY(ReadPem(bytes.value()))) {
    if (block.label != "CERTIFICATE") continue;
    return std::optional(TRY(Certificate::FromDer(block.body.Reveal())));
  }
  return std::optional<Certificate>();
}

Result<Held> ReadHeld(const AuthorityCommand& ask, const fs::path& stores, const Target& target,
                      bool has_authority) {
  Held held;
  held.certificate =
      TRY(ReadCertificate(stores / std::string(target.store) / std::string(target.alias) / "cert.pem"));
  if (!held.certificate || !has_authority) return held;
  ControlCommand command("status");
  command.Word(std::string(target.store) + "/" + std::string(target.alias));
  held.issued_here = FieldOf(TRY(ask(command)), "issued").is_object();
  return held;
}

void ReadAuthority(const Json& shown, Situation& situation) {
  const Json& authority = FieldOf(shown, "authority");
  situation.has_authority = authority.is_object();
  situation.authority = TextOf(authority, "subject");
  situation.replacement = TextOf(FieldOf(shown, "replacement"), "phase");
  for (const Json& each : FieldOf(shown, "certificates")) {
    if (TextOf(each, "role") == "retiring") situation.has_retiring = true;
  }
  const Json& last = FieldOf(shown, "last_operation");
  if (last.is_object() && FieldOf(last, "reverted") != Json(true))
    situation.last_operation = TextOf(last, "name");
}

}  // namespace

Result<Situation> ReadSituation(const AuthorityCommand& ask, const fs::path& stores, Operation operation) {
  Situation situation;
  ReadAuthority(TRY(ask(ControlCommand("show"))), situation);
  for (const std::string& name : TRY(Names(stores))) situation.stores.insert(FoldName(name));
  for (const Target& target : kTargets) {
    if (situation.stores.count(FoldName(std::string(target.store))) == 0) continue;
    situation.held.emplace(target.store, TRY(ReadHeld(ask, stores, target, situation.has_authority)));
  }
  const fs::path roots = stores / std::string(kTrustedRoots);
  for (const std::string& alias : TRY(Names(roots))) {
    const auto root = TRY(ReadCertificate(roots / alias / "cert.pem"));
    if (root) situation.trusted.insert(ToHex(root->fingerprint()));
  }
  if (situation.has_authority && (ReplacesRoot(operation) || operation == Operation::kRevert))
    situation.placed = TRY(ListPlaced(ask));
  return situation;
}

Result<std::vector<PlacedCertificate>> ListPlaced(const AuthorityCommand& ask) {
  std::vector<PlacedCertificate> placed;
  std::string after;
  for (;;) {
    ControlCommand command("list");
    command.Option("limit", kPageLines);
    if (!after.empty()) command.Option("after", after);
    const Json page = TRY(ask(command));
    for (const Json& line : FieldOf(page, "issued")) {
      const std::string entry = TextOf(line, "entry");
      if (entry.empty()) continue;
      placed.push_back({entry, TextOf(line, "subject"), TextOf(line, "serial"), TextOf(line, "not_after")});
    }
    const std::string next = TextOf(page, "next");
    if (next.empty() || next == after) return placed;
    after = next;
  }
}

}  // namespace certfs
