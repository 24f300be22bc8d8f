#include "store/view/info.h"

#include <nlohmann/json.hpp>

#include <string_view>
#include <utility>

#include "crypto/base/time.h"
#include "crypto/description.h"
#include "store/policy.h"
#include "store/view/attributes.h"
#include "store/view/rows.h"

namespace certfs::view {

namespace {

using Json = nlohmann::ordered_json;

// "AB:CD:...": as people compare fingerprints.
std::string FingerprintText(BytesView digest) {
  std::string text;
  for (const std::uint8_t byte : digest) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    if (!text.empty()) text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

std::vector<std::string> FileNames(const Entry& entry) {
  std::vector<std::string> names;
  for (const Member member : kMembers) {
    if (entry.file(member)) names.emplace_back(FileName(member));
  }
  return names;
}

std::vector<std::string> Subjects(const std::vector<Certificate>& chain) {
  std::vector<std::string> subjects;
  for (const Certificate& each : chain) subjects.push_back(each.subject());
  return subjects;
}

// --- The parts of info.txt, one line a fact.

class Lines {
 public:
  void Add(std::string_view label, std::string_view value) {
    constexpr std::size_t kColumn = 18;
    std::string line(label);
    line += label.empty() ? "" : ":";
    line.resize(std::max(line.size() + 1, kColumn), ' ');
    text_.append(line).append(value).push_back('\n');
  }
  void Raw(std::string_view text) { text_ += text; }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void AddCertificate(Lines& lines, const EntryMaterial& material) {
  const Certificate& leaf = material.chain.front();
  lines.Add("Names", Joined(SubjectAltNames(leaf), ", "));
  lines.Add("Subject", leaf.subject());
  lines.Add("Valid", FormatTimestamp(leaf.not_before()) + " to " + FormatTimestamp(leaf.not_after()));
  lines.Add("Issuer", leaf.issuer());
  lines.Add("Serial number", leaf.serial());
  lines.Add("Key", CertifiedKey(leaf) + (material.key.empty() ? "" : ", with its private key"));
  lines.Add("SHA-256", FingerprintText(leaf.fingerprint()));
  lines.Add("SHA-1", FingerprintText(Sha1Fingerprint(leaf)));
  for (std::size_t i = 1; i < material.chain.size(); ++i)
    lines.Add(i == 1 ? "Issued by" : "", material.chain[i].subject());
}

void AddList(Lines& lines, const RevocationList& list) {
  lines.Add("Issuer", list.issuer());
  lines.Add("This update", FormatTimestamp(list.this_update()));
  lines.Add("Next update", list.next_update() ? FormatTimestamp(*list.next_update()) : "none");
  if (const std::string number = ListNumber(list); !number.empty()) lines.Add("Number", number);
  lines.Add("Revokes", std::to_string(RevokedCount(list)) + " certificates");
  lines.Add("SHA-256", FingerprintText(list.fingerprint()));
}

void AddFindings(Lines& lines, const std::vector<Finding>& findings) {
  bool first = true;
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kFix) continue;
    const std::string_view label = finding.severity == Severity::kRefuse ? "Refused now" : "Warning";
    lines.Add(label, finding.Describe());
    first = false;
  }
  if (first) lines.Add("Warnings", "none");
}

void AddPending(Lines& lines, const EntryMaterial& material) {
  if (!material.staged || material.staged->empty()) return;
  if (!IsPendingShown(material)) return lines.Add("In next/", "for those who may enter it");
  lines.Add("In next/", Joined(FileNames(*material.staged), ", "));
  const auto request = DescribeRequest(material.request);
  if (!request.has_value()) return;
  lines.Add("Pending request", request.value().subject + ", " + request.value().key);
  if (!request.value().names.empty()) lines.Add("", Joined(request.value().names, ", "));
  const auto& file = material.staged->file(Member::kSigningRequest);
  if (file) lines.Add("", "made " + FormatTimestamp(file->attributes.mtime));
}

std::string ChangeText(const Entry& entry) {
  const std::string revision = ", revision " + std::to_string(entry.revision);
  if (!entry.changed) return "unknown" + revision;
  return FormatTimestamp(entry.changed->at) + " by uid " + std::to_string(entry.changed->uid) + revision;
}

// --- The parts of info.json

Json CertificateJson(const Certificate& certificate) {
  return Json{{"subject", certificate.subject()},
              {"names", SubjectAltNames(certificate)},
              {"issuer", certificate.issuer()},
              {"serial", certificate.serial()},
              {"not_before", FormatTimestamp(certificate.not_before())},
              {"not_after", FormatTimestamp(certificate.not_after())},
              {"key", CertifiedKey(certificate)},
              {"signature", SignatureAlgorithm(certificate)},
              {"authority", certificate.IsAuthority()},
              {"sha256", ToHex(certificate.fingerprint())},
              {"sha1", ToHex(Sha1Fingerprint(certificate))}};
}

Json ListJson(const RevocationList& list) {
  Json json{{"issuer", list.issuer()}, {"this_update", FormatTimestamp(list.this_update())}};
  json["next_update"] = list.next_update() ? Json(FormatTimestamp(*list.next_update())) : Json(nullptr);
  json["number"] = ListNumber(list).empty() ? Json(nullptr) : Json(ListNumber(list));
  json["revoked"] = RevokedCount(list);
  json["sha256"] = ToHex(list.fingerprint());
  return json;
}

Json FindingsJson(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kFix) continue;
    list.push_back(Json{{"rule", finding.rule->id},
                        {"severity", finding.severity == Severity::kRefuse ? "refuse" : "warn"},
                        {"subject", finding.subject},
                        {"detail", finding.detail},
                        {"summary", finding.rule->summary}});
  }
  return list;
}

