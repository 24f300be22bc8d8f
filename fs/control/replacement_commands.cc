// Commands that replace the root, step by step, and end authorities.

#include "fs/control/commands.h"
#include "fs/control/payload.h"

namespace certfs::control {

namespace {

constexpr std::uint64_t kStepDefault = 50;
constexpr std::uint64_t kStepMax = 1000;

bool HoldsPem(BytesView payload) { return AsText(payload).find("-----BEGIN ") != std::string_view::npos; }

// Null would say that there is none.
Answer ProgressAnswer(Context& context, std::string_view phase) {
  Answer answer;
  answer.json["replacement"] =
      ReadBack(context, {{"phase", phase}}, [&](TableSnapshot& snapshot) -> Result<Json> {
        return ReplacementJson(TRY(context.authority.Progress(snapshot)));
      });
  return answer;
}

}  // namespace

Result<Answer> ReplaceRoot(Context& context, const CommandLine& line) {
  const bool compromised = line.Has("compromised");
  const bool rekey = line.Has("rekey");
  if (HoldsPem(line.payload)) {
    for (const std::string_view option : {"key", "days", "path-length", "permit", "exclude"}) {
      if (line.Has(option)) return Wrong("--" + std::string(option) + ": the new root is given");
    }
    Material material = TRY(ParseKeyAndChain(line.payload));
    TRY(context.change({}, [&] {
      return context.authority.BeginReplacement(*std::move(material.key), std::move(material.certificates),
                                                compromised, rekey, context.actor);
    }));
    return ProgressAnswer(context, "reissuing");
  }
  const NewAuthority authority = TRY(ParseNewAuthority(line));
  TRY(context.change(
      {}, [&] { return context.authority.BeginReplacement(authority, compromised, rekey, context.actor); }));
  return ProgressAnswer(context, "reissuing");
}

Result<Answer> ReplaceRootStep(Context& context, const CommandLine& line) {
  const std::string word = line.Word(1);
  const auto count =
      static_cast<std::size_t>(word.empty() ? kStepDefault : TRY(ParseNumber(word, 1, kStepMax)));
  const std::vector<Number> entries =
      TRY(CertificateAuthority::NextEntries(*TRY(context.keystore.Snapshot()), count));
  ReplacementProgress progress;
  TRY(context.change(entries, [&]() -> Result<void> {
    progress = TRY(context.authority.StepReplacement(count, context.actor));
    return {};
  }));
  Answer answer;
  answer.json["replacement"] = ReplacementJson(progress);
  return answer;
}

Result<Answer> ReplaceRootBack(Context& context, const CommandLine&) {
  TRY(context.change({}, [&] { return context.authority.RollBackReplacement(context.actor); }));
  return ProgressAnswer(context, "rolling-back");
}

Result<Answer> Retire(Context& context, const CommandLine& line) {
  std::vector<std::uint32_t> retired;
  TRY(context.change({}, [&]() -> Result<void> {
    retired = TRY(context.authority.Retire(line.Has("now"), context.actor));
    return {};
  }));
  Answer answer;
  answer.json["retired"] = retired;
  return answer;
}

}  // namespace certfs::control
