#include "tools/vecs/forecast.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "crypto/judgement.h"
#include "store/policy.h"
#include "tools/system.h"
#include "tools/trust_files.h"
#include "tools/vecs/entry_view.h"
#include "tools/verdict_report.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

Error Protected(const StorePlace& store, const std::string& words) {
  return {ErrorCode::kNotPermitted, store.directory.string() + ": " + words};
}

// Adds what `verdict` found to `findings`; a refusal is the Error.
Result<void> Take(const Verdict& verdict, Findings& findings) {
  if (auto refusal = verdict.refusal()) return *std::move(refusal);
  findings.insert(findings.end(), verdict.findings().begin(), verdict.findings().end());
  return {};
}

// What the rules of the store say to `content`. The Error is the refusal.
Result<Findings> Judge(const StorePlace& store, const Content& content) {
  Findings findings;
  if (content.key_member == Member::kSecret) return findings;
  TrustFiles trust = TRY(ReadTrustOf(store.mount));
  const TrustSet trusted(std::move(trust.authorities), std::move(trust.lists));
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const Question question{PolicyOf(store.name).rules, now, &trusted, Purpose::kAny, std::nullopt};
  const CertificateFile* const file = content.file ? &*content.file : nullptr;
  const PrivateKey* const key = content.private_key ? &*content.private_key : nullptr;
  if (key != nullptr) TRY(Take(JudgeKey({SecretBytes(), *key}, file, question), findings));
  if (file != nullptr) TRY(Take(JudgeCertificates(*file, key, question), findings));
  return findings;
}

Result<void> Fits(const StorePlace& store, const Content& content) {
  const StorePolicy& policy = PolicyOf(store.name);
  const Entry empty;
  if (content.file && !MayHold(policy, empty, Member::kCertificate))
    return Protected(store, "takes no certificates");
  if (!content.key.empty() && !MayHold(policy, empty, content.key_member))
    return Protected(store, "takes no keys");
  return {};
}

}  // namespace

Result<void> MayCreateStore(const Mount& mount) { return MayChange(mount, StoresOf(mount)); }

Result<void> MayDeleteStore(const StorePlace& store) {
  if (!PolicyOf(store.name).removable) return Protected(store, "this store is protected: it stays");
  return MayChange(store.mount, store.directory.parent_path());
}

Result<Findings> JudgeCreation(const StorePlace& store, const Content& content) {
  TRY(Fits(store, content));
  TRY(MayChange(store.mount, store.directory));
  return Judge(store, content);
}

Result<Findings> JudgeReplacement(const StorePlace& store, const fs::path& entry, const Content& content) {
  TRY(Fits(store, content));
  if (content.file && !content.key.empty()) {
    TRY(MayChange(store.mount, entry));
  } else {
    const fs::path file = entry / FileName(content.file ? Member::kCertificate : content.key_member);
    if (faccessat(AT_FDCWD, file.c_str(), W_OK, AT_EACCESS) != 0)
      return Explain(SystemError(file, errno), store.mount, file, "write");
  }
  return Judge(store, content);
}

Result<void> MayDeleteEntry(const StorePlace& store, const fs::path& entry) {
  const StorePolicy& policy = PolicyOf(store.name);
  const bool kept = policy.holds == Holds::kNothing;  // A state of BACKUP_STORE: root alone, and as a whole.
  const bool is_empty = TypeOf(entry) == "Unknown";
  if (policy.entries == Removal::kNobody && !kept && !is_empty)
    return Protected(store, "what is in this store stays");
  if ((policy.entries == Removal::kRoot || kept) && geteuid() != 0)
    return Protected(store, "from this store root alone removes");
  if (!kept) TRY(MayChange(store.mount, entry));
  return MayChange(store.mount, store.directory);
}

std::string TextOf(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    const std::string_view severity = WordOf(finding.severity);
    text += severity;
    text += std::string(8 - severity.size(), ' ') + finding.Describe() + "\n";
  }
  return text;
}

Json ToJson(const Findings& findings) {
  Json json = Json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"rule", finding.rule->id},
                    {"severity", WordOf(finding.severity)},
                    {"subject", finding.subject},
                    {"detail", finding.detail}});
  }
  return json;
}

}  // namespace certfs::vecs