Json PendingJson(const EntryMaterial& material) {
  if (!material.staged || material.staged->empty() || !IsPendingShown(material)) return nullptr;
  Json json;
  json["files"] = FileNames(*material.staged);
  const auto request = DescribeRequest(material.request);
  if (request.has_value()) {
    json["request"] = Json{
        {"subject", request.value().subject}, {"names", request.value().names}, {"key", request.value().key}};
  }
  return json;
}

Json ChangeJson(const Entry& entry) {
  if (!entry.changed) return nullptr;
  return Json{{"at", FormatTimestamp(entry.changed->at)}, {"uid", entry.changed->uid}};
}

}  // namespace

std::string InfoText(const EntryMaterial& material) {
  Lines lines;
  lines.Add("Entry", material.store.name.text() + "/" + material.entry.alias.text());
  lines.Add("Files", Joined(FileNames(material.entry), ", "));
  if (!material.chain.empty()) AddCertificate(lines, material);
  if (material.list) AddList(lines, material.list->list);
  if (!material.chain.empty() || material.list) AddFindings(lines, material.findings);
  if (PolicyOf(material.store.name).rules == RuleSet::kTrust &&
      !IsPublic(material.store, material.entry,
                material.list ? Member::kRevocationList : Member::kCertificate))
    lines.Add("Warning", "not everybody may read it: it is in no trust bundle under export/");
  lines.Add("Last changed", ChangeText(material.entry));
  AddPending(lines, material);
  for (const Certificate& each : material.chain) lines.Raw("\n" + FullText(each));
  if (material.list) lines.Raw("\n" + FullText(material.list->list));
  return lines.Take();
}

std::string InfoJson(const EntryMaterial& material) {
  Json json{
      {"store", material.store.name.text()},   {"alias", material.entry.alias.text()},
      {"files", FileNames(material.entry)},    {"revision", material.entry.revision},
      {"changed", ChangeJson(material.entry)}, {"has_key", material.entry.file(Member::kKey).has_value()}};
  json["certificates"] = Json::array();
  for (const Certificate& each : material.chain) json["certificates"].push_back(CertificateJson(each));
  if (material.list) json["crl"] = ListJson(material.list->list);
  json["findings"] = FindingsJson(material.findings);
  json["pending"] = PendingJson(material);
  return JsonText(json);
}

Json IndexItem(const Entry& entry, const std::vector<Certificate>& chain, bool in_full) {
  Json json{{"alias", entry.alias.text()}, {"files", FileNames(entry)}, {"revision", entry.revision}};
  if (!in_full || chain.empty()) return json;
  const Certificate& leaf = chain.front();
  json["subject"] = leaf.subject();
  json["names"] = SubjectAltNames(leaf);
  json["issuer"] = leaf.issuer();
  json["serial"] = leaf.serial();
  json["not_before"] = FormatTimestamp(leaf.not_before());
  json["not_after"] = FormatTimestamp(leaf.not_after());
  json["key"] = CertifiedKey(leaf);
  json["sha256"] = ToHex(leaf.fingerprint());
  json["chain"] = Subjects(chain);
  return json;
}

std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace certfs::view
