// certfs why: the last refusals, in words, and what to do about them.

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.h"
#include "tools/json_text.h"
#include "tools/mounts.h"
#include "tools/refusal_line.h"
#include "tools/remedies.h"
#include "tools/system.h"

namespace certfs {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBytesMax = std::size_t{16} << 20;

struct WhyCommandOptions {
  std::string mount;
  bool all = false;
  bool last = false;
  bool json = false;
};

Result<std::string> ReadReasons(const Mount& mount, bool all) {
  const std::filesystem::path status = mount.mountpoint / "status";
  auto text = ReadWholeFile(status / (all ? "errors.log" : "why"), kBytesMax);
  if (text.has_value()) return std::string(AsText(text.value()));
  if (text.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound,
                 mount.mountpoint.string() +
                     ": has no status/ because only the stores are mounted (subtree=stores); the "
                     "reasons are in the log: journalctl -t certfs");
  }
  if (all && text.error().code() == ErrorCode::kNotPermitted) {
    return std::move(text).error().Within(
        "everybody's refusals are for root and whom the mount belongs to; without --all you get your own");
  }
  return std::move(text).error();
}

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view ActionFor(const RefusalLine& line) {
  if (const std::string_view words = RemedyOf(line.rule); !words.empty()) return words;
  return RemedyOf(line.code);
}

void PrintText(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    std::cout << line << "\n";
    const auto refusal = ParseRefusal(line);
    const std::string_view action = refusal ? ActionFor(*refusal) : std::string_view();
    if (!action.empty()) std::cout << "  -> " << action << "\n";
  }
}

Json ToJson(const RefusalLine& line) {
  Json json{{"time", line.time}, {"path", line.path}, {"code", line.code}};
  json["rule"] = line.rule.empty() ? Json() : Json(line.rule);
  json["message"] = line.message;
  json["action"] = ActionFor(line).empty() ? Json() : Json(ActionFor(line));
  json["uid"] = line.uid;
  json["pid"] = line.process;
  json["program"] = line.program.empty() ? Json() : Json(line.program);
  return json;
}

void PrintRefusals(const std::vector<std::string>& lines) {
  Json json{{"refusals", Json::array()}};
  for (const std::string& line : lines) {
    if (const auto refusal = ParseRefusal(line)) json["refusals"].push_back(ToJson(*refusal));
  }
  PrintJson(json);
}

Result<ExitCode> Why(const WhyCommandOptions& options) {
  const Mount mount = TRY(ChooseMount(options.mount));
  std::vector<std::string> lines = LinesOf(TRY(ReadReasons(mount, options.all)));
  if (options.last && lines.size() > 1) lines.erase(lines.begin(), lines.end() - 1);
  if (options.json) {
    PrintRefusals(lines);
  } else {
    PrintText(lines);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddWhyCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "why", "Say why your last writes were refused, newest last, and what to do about it");
  auto options = std::make_shared<WhyCommandOptions>();
  command->add_option("--mount", options->mount, "The mount to ask; needed only when there are several");
  command->add_flag("--all", options->all,
                    "Everybody's refusals, not only your own: for root and whom the mount belongs to");
  command->add_flag("--last", options->last, "Only the newest one");
  command->add_flag("--json", options->json, "One JSON object instead of text");
  command->footer(
      "The mount keeps the last 64 of each user, and 512 of all, until it is unmounted; the log has them\n"
      "for longer: journalctl -t certfs.\n\n"
      "Examples:\n"
      "  cp web.pem /certs/stores/machine/web/cert.pem || certfs why --last\n"
      "  certfs why --all --json | jq -r '.refusals[] | select(.code == \"expired\") | .path'");
  command->callback([options, &action] { action = [options] { return Why(*options); }; });
}

}  // namespace certfs
