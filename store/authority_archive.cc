#include "store/authority_archive.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "crypto/file_outline.h"
#include "crypto/pem.h"
#include "store/bounded_json.h"

namespace certfs {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kCertificateBegin = "-----BEGIN CERTIFICATE-----\n";
constexpr std::string_view kCertificateEnd = "-----END CERTIFICATE-----\n";
constexpr std::string_view kKeyBegin = "-----BEGIN PRIVATE KEY-----\n";
constexpr std::string_view kKeyEnd = "-----END PRIVATE KEY-----\n";

Error Odd(std::string what) { return {ErrorCode::kMalformed, std::move(what)}; }

// What a member of an object is; zero, or empty, where it is none of the kind. Whoever reads compares what he
// understood, written once more, with what he read: nothing odd gets past that.
std::uint64_t Unsigned(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
std::uint32_t Short(const Json& object, const char* name) {
  return static_cast<std::uint32_t>(Unsigned(object, name));
}
std::int64_t Signed(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}
Time Moment(const Json& object, const char* name) {
  return Time(std::chrono::nanoseconds(Signed(object, name)));
}
bool Flag(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}
std::string TextOf(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }
std::string Text(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? std::string() : TextOf(*found);
}
// Its items, none where it is no array.
const Json::array_t& Items(const Json& object, const char* name) {
  static const Json::array_t none;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return none;
  return found->get_ref<const Json::array_t&>();
}
const Json* Object(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

// A record has nothing that is not UTF-8; should it have, it is not read back.
std::string Dump(const Json& object, int indent) {
  return object.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::int64_t Nanoseconds(Time time) { return time.time_since_epoch().count(); }

constexpr std::pair<AuthorityRole, std::string_view> kRoles[] = {{AuthorityRole::kIssuing, "issuing"},
                                                                 {AuthorityRole::kPrepared, "prepared"},
                                                                 {AuthorityRole::kRetiring, "retiring"},
                                                                 {AuthorityRole::kRetired, "retired"}};

std::string_view NameOf(AuthorityRole role) {
  return std::ranges::find(kRoles, role, &std::pair<AuthorityRole, std::string_view>::first)->second;
}
AuthorityRole RoleOf(std::string_view name) {
  const auto found = std::ranges::find(kRoles, name, &std::pair<AuthorityRole, std::string_view>::second);
  return found == std::end(kRoles) ? AuthorityRole::kIssuing : found->first;
}

std::optional<SerialNumber> SerialOf(std::string_view text) {
  const auto serial = ParseSerialNumber(text);
  return serial && ToText(*serial) == text ? serial : std::nullopt;
}

// --- ca/authority.json

Json ToJson(const AuthorityCertificate& each, const ArchivedAuthority::Places& places) {
  return {{"id", each.id},
          {"role", NameOf(each.role)},
          {"key", !each.key.empty()},
          {"token", each.token},
          {"crl_number", each.crl_number},
          {"crl_made", Nanoseconds(each.crl_made)},
          {"root", places.root},
          {"crl", places.list},
          {"created", Nanoseconds(each.created)},
          {"issued", each.issued}};
}

void FromJson(const Json& object, ArchivedAuthority& authority) {
  AuthorityCertificate& each = authority.record.certificates.emplace_back();
  each.id = Short(object, "id");
  each.role = RoleOf(Text(object, "role"));
  if (Flag(object, "key")) each.key = SecretBytes(1);
  each.token = Text(object, "token");
  each.crl_number = Unsigned(object, "crl_number");
  each.crl_made = Moment(object, "crl_made");
  each.created = Moment(object, "created");
  each.issued = Unsigned(object, "issued");
  authority.places.push_back({Text(object, "root"), Text(object, "crl")});
}

Json ToJson(const RootReplacement& replacement) {
  return {{"phase", replacement.phase == ReplacementPhase::kRollingBack ? "rolling-back" : "reissuing"},
          {"from", replacement.from},
          {"to", replacement.to},
          {"compromised", replacement.compromised},
          {"rekey", replacement.rekey},
          {"total", replacement.total},
          {"failed", replacement.failed},
          {"began", Nanoseconds(replacement.began)}};
}

RootReplacement ReplacementFrom(const Json& object) {
  RootReplacement replacement;
  if (Text(object, "phase") == "rolling-back") replacement.phase = ReplacementPhase::kRollingBack;
  replacement.from = Short(object, "from");
  replacement.to = Short(object, "to");
  replacement.compromised = Flag(object, "compromised");
  replacement.rekey = Flag(object, "rekey");
  replacement.total = Unsigned(object, "total");
  replacement.failed = Unsigned(object, "failed");
  replacement.began = Moment(object, "began");
  return replacement;
}

Json ToJson(const LastOperation& operation, const std::vector<EntryName>& names) {
  Json object{{"name", operation.name}, {"at", Nanoseconds(operation.at)}};
  auto& entries = object["entries"] = Json::array();
  for (std::size_t i = 0; i < operation.entries.size(); ++i)
    entries.push_back(Json{{"entry", names[i]}, {"revision", operation.entries[i].revision}});
  object["reverted"] = operation.reverted;
  return object;
}

void OperationFrom(const Json& object, ArchivedAuthority& authority) {
  LastOperation& operation = authority.record.last_operation.emplace();
  operation.name = Text(object, "name");
  operation.at = Moment(object, "at");
  for (const Json& each : Items(object, "entries")) {
    operation.entries.push_back({0, Unsigned(each, "revision")});
    authority.changed.push_back(Text(each, "entry"));
  }
  operation.reverted = Flag(object, "reverted");
}

// --- Lines

Json ToJson(const ArchivedLine& line) {
  const IssuedCertificate& issued = line.issued;
  Json object{{"serial", ToText(issued.serial)},
              {"authority", issued.authority},
              {"common_name", issued.common_name},
              {"names", issued.names},
              {"not_before", issued.not_before.time_since_epoch().count()},
              {"not_after", issued.not_after.time_since_epoch().count()},
              {"profile", issued.profile},
              {"uid", issued.uid},
              {"gid", issued.gid},
              {"issued", Nanoseconds(issued.issued)}};
  if (issued.revocation) {
    object["revoked"] = Nanoseconds(issued.revocation->at);
    object["reason"] = static_cast<unsigned>(issued.revocation->reason);  // RFC 5280, 5.3.1.
  }
  if (!line.entry.empty()) object["entry"] = line.entry;
  if (issued.replaces) object["replaces"] = ToText(*issued.replaces);
  if (issued.replaced_by) object["replaced_by"] = ToText(*issued.replaced_by);
  if (!issued.pickup.empty()) object["pickup"] = issued.pickup;
  return object;
}

ArchivedLine LineFrom(const Json& object) {
  ArchivedLine line;
  IssuedCertificate& issued = line.issued;
  issued.serial = SerialOf(Text(object, "serial")).value_or(SerialNumber{});
  issued.authority = Short(object, "authority");
  issued.common_name = Text(object, "common_name");
  for (const Json& name : Items(object, "names")) issued.names.push_back(TextOf(name));
  issued.not_before = std::chrono::sys_seconds(std::chrono::seconds(Signed(object, "not_before")));
  issued.not_after = std::chrono::sys_seconds(std::chrono::seconds(Signed(object, "not_after")));
  issued.profile = Text(object, "profile");
  issued.uid = Short(object, "uid");
  issued.gid = Short(object, "gid");
  issued.issued = Moment(object, "issued");
  if (object.contains("revoked")) {
    issued.revocation =
        Revocation{Moment(object, "revoked"), static_cast<RevocationReason>(Unsigned(object, "reason"))};
  }
  line.entry = Text(object, "entry");
  issued.replaces = SerialOf(Text(object, "replaces"));
  issued.replaced_by = SerialOf(Text(object, "replaced_by"));
  issued.pickup = Text(object, "pickup");
  return line;
}

// Takes the block that `rest` begins with, where it is one between `begin` and `end`: its text.
Result<std::string_view> TakeBlock(std::string_view& rest, std::string_view begin, std::string_view end) {
  if (!rest.starts_with(begin)) return std::string_view();
  const std::size_t at = rest.find(end);
  if (at == std::string_view::npos) return Odd("a line of the ledger that is cut short");
  const std::string_view block = rest.substr(0, at + end.size());
  rest.remove_prefix(block.size());
  return block;
}

Result<SecretBytes> BodyOf(std::string_view block) {
  if (block.empty()) return SecretBytes();
  auto blocks = TRY(ReadPem(AsBytes(block)));
  if (blocks.size() != 1) return Odd("a line of the ledger with something between its blocks");
  return std::move(blocks.front().body);
}

BytesView WithoutLeadingZeros(BytesView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return number;
}

Result<void> CheckLine(const ArchivedLine& line, std::string_view certificate, std::string_view key) {
  auto checked = CheckIssued(line.issued);
  if (!checked.has_value()) return Odd(checked.error().message());
  if (certificate.empty() && !key.empty()) return Odd("a key without its certificate");
  if (certificate.empty()) return {};
  const CertificateOutline outline = TRY(OutlineCertificates(AsBytes(certificate))).front();
  // INTEGER, and a length of one byte, because it has at most 21 octets.
  const BytesView serial = BytesView(outline.serial).subspan(std::min<std::size_t>(2, outline.serial.size()));
  if (AsText(WithoutLeadingZeros(serial)) != AsText(WithoutLeadingZeros(line.issued.serial)))
    return Odd("a line of the ledger with a certificate of another serial number");
  if (!key.empty() && !TRY(OutlineMatches(AsBytes(key), outline)))
    return Odd("a key does not match its certificate");
  return {};
}

Result<ArchivedLine> TakeLine(std::string_view& rest) {
  const std::string_view whole = rest;
  const std::size_t newline = rest.find('\n');
  if (newline == std::string_view::npos) return Odd("a line of the ledger that is cut short");
  const Json object = ParseBoundedJson<Json>(rest.substr(0, newline));
  if (!object.is_object()) return Odd("no line of a ledger");
  rest.remove_prefix(newline + 1);
  ArchivedLine line = LineFrom(object);
  const std::string_view certificate = TRY(TakeBlock(rest, kCertificateBegin, kCertificateEnd));
  const std::string_view key = TRY(TakeBlock(rest, kKeyBegin, kKeyEnd));
  const SecretBytes der = TRY(BodyOf(certificate));
  line.issued.certificate.assign(der.Reveal().begin(), der.Reveal().end());
  line.issued.key = TRY(BodyOf(key));
  TRY(CheckLine(line, certificate, key));
  const SecretBytes again = LineText(line);
  if (!EqualSecrets(again.Reveal(), AsBytes(whole.substr(0, whole.size() - rest.size()))))
    return Odd("no line of a ledger as certfs writes it");
  return line;
}

}  // namespace

std::string AuthorityJson(const ArchivedAuthority& authority) {
  const AuthorityRecord& record = authority.record;
  Json object{{"next_id", record.next_id}};
  auto& certificates = object["certificates"] = Json::array();
  for (std::size_t i = 0; i < record.certificates.size(); ++i)
    certificates.push_back(ToJson(record.certificates[i], authority.places[i]));
  auto& profiles = object["profiles"] = Json::array();
  for (const auto& [name, toml] : record.profiles) profiles.push_back(name);
  object["requests"] =
      Json{{"uid", record.requests_uid}, {"gid", record.requests_gid}, {"mode", record.requests_mode}};
  if (record.replacement) object["replacement"] = ToJson(*record.replacement);
  if (record.last_operation) object["last_operation"] = ToJson(*record.last_operation, authority.changed);
  object["backed_up"] = Nanoseconds(record.backed_up);
  object["issued_at_backup"] = record.issued_at_backup;
  return Dump(object, 2);
}

Result<ArchivedAuthority> ParseAuthorityJson(std::string_view text) {
  const Json object = ParseBoundedJson<Json>(text);
  if (!object.is_object()) return Odd("no authority of a backup");
  ArchivedAuthority authority;
  AuthorityRecord& record = authority.record;
  record.next_id = Short(object, "next_id");
  for (const Json& each : Items(object, "certificates")) FromJson(each, authority);
  for (const Json& name : Items(object, "profiles")) record.profiles.emplace(TextOf(name), std::string());
  if (const Json* const requests = Object(object, "requests")) {
    record.requests_uid = Short(*requests, "uid");
    record.requests_gid = Short(*requests, "gid");
    record.requests_mode = Short(*requests, "mode");
  }
  if (const Json* const each = Object(object, "replacement")) record.replacement = ReplacementFrom(*each);
  if (const Json* const each = Object(object, "last_operation")) OperationFrom(*each, authority);
  record.backed_up = Moment(object, "backed_up");
  record.issued_at_backup = Unsigned(object, "issued_at_backup");
  if (AuthorityJson(authority) != text) return Odd("no authority as certfs writes it");
  return authority;
}

SecretBytes LineText(const ArchivedLine& line) {
  const std::string json = Dump(ToJson(line), -1);
  SecretBytes text = SecretBytes::CopyOf(AsBytes(json));
  const auto append = [&](std::string_view label, BytesView der) {
    if (der.empty()) return;
    const SecretBytes pem = WritePem(label, der);
    text.insert(text.end(), pem.Reveal().begin(), pem.Reveal().end());
  };
  append("CERTIFICATE", line.issued.certificate);
  append("PRIVATE KEY", line.issued.key.Reveal());
  return text;
}

Result<void> ParseLines(BytesView text, const std::function<Result<void>(ArchivedLine)>& take) {
  for (std::string_view rest = AsText(text); !rest.empty();) TRY(take(TRY(TakeLine(rest))));
  return {};
}

std::string AuthorityCertificatePath(std::uint32_t id) { return "ca/" + std::to_string(id) + "/cert.pem"; }

std::string AuthorityKeyPath(std::uint32_t id) { return "ca/" + std::to_string(id) + "/key.pem"; }

std::string ProfilePath(const std::string& name) { return "ca/profiles/" + name + ".toml"; }

std::string LedgerPath(std::uint64_t chunk) {
  std::string digits = std::to_string(chunk);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return "ca/ledger/" + digits + ".pem";
}

}  // namespace certfs
