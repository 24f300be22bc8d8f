#include "tools/restore_report.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>

#include "tools/json_text.h"

namespace certfs {

namespace {

using Json = nlohmann::ordered_json;

std::string_view NameOf(MergeAction action) {
  switch (action) {
    case MergeAction::kAdd:
      return "add";
    case MergeAction::kReplace:
      return "replace";
    case MergeAction::kKeep:
      return "keep";
  }
  return "";
}

std::string Megabytes(std::uint64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text.data();
}

Json ToJson(const BackupContents& contents) {
  Json object = Json::parse(EncodeBackupManifest(contents.manifest));
  object["export_password"] = contents.export_password;
  object["authority"] = contents.authority;
  auto& recovery = object["recovery_certificates"] = Json::array();
  for (const Certificate& each : contents.recovery)
    recovery.push_back({{"sha256", ToHex(each.fingerprint())}, {"subject", each.subject()}});
  auto& stores = object["contents"] = Json::array();
  for (const auto& store : contents.stores)
    stores.push_back({{"store", store.name.text()}, {"entries", store.entries}, {"files", store.files}});
  return object;
}

}  // namespace

void PrintContents(const std::string& file, const BackupContents& contents, std::ostream& out) {
  const BackupManifest& manifest = contents.manifest;
  out << file << ": whole, a backup of " << manifest.time << "\n"
      << "keystore  " << ToHex(manifest.keystore) << ", commit " << manifest.commit << ", by certfs "
      << manifest.version << "\n"
      << "holds     " << manifest.counts.stores << " stores, " << manifest.counts.entries << " entries, "
      << manifest.counts.files << " files, " << Megabytes(manifest.counts.bytes) << "\n";
  for (const auto& store : contents.stores) {
    if (store.entries == 0) continue;
    out << "          " << store.name.text() << ": " << store.entries << " entries, " << store.files
        << " files\n";
  }
  if (contents.authority) out << "authority " << manifest.counts.issued << " issued certificates\n";
  out << "password  " << (contents.export_password ? "the export password is in it" : "no export password")
      << "\n";
  for (const Certificate& each : contents.recovery)
    out << "recovery  " << each.subject() << ", SHA-256 " << ToHex(each.fingerprint()) << "\n";
}

void PrintPlan(const MergePlan& plan, std::ostream& out) {
  for (const MergeStep& step : plan.steps) {
    out << NameOf(step.action) << std::string(9 - NameOf(step.action).size(), ' ') << step.name;
    if (!step.why.empty()) out << ": " << step.why;
    out << "\n";
  }
  out << plan.Count(MergeAction::kAdd) << " to add, " << plan.Count(MergeAction::kReplace) << " to replace, "
      << plan.Count(MergeAction::kKeep) << " to keep, " << plan.same << " the same already\n";
}

std::string ContentsJson(const std::string& file, const BackupContents& contents) {
  Json object{{"file", file}};
  object.update(ToJson(contents));
  return JsonText(object);
}

std::string PlanJson(const std::string& file, const MergePlan& plan, bool done) {
  Json object{{"file", file}, {"done", done}, {"same", plan.same}};
  auto& steps = object["steps"] = Json::array();
  for (const MergeStep& step : plan.steps) {
    Json& each = steps.emplace_back(Json{{"action", NameOf(step.action)}, {"name", step.name}});
    if (!step.why.empty()) each["why"] = step.why;
  }
  object["backup"] = ToJson(plan.contents);
  return JsonText(object);
}

}  // namespace certfs
