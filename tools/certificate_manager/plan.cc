#include "tools/certificate_manager/plan.h"

#include <algorithm>

#include "store/name.h"

namespace certfs {

namespace {

void AppendText(SecretBytes& bytes, std::string_view text) {
  const BytesView view = AsBytes(text);
  bytes.insert(bytes.end(), view.begin(), view.end());
}

}  // namespace

ControlCommand Plan::WriteEntries(bool plan_only) const {
  ControlCommand command("write-entries");
  command.Word(RowOf(operation).name);
  if (plan_only) command.Flag("plan");
  SecretBytes payload;
  for (const EntrySection& section : sections) {
    AppendText(payload, "[" + section.entry + "]\n");
    if (section.profile.empty()) {
      payload.insert(payload.end(), section.pem.Reveal().begin(), section.pem.Reveal().end());
    } else {
      AppendText(payload, "profile = " + section.profile + "\n" + section.config);
    }
    if (payload.Reveal().back() != '\n') AppendText(payload, "\n");
  }
  command.Payload(payload.Reveal());
  return command;
}

std::vector<std::string> Plan::Changed() const {
  std::vector<std::string> names;
  for (const PlannedEntry& each : entries) {
    if (each.changed) names.push_back(each.entry);
  }
  return names;
}

void Complete(Plan& plan, const Json& answer) {
  for (const Json& each : FieldOf(answer, "entries")) {
    // `revert` answers with names alone.
    const std::string name =
        each.is_string() ? each.get<std::string>() : TextOf(each, "store") + "/" + TextOf(each, "alias");
    auto planned = std::find_if(plan.entries.begin(), plan.entries.end(), [&](const PlannedEntry& entry) {
      return FoldName(entry.entry) == FoldName(name);
    });
    if (planned == plan.entries.end()) {
      plan.entries.push_back({name, std::nullopt, "what it held before the last operation", {}});
      continue;
    }
    if (each.is_string()) continue;
    planned->findings.clear();
    for (const Json& finding : FieldOf(each, "findings")) {
      if (finding.is_string()) planned->findings.push_back(finding.get<std::string>());
    }
    planned->changed = FieldOf(each, "changed") != Json(false);
  }
}

}  // namespace certfs
