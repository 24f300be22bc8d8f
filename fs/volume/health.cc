#include "fs/volume/health.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace certfs {

namespace {

constexpr std::array<std::string_view, 3> kSeverities{"critical", "warning", "info"};  // Worst first.

std::size_t RankOf(std::string_view severity) {
  const auto found = std::find(kSeverities.begin(), kSeverities.end(), severity);
  return static_cast<std::size_t>(found - kSeverities.begin());
}

std::string_view StatusOf(const std::vector<HealthFinding>& findings) {
  const auto has = [&](std::string_view severity) {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const HealthFinding& each) { return each.severity == severity; });
  };
  return has("critical") ? "critical" : has("warning") ? "warning" : "ok";
}

std::string TextOf(std::vector<HealthFinding> findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const HealthFinding& a, const HealthFinding& b) {
    return RankOf(a.severity) < RankOf(b.severity);
  });
  nlohmann::ordered_json json;
  json["status"] = StatusOf(findings);
  auto& list = json["findings"] = nlohmann::ordered_json::array();
  for (const HealthFinding& each : findings) {
    list.push_back(
        {{"id", each.id}, {"severity", each.severity}, {"subject", each.subject}, {"detail", each.detail}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<HealthReport::Shown> HealthReport::Get(TableSnapshot& snapshot,
                                              const std::optional<Error>& list_failure, Time now) {
  const std::int64_t minute = std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
  const std::string failure = list_failure ? list_failure->message() : std::string();
  const std::lock_guard lock(mutex_);
  if (minute_ == minute && commit_ == snapshot.commit() && failure_ == failure) return shown_;
  auto examined = authority_.Health(snapshot);
  // Of damage whoever watches this file is to hear: the file must not go with what is damaged.
  const bool damaged = !examined.has_value() && examined.error().code() == ErrorCode::kCorrupt;
  if (!examined.has_value() && !damaged) return std::move(examined).error();
  std::vector<HealthFinding> findings;
  if (damaged) {
    findings.push_back({"authority-damaged", "critical", "the certificate authority",
                        examined.error().message() + "; nothing else of it is examined"});
  } else {
    findings = std::move(examined).value();
  }
  if (list_failure) findings.push_back({"crl-not-signed", "critical", "ca/crl.pem", failure});
  std::string text = TextOf(std::move(findings));
  if (text != shown_.text) shown_ = {std::move(text), now};
  minute_ = minute;
  commit_ = snapshot.commit();
  failure_ = failure;
  return shown_;
}

}  // namespace certfs
