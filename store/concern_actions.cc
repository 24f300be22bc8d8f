#include "store/concern_actions.h"

#include <algorithm>
#include <array>

namespace certfs {

namespace {

// In the templates: {entry} is the directory of the entry from the root of the mount, {path} is STORE/ALIAS,
// {store} the store; each a word of a shell.
struct Row {
  std::string_view id;
  std::string_view renewable;  // For what the authority issued; empty: as for others.
  std::string_view others;
};

constexpr std::string_view kRenew = "certfs renew {path}";
constexpr std::string_view kRekey = "certfs renew --rekey {path}";
constexpr std::string_view kReplace = "cp NEW-CERT.pem {entry}/cert.pem";
constexpr std::string_view kReplacePair = "mkdir -p {entry}/next && cp key.pem cert.pem {entry}/next/";
constexpr std::string_view kReplaceList = "cp NEW-CRL.pem {entry}/crl.pem";
constexpr std::string_view kRemove = "rm -r {entry}";
constexpr std::string_view kTrustIssuer =
    "mkdir stores/TRUSTED_ROOTS/NAME && cp ISSUER.pem stores/TRUSTED_ROOTS/NAME/cert.pem";

constexpr auto kRows = std::to_array<Row>({
    {"expired", kRenew, kReplace},
    {"expiring", kRenew, kReplace},
    {"anchor-expired", kRenew, kReplace},
    {"revoked", kRekey, kReplacePair},
    {"weak-key", kRekey, kReplacePair},
    {"rsa-exponent", kRekey, kReplacePair},
    {"key-algorithm", kRekey, kReplacePair},
    {"explicit-curve", kRekey, kReplacePair},
    {"weak-digest", kRenew, kReplace},
    {"sha1-signature", kRenew, kReplace},
    {"leaf-without-san", kReplace, kReplace},
    {"self-signed", kReplace, kReplace},
    {"untrusted-issuer", kTrustIssuer, kTrustIssuer},
    {"issuer-key-mismatch", kReplace, kReplace},
    {"crl-stale", kReplaceList, kReplaceList},
    {"damaged", "certfs doctor", "certfs doctor"},
    {"backup-never-read", "", "cp backup/keystore.cms WHERE-BACKUPS-GO"},
    {"export-password-unset", "", "certfs password set KEYSTORE"},
    // Of the authority.
    {"authority-damaged", "", "certfs doctor"},
    {"ca-never-backed-up", "", "certfs ca backup --out ca.p12"},
    {"ca-backup-stale", "", "certfs ca backup --out ca.p12"},
    {"ca-expired", "", "certfs ca replace-root"},
    {"ca-expires", "", "certfs ca replace-root"},
    {"crl-not-signed", "", "certfs ca crl --force"},
    {"retiring-authority", "", "certfs renew --all"},
    {"replacement-unfinished", "", "certfs ca replace-root"},
    {"revoked-live", kRekey, kRekey},
    {"expired-live", kRenew, kRenew},
    {"distrusted-live", kRenew, kRenew},
});

constexpr std::string_view kExplain = "certfs verify --store {store} {entry}/cert.pem";
constexpr std::string_view kSignList = "certfs ca crl --force";

// Of a certificate in TRUSTED_ROOTS: what cannot be trusted goes; of what still is, and ends, the successor
// comes beside it.
std::string_view ActionOfAnchor(std::string_view id) {
  if (id == "expiring") return kTrustIssuer;
  const bool useless = id == "expired" || id == "not-a-ca" || id == "weak-key" || id == "weak-digest" ||
                       id == "bad-signature" || id == "ca-may-not-sign";
  return useless ? kRemove : kExplain;
}

std::string Filled(std::string_view form, const ActionSubject& subject) {
  const std::string path = std::string(subject.store) + "/" + std::string(subject.alias);
  const std::array<std::pair<std::string_view, std::string>, 3> values{{
      {"{entry}", ShellWord("stores/" + path)},
      {"{path}", ShellWord(path)},
      {"{store}", ShellWord(subject.store)},
  }};
  std::string command;
  while (!form.empty()) {
    const auto value = std::find_if(values.begin(), values.end(),
                                    [&](const auto& each) { return form.starts_with(each.first); });
    command += value == values.end() ? std::string(form.substr(0, 1)) : value->second;
    form.remove_prefix(value == values.end() ? 1 : value->first.size());
  }
  return command;
}

}  // namespace

std::string ActionOf(std::string_view id, const ActionSubject& subject) {
  if (subject.trust && !subject.list && !subject.store.empty() && id != "damaged")
    return Filled(ActionOfAnchor(id), subject);
  const auto* const row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& each) { return each.id == id; });
  if (row == kRows.end()) return subject.list ? Filled(kReplaceList, subject) : Filled(kExplain, subject);
  // A CRL of the authority itself: it signs the next one.
  if (subject.store.empty() && id == "crl-stale") return std::string(kSignList);
  return Filled(subject.renewable && !row->renewable.empty() ? row->renewable : row->others, subject);
}

Urgency UrgencyOf(const Finding& finding) {
  if (finding.severity == Severity::kRefuse) return Urgency::kCritical;
  if (finding.rule->stage != Stage::kRest || finding.rule->id == "leaf-without-san") return Urgency::kWarning;
  return Urgency::kInfo;
}

std::string ShellWord(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.,+:=-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos && text.front() != '-')
    return std::string(text);
  std::string word = "'";
  for (const char each : text) word += each == '\'' ? std::string("'\\''") : std::string(1, each);
  return word + "'";
}

}  // namespace certfs
