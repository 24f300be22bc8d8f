// status/metrics.prom: the text format that node_exporter's textfile collector and Prometheus read.

#include <initializer_list>
#include <map>
#include <string>
#include <utility>

#include "fs/errno.h"
#include "fs/volume/status_texts.h"

namespace certfs {

namespace {

// Names are as they are, lest two become one: they are UTF-8 without control characters. Other text from
// outside goes through ShownText.
std::string Quoted(std::string_view value) {
  std::string text = "\"";
  for (const char each : value) {
    if (each == '\\' || each == '"') text += '\\';
    text += each;
  }
  return text + "\"";
}

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string LabelText(Labels labels) {
  std::string text;
  for (const auto& [name, value] : labels)
    text.append(text.empty() ? "{" : ",").append(name).append("=").append(Quoted(value));
  return text.empty() ? text : text + "}";
}

// One metric with its samples.
class Family {
 public:
  Family(std::string_view name, std::string_view type, std::string_view help) : name_(name) {
    text_ =
        "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
  }
  void Add(Labels labels, std::int64_t value) {
    text_ += name_ + LabelText(labels) + " " + std::to_string(value) + "\n";
  }
  // With the number in a column of the width that the largest has.
  void AddPadded(Labels labels, std::uint64_t value) {
    constexpr std::size_t kDigits = 20;
    const std::string digits = std::to_string(value);
    text_ += name_ + LabelText(labels) + std::string(kDigits + 1 - digits.size(), ' ') + digits + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  const std::string name_;
  std::string text_;
};

std::int64_t Seconds(std::chrono::sys_seconds time) { return time.time_since_epoch().count(); }
std::int64_t Seconds(Time time) { return Seconds(std::chrono::floor<std::chrono::seconds>(time)); }

std::string OfEntries(const Inspection& inspection) {
  Family entries("certfs_entries", "gauge", "Entries of a store.");
  Family begins("certfs_certificate_not_before_seconds", "gauge",
                "When the certificate of an entry begins to be valid, in seconds since 1970.");
  Family ends("certfs_certificate_not_after_seconds", "gauge",
              "When the certificate of an entry ends, in seconds since 1970.");
  Family chains("certfs_chain_not_after_seconds", "gauge",
                "When the first certificate of an entry's chain ends, in seconds since 1970.");
  Family lists("certfs_crl_next_update_seconds", "gauge",
               "When the next issue of a CRL is due, in seconds since 1970.");
  for (const auto& store : inspection.stores) {
    entries.Add({{"store", store->name}}, static_cast<std::int64_t>(store->entries.size()));
    for (const auto& entry : store->entries) {
      if (entry->list && entry->list->next_update) {
        const std::string issuer = ShownText(entry->list->issuer);
        lists.Add({{"store", store->name}, {"alias", entry->alias}, {"issuer", issuer}},
                  Seconds(*entry->list->next_update));
      }
      if (entry->chain.empty()) continue;
      const InspectedCertificate& leaf = *entry->chain.front();
      const std::string subject = ShownText(leaf.subject);
      const Labels labels{{"store", store->name},
                          {"alias", entry->alias},
                          {"subject", subject},
                          {"kind", leaf.authority ? "ca" : "leaf"}};
      begins.Add(labels, Seconds(leaf.not_before));
      ends.Add(labels, Seconds(leaf.not_after));
      chains.Add({{"store", store->name}, {"alias", entry->alias}}, Seconds(entry->first_end().not_after));
    }
  }
  return entries.text() + begins.text() + ends.text() + chains.text() + lists.text();
}

std::string OfFindings(const std::vector<Concern>& concerns) {
  std::map<std::pair<std::string, Urgency>, std::int64_t> counted;
  for (const Concern& each : concerns) ++counted[{each.id, each.urgency}];
  Family findings("certfs_findings", "gauge", "Findings of status/health.json, by id and severity.");
  for (const auto& [of, count] : counted)
    findings.Add({{"id", of.first}, {"severity", ToString(of.second)}}, count);
  return findings.text();
}

}  // namespace

std::string MetricsText(const StatusFacts& facts) {
  const std::size_t space = facts.version.find(' ');
  const std::string version = space == std::string::npos ? facts.version : facts.version.substr(space + 1);
  Family build("certfs_build_info", "gauge", "Always 1; what runs is in the labels.");
  build.Add({{"version", version}}, 1);
  Family backups("certfs_last_backup_timestamp_seconds", "gauge",
                 "When a backup was last read to its end, in seconds since 1970; 0 where it never was.");
  backups.Add({{"backup", "keystore"}}, Seconds(facts.keystore_backed_up));
  if (facts.has_authority) backups.Add({{"backup", "ca"}}, Seconds(facts.authority_backed_up));
  return build.text() + OfEntries(*facts.inspection) + OfFindings(facts.concerns) + backups.text();
}

std::string CountersText(const OperationCounts& counts) {
  Family operations("certfs_operations_total", "counter", "Operations since the mount began.");
  for (std::size_t at = 0; at < OperationCounts::kOperations.size(); ++at)
    operations.AddPadded({{"operation", OperationCounts::kOperations[at]}}, counts.operations(at));
  std::map<std::string_view, std::uint64_t> by_errno;
  for (std::size_t code = 0; code < OperationCounts::kErrorCodes; ++code)
    by_errno[ErrnoName(static_cast<ErrorCode>(code))] += counts.refusals(static_cast<ErrorCode>(code));
  Family refusals("certfs_refusals_total", "counter",
                  "Refusals since the mount began, each a line of status/errors.log.");
  for (const auto& [name, count] : by_errno) refusals.AddPadded({{"errno", name}}, count);
  return operations.text() + refusals.text();
}

}  // namespace certfs
