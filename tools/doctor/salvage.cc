#include "tools/doctor/salvage.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "store/concerns.h"
#include "store/salvage.h"
#include "tools/json_text.h"
#include "tools/new_keystore.h"
#include "tools/progress.h"
#include "tools/system.h"

namespace certfs::doctor {

namespace {

using Json = nlohmann::ordered_json;

ExitCode CodeOf(const SalvageReport& report) {
  if (!report.losses.empty() || report.Count(Fate::kDamaged) != 0 || report.Count(Fate::kLost) != 0)
    return ExitCode::kDamagedKeystore;
  const bool doubts =
      !report.doubts.empty() || report.Count(Fate::kDoubtful) != 0 || !report.left_out.empty();
  return doubts ? ExitCode::kWarnings : ExitCode::kOk;
}

std::string_view StatusOf(ExitCode code) {
  if (code == ExitCode::kOk) return ToString(Fate::kRecovered);
  return ToString(code == ExitCode::kWarnings ? Fate::kDoubtful : Fate::kLost);
}

void WriteText(std::ostream& out, const SalvageOptions& options, const SalvageReport& report) {
  constexpr std::size_t kColumn = 11;
  for (const SalvagedItem& each : report.items) {
    if (each.fate == Fate::kRecovered) continue;
    const std::string_view word = ToString(each.fate);
    out << word << std::string(kColumn - word.size(), ' ') << each.name << ": " << each.detail << "\n";
  }
  for (const std::string& each : report.losses) out << "lost       " << each << "\n";
  for (const std::string& each : report.doubts) out << "doubtful   " << each << "\n";
  for (const std::string& each : report.left_out) out << "doubtful   no recovery slot for " << each << "\n";
  out << "made the keystore " << options.into.string() << ", as of commit " << report.commit << ": "
      << report.stores << " stores, " << report.entries << " entries, " << report.files << " files"
      << (report.authority
              ? ", the certificate authority with " + std::to_string(report.issued) + " issued certificates"
              : std::string())
      << "\n"
      << report.Count(Fate::kRecovered) << " recovered, " << report.Count(Fate::kDoubtful) << " doubtful, "
      << report.Count(Fate::kDamaged) << " damaged, " << report.Count(Fate::kLost) + report.losses.size()
      << " lost\n";
  const bool own_key = !options.unlock.recovery_key.empty();
  const std::string key = ShellWord(
      (own_key ? DefaultKeyFile(options.into) : std::filesystem::path(options.unlock.key_file)).native());
  if (own_key || !options.unlock.key_file.empty()) {
    out << "its key is " << key << "\n";
  } else {
    out << "the secret of " << options.keystore.string() << " opens it\n";
  }
}

void WriteJson(std::ostream& out, const SalvageOptions& options, const SalvageReport& report) {
  Json json{{"keystore", options.keystore.string()},
            {"salvaged", options.into.string()},
            {"status", StatusOf(CodeOf(report))},
            {"commit", report.commit},
            {"stores", report.stores},
            {"entries", report.entries},
            {"files", report.files},
            {"issued", report.issued},
            {"authority", report.authority},
            {"items", Json::array()},
            {"losses", report.losses},
            {"doubts", report.doubts},
            {"left_out", report.left_out}};
  for (const SalvagedItem& each : report.items)
    json["items"].push_back({{"name", each.name}, {"state", ToString(each.fate)}, {"detail", each.detail}});
  out << JsonText(json);
}

Result<SalvageReport> Copy(const SalvageOptions& options) {
  const UnlockSecret secret = TRY(ReadUnlockSecret(options.keystore, options.unlock));
  // The key of a recovery certificate is kept offline; it is no secret to open a keystore with every day.
  const bool recovery = !options.unlock.recovery_key.empty();
  std::optional<UnlockSecret> made;
  if (recovery) made = TRY(NewKeystoreSecret(options.into, {}));
  std::unique_ptr<Progress> progress;
  std::uint64_t drawn = 0;
  const auto draw = [&](std::uint64_t done, std::uint64_t total) {
    if (!progress) progress = std::make_unique<Progress>("salvaging", total);
    progress->Advance(done - drawn);
    drawn = done;
  };
  auto report = WithinMemory([&] {
    return SalvageKeystore(options.keystore, secret, options.into, made ? *made : secret,
                           Actor{geteuid(), getegid()}, std::chrono::system_clock::now, draw);
  });
  progress.reset();
  if (!report.has_value() && recovery) ForgetNewSecret(options.into, {});
  return report;
}

}  // namespace

Result<ExitCode> Salvage(const SalvageOptions& given) {
  ProtectProcess();
  SalvageOptions options = given;
  options.into = TidyPath(given.into);
  TRY(ChooseDefaultKey(options.keystore, options.unlock));
  const SalvageReport report = TRY(Copy(options));
  if (options.json) {
    WriteJson(std::cout, options, report);
  } else {
    WriteText(std::cout, options, report);
  }
  return CodeOf(report);
}

}  // namespace certfs::doctor
