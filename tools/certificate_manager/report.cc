#include "tools/certificate_manager/report.h"

#include <utility>

namespace certfs {

namespace {

// More lines of a plan than anybody reads: the rest is counted.
constexpr std::size_t kShownEntries = 50;

Json WordsJson(const std::optional<CertificateWords>& words) {
  if (!words) return nullptr;
  return Json{{"subject", words->subject}, {"serial", words->serial}, {"not_after", words->not_after}};
}

Json Names(std::span<const Service* const> services) {
  Json names = Json::array();
  for (const Service* service : services) names.push_back(service->name);
  return names;
}

void PrintEntry(const PlannedEntry& entry, std::ostream& out) {
  out << entry.entry << (entry.changed ? "" : ": holds just that already") << "\n  now: "
      << (entry.before ? entry.before->subject + ", serial number " + entry.before->serial + ", until " +
                             entry.before->not_after
                       : "nothing")
      << "\n  new: " << entry.after << "\n";
  for (const std::string& finding : entry.findings) out << "  note: " << finding << "\n";
}

}  // namespace

void PrintPlan(const Plan& plan, std::span<const Service* const> services, std::ostream& out) {
  const OperationRow& row = RowOf(plan.operation);
  out << static_cast<int>(row.operation) << ". " << row.title << "\n";
  if (!plan.root_words.empty()) out << "root: " << plan.root_words << "\n";
  std::size_t shown = 0;
  for (const PlannedEntry& entry : plan.entries) {
    if (++shown > kShownEntries) break;
    PrintEntry(entry, out);
  }
  if (plan.entries.size() > kShownEntries)
    out << "and " << plan.entries.size() - kShownEntries << " more entries; --json names all\n";
  if (plan.entries.empty()) out << "no entry changes\n";
  for (const std::string& note : plan.notes) out << note << "\n";
  if (services.empty()) {
    out << "services to reload: none is configured\n";
    return;
  }
  out << "services to reload:";
  for (const Service* service : services) out << (service == services.front() ? " " : ", ") << service->name;
  out << "\n";
}

void PrintOutcome(const Outcome& outcome, std::ostream& out) {
  if (outcome.failure) out << "certificate-manager: " << outcome.failure->message() << "\n";
  for (const std::string& note : outcome.notes) out << "certificate-manager: " << note << "\n";
  if (outcome.rolled_back) out << "certificate-manager: everything is as it was before\n";
  if (outcome.resumable)
    out << "certificate-manager: the root is replaced in part: --resume goes on, --operation 7 takes it "
           "back\n";
}

Json ReportJson(const Plan& plan, std::span<const Service* const> services, const Outcome* outcome) {
  const OperationRow& row = RowOf(plan.operation);
  Json json{{"operation", row.name}, {"number", static_cast<int>(row.operation)}};
  json["root"] = plan.root_words.empty() ? Json(nullptr) : Json(plan.root_words);
  json["entries"] = Json::array();
  for (const PlannedEntry& entry : plan.entries) {
    json["entries"].push_back(Json{{"entry", entry.entry},
                                   {"before", WordsJson(entry.before)},
                                   {"after", entry.after},
                                   {"changed", entry.changed},
                                   {"findings", entry.findings}});
  }
  json["services"] = Names(services);
  json["notes"] = plan.notes;
  json["dry_run"] = outcome == nullptr;
  json["done"] = outcome != nullptr && outcome->done;
  json["rolled_back"] = outcome != nullptr && outcome->rolled_back;
  json["resumable"] = outcome != nullptr && outcome->resumable;
  json["error"] = nullptr;
  if (outcome == nullptr) return json;
  for (const std::string& note : outcome->notes) json["notes"].push_back(note);
  if (outcome->failure) {
    json["error"] = Json{{"code", ToString(outcome->failure->code())},
                         {"rule", outcome->failure->rule()},
                         {"message", outcome->failure->message()}};
  }
  return json;
}

std::string StatusLine(int percent, std::string_view doing) {
  return "Status : " + std::to_string(percent) + "% Completed [" + std::string(doing) + "]";
}

}  // namespace certfs
