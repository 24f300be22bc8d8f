// status/health.json.

#include <nlohmann/json.hpp>

#include <algorithm>

#include "fs/volume/status_texts.h"

namespace certfs {

std::string HealthJson(const StatusFacts& facts) {
  nlohmann::ordered_json json;
  json["status"] = StatusOf(facts.concerns);
  auto& counts = json["counts"];
  for (const Urgency urgency : {Urgency::kCritical, Urgency::kWarning, Urgency::kInfo}) {
    counts[std::string(ToString(urgency))] =
        std::count_if(facts.concerns.begin(), facts.concerns.end(),
                      [&](const Concern& each) { return each.urgency == urgency; });
  }
  auto& list = json["findings"] = nlohmann::ordered_json::array();
  for (const Concern& each : facts.concerns) {
    list.push_back({{"id", each.id},
                    {"severity", ToString(each.urgency)},
                    {"subject", ShownText(each.subject)},
                    {"detail", ShownText(each.detail)},
                    {"action", ShownText(each.action)}});
  }
  return json.dump(2) + "\n";
}

}  // namespace certfs
