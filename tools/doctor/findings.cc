#include "tools/doctor/findings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>

#include "tools/json_text.h"
#include "tools/style.h"

namespace certfs::doctor {

namespace {

using Json = nlohmann::ordered_json;

void SortWorstFirst(Report& report) {
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.urgency < b.urgency; });
}

std::size_t Count(const std::vector<Report>& reports, Urgency urgency) {
  std::size_t count = 0;
  for (const Report& report : reports) {
    count += static_cast<std::size_t>(
        std::count_if(report.findings.begin(), report.findings.end(),
                      [&](const Finding& finding) { return finding.urgency == urgency; }));
  }
  return count;
}

std::string Plural(std::size_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string Coloured(Urgency urgency) {
  const Style style = urgency == Urgency::kCritical  ? Style::kError
                      : urgency == Urgency::kWarning ? Style::kWarning
                                                     : Style::kStrong;
  return Styled(ToString(urgency), style, STDOUT_FILENO);
}

void WriteTitle(std::ostream& out, const Report& report) {
  std::string title = report.keystore.string();
  for (const auto& mount : report.mounts) {
    title += (&mount == &report.mounts.front() ? ", mounted on " : " and ") + mount.string();
  }
  out << Styled(title, Style::kStrong, STDOUT_FILENO) << "\n";
}

void WriteFinding(std::ostream& out, const Finding& finding) {
  constexpr std::size_t kColumn = 10;
  const std::string_view word = ToString(finding.urgency);
  out << "  " << Coloured(finding.urgency) << std::string(kColumn - word.size(), ' ') << finding.id << ": "
      << finding.subject;
  if (!finding.detail.empty()) out << ": " << finding.detail;
  out << "\n";
  if (!finding.action.empty()) out << std::string(kColumn + 2, ' ') << "-> " << finding.action << "\n";
}

// Checks that were left out for one reason are one line.
void WriteNotChecked(std::ostream& out, const std::vector<NotChecked>& not_checked) {
  for (std::size_t i = 0; i < not_checked.size();) {
    std::size_t end = i;
    std::string names;
    for (; end < not_checked.size() && not_checked[end].reason == not_checked[i].reason; ++end)
      names += (end == i ? "" : ", ") + not_checked[end].check;
    out << "  not checked: " << names << ": " << not_checked[i].reason << "\n";
    i = end;
  }
}

// The least that counts by itself is a warning.
Urgency WorstOf(const std::vector<Report>& reports) {
  if (Count(reports, Urgency::kCritical) != 0) return Urgency::kCritical;
  return Count(reports, Urgency::kWarning) != 0 ? Urgency::kWarning : Urgency::kInfo;
}

// Never "ok" where the exit code is another than 0.
std::string_view StatusOf(const std::vector<Report>& reports) {
  const ExitCode code = CodeOf(reports);
  const bool critical = WorstOf(reports) == Urgency::kCritical || code == ExitCode::kDamagedKeystore ||
                        code == ExitCode::kNewerFormat;
  if (critical) return ToString(Urgency::kCritical);
  return code == ExitCode::kOk ? "ok" : ToString(Urgency::kWarning);
}

Json ToJson(const Report& report) {
  Json json{{"keystore", report.keystore.string()},
            {"mounts", Json::array()},
            {"checks", report.checks},
            {"findings", Json::array()},
            {"not_checked", Json::array()}};
  for (const auto& mount : report.mounts) json["mounts"].push_back(mount.string());
  for (const Finding& finding : report.findings) {
    json["findings"].push_back({{"id", finding.id},
                                {"severity", ToString(finding.urgency)},
                                {"subject", finding.subject},
                                {"detail", finding.detail},
                                {"action", finding.action}});
  }
  for (const NotChecked& each : report.not_checked)
    json["not_checked"].push_back({{"check", each.check}, {"reason", each.reason}});
  return json;
}

}  // namespace

void Report::Note(ExitCode code) {
  constexpr std::array kGravest{ExitCode::kDamagedKeystore, ExitCode::kNewerFormat, ExitCode::kWrongKey};
  for (const ExitCode each : kGravest) {
    if (worst == each) return;
    if (code == each) worst = code;
  }
}

ExitCode CodeOf(const std::vector<Report>& reports) {
  Report all;
  for (const Report& report : reports) all.Note(report.worst);
  if (all.worst != ExitCode::kOk) return all.worst;
  switch (WorstOf(reports)) {
    case Urgency::kCritical:
      return ExitCode::kCritical;
    case Urgency::kWarning:
      return ExitCode::kWarnings;
    case Urgency::kInfo:
      break;
  }
  const bool incomplete =
      std::any_of(reports.begin(), reports.end(), [](const Report& report) { return report.incomplete; });
  return incomplete ? ExitCode::kWarnings : ExitCode::kOk;
}

void WriteText(std::ostream& out, std::vector<Report> reports) {
  std::size_t checks = 0;
  std::size_t findings = 0;
  for (Report& report : reports) {
    SortWorstFirst(report);
    checks += report.checks;
    findings += report.findings.size();
    WriteTitle(out, report);
    for (const Finding& finding : report.findings) WriteFinding(out, finding);
    WriteNotChecked(out, report.not_checked);
  }
  out << Plural(checks, "check", "checks") << ", " << Plural(findings, "finding", "findings");
  if (findings != 0) {
    out << " (" << Count(reports, Urgency::kCritical) << " critical, "
        << Plural(Count(reports, Urgency::kWarning), "warning", "warnings") << ")";
  }
  out << "\n";
}

void WriteJson(std::ostream& out, std::vector<Report> reports) {
  Json json{{"status", StatusOf(reports)}, {"keystores", Json::array()}};
  for (Report& report : reports) {
    SortWorstFirst(report);
    json["keystores"].push_back(ToJson(report));
  }
  out << JsonText(json);
}

}  // namespace certfs::doctor
