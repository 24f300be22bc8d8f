#include "tools/verdict_report.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include <ostream>

#include "crypto/base/time.h"
#include "tools/certificate_json.h"
#include "tools/json_text.h"
#include "tools/style.h"

namespace certfs {

namespace {

using Json = nlohmann::ordered_json;

std::string_view NameOf(Stage stage) {
  switch (stage) {
    case Stage::kParse:
      return "parse";
    case Stage::kKind:
      return "kind";
    case Stage::kMatch:
      return "match";
    case Stage::kChain:
      return "chain";
    case Stage::kRevocation:
      return "revocation";
    case Stage::kDates:
      return "dates";
    case Stage::kRest:
      return "rest";
  }
  return "";
}

Json ToJson(const Finding& finding) {
  return {{"rule", finding.rule->id},
          {"severity", WordOf(finding.severity)},
          {"stage", NameOf(finding.rule->stage)},
          {"code", ToString(finding.rule->code)},
          {"section", finding.rule->section},
          {"subject", finding.subject},
          {"detail", finding.detail},
          {"summary", finding.rule->summary}};
}

}  // namespace

std::string_view WordOf(Severity severity) {
  switch (severity) {
    case Severity::kNone:
      return "none";
    case Severity::kFix:
      return "fix";
    case Severity::kWarn:
      return "warn";
    case Severity::kRefuse:
      return "refuse";
  }
  return "";
}

void WriteText(std::ostream& out, const Verdict& verdict) {
  for (const Finding& finding : verdict.findings()) {
    const std::string severity(WordOf(finding.severity));
    const Style style = finding.severity == Severity::kRefuse ? Style::kError : Style::kWarning;
    const bool plain = finding.severity == Severity::kNone || finding.severity == Severity::kFix;
    out << (plain ? severity : Styled(severity, style, STDOUT_FILENO))
        << std::string(8 - severity.size(), ' ') << finding.Describe() << "\n";
  }
  const std::optional<Error> refusal = verdict.refusal();
  if (refusal) {
    out << Styled("refused:", Style::kError, STDOUT_FILENO) << " " << refusal->message() << "\n";
  } else {
    out << Styled("accepted", Style::kGood, STDOUT_FILENO) << "\n";
  }
}

void WriteJson(std::ostream& out, const Judged& judged, const Verdict& verdict,
               std::span<const Certificate> certificates) {
  Json report{{"file", judged.file},
              {"store", judged.store.empty() ? Json() : Json(judged.store)},
              {"at", FormatTimestamp(judged.at)},
              {"accepted", verdict.accepted()},
              {"findings", Json::array()},
              {"certificates", Json::array()}};
  for (const Finding& finding : verdict.findings()) report["findings"].push_back(ToJson(finding));
  for (const Certificate& certificate : certificates) report["certificates"].push_back(ToJson(certificate));
  out << JsonText(report);
}

}  // namespace certfs
