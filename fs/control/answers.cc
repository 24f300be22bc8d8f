#include "fs/control/answers.h"

#include "crypto/description.h"
#include "crypto/pem.h"

namespace certfs::control {

namespace {

Json SerialOrNull(const std::optional<SerialNumber>& serial) {
  return serial ? Json(ToText(*serial)) : Json(nullptr);
}

std::string_view WordOf(AuthorityRole role) {
  switch (role) {
    case AuthorityRole::kIssuing:
      return "issuing";
    case AuthorityRole::kPrepared:
      return "prepared";
    case AuthorityRole::kRetiring:
      return "retiring";
    case AuthorityRole::kRetired:
      return "retired";
  }
  return "unknown";
}

}  // namespace

std::string TextOf(const Json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string_view WordOf(IssuedState state) {
  switch (state) {
    case IssuedState::kUnknown:
      return "unknown";
    case IssuedState::kActive:
      return "active";
    case IssuedState::kRevoked:
      return "revoked";
    case IssuedState::kExpired:
      return "expired";
  }
  return "unknown";
}

std::string PemText(std::string_view label, BytesView der) {
  return std::string(AsText(WritePem(label, der).Reveal()));
}

Result<std::optional<std::string>> EntryPathOf(TableSnapshot& snapshot, Number number) {
  std::optional<Entry> entry;
  if (number != 0) {
    auto found = snapshot.FindEntryByNumber(number);
    // What is damaged has no name, and keeps the rest of an answer from nobody.
    if (!found.has_value() && found.error().code() != ErrorCode::kCorrupt) return std::move(found).error();
    if (found.has_value()) entry = std::move(found).value();
  }
  const std::optional<Store> store = entry ? TRY(snapshot.FindStoreByNumber(entry->store)) : std::nullopt;
  if (!store) return std::optional<std::string>();
  return std::optional(store->name.text() + "/" + entry->alias.text());
}

Result<Json> LineJson(TableSnapshot& snapshot, const IssuedCertificate& line, Time now) {
  return LineJson(line, TRY(EntryPathOf(snapshot, line.entry)), now);
}

Result<Json> LineJson(const IssuedCertificate& line, const std::optional<std::string>& entry, Time now) {
  Json json;
  json["serial"] = ToText(line.serial);
  json["subject"] = "";
  // Of what an authority of before a restore revoked nothing but the serial number is known.
  if (!line.certificate.empty()) json["subject"] = TRY(Certificate::FromDer(line.certificate)).subject();
  json["common_name"] = line.common_name;
  json["names"] = line.names;
  json["profile"] = line.profile;
  json["authority"] = line.authority;
  json["not_before"] = FormatTimestamp(line.not_before);
  json["not_after"] = FormatTimestamp(line.not_after);
  json["state"] = WordOf(StateOf(line.Clone(), now));
  json["issued"] = FormatTimestamp(line.issued);
  json["uid"] = line.uid;
  json["revoked"] = nullptr;
  if (line.revocation) {
    json["revoked"] = Json{{"at", FormatTimestamp(line.revocation->at)},
                           {"reason", std::string(ToString(line.revocation->reason))}};
  }
  json["entry"] = entry ? Json(*entry) : Json(nullptr);
  json["replaces"] = SerialOrNull(line.replaces);
  json["replaced_by"] = SerialOrNull(line.replaced_by);
  json["pickup"] = line.pickup.empty() ? Json(nullptr) : Json(line.pickup);
  return json;
}

Result<Json> AuthorityJson(const AuthorityCertificate& authority) {
  const Certificate certificate = TRY(Certificate::FromDer(authority.certificate));
  const Certificate root =
      authority.chain.empty() ? certificate : TRY(Certificate::FromDer(authority.chain.back()));
  Json json;
  json["id"] = authority.id;
  json["role"] = WordOf(authority.role);
  json["subject"] = certificate.subject();
  const auto serial = SerialNumberOf(certificate);
  json["serial"] = serial ? ToText(*serial) : certificate.serial();
  json["not_before"] = FormatTimestamp(certificate.not_before());
  json["not_after"] = FormatTimestamp(certificate.not_after());
  json["key"] = CertifiedKey(certificate);
  json["sha256"] = ToHex(certificate.fingerprint());
  json["crl_number"] = authority.crl_number;
  json["issued"] = authority.issued;
  json["root"] = root.subject();
  return json;
}

Result<Json> IssuingJson(TableSnapshot& snapshot) {
  const AuthorityRecord record = TRY(snapshot.GetAuthority());
  const AuthorityCertificate* const issuing = record.Issuing();
  if (issuing == nullptr) return Json(nullptr);
  return AuthorityJson(*issuing);
}

Json ReplacementJson(const ReplacementProgress& progress) {
  if (!progress.replacement) return nullptr;
  const RootReplacement& replacement = *progress.replacement;
  Json json;
  json["phase"] = replacement.phase == ReplacementPhase::kReissuing ? "reissuing" : "rolling-back";
  json["from"] = replacement.from;
  json["to"] = replacement.to;
  json["compromised"] = replacement.compromised;
  json["rekey"] = replacement.rekey;
  json["total"] = replacement.total;
  json["left"] = progress.left;
  json["failed"] = replacement.failed;
  json["began"] = FormatTimestamp(replacement.began);
  return json;
}

Json OperationJson(const std::optional<LastOperation>& operation) {
  if (!operation) return nullptr;
  Json json;
  json["name"] = operation->name;
  json["at"] = FormatTimestamp(operation->at);
  json["entries"] = operation->entries.size();
  json["reverted"] = operation->reverted;
  return json;
}

Json ErrorJson(const Error& error) {
  Json json;
  json["code"] = std::string(ToString(error.code()));
  json["rule"] = std::string(error.rule());
  json["message"] = error.message();
  return Json{{"error", std::move(json)}};
}

}  // namespace certfs::control
