#include "fs/control/commands.h"

#include <algorithm>
#include <array>

namespace certfs::control {

namespace {

using Names = std::string_view;

constexpr std::array<Names, 5> kInitOptions{"key", "days", "path-length", "permit", "exclude"};
constexpr std::array<Names, 1> kImportOptions{"replace"};
constexpr std::array<Names, 3> kIssueOptions{"profile", "name", "days"};
constexpr std::array<Names, 5> kListOptions{"state", "expiring", "name", "after", "limit"};
constexpr std::array<Names, 1> kCrlOptions{"force"};
constexpr std::array<Names, 1> kPlanRenewalOptions{"within"};
constexpr std::array<Names, 1> kRenewOptions{"rekey"};
constexpr std::array<Names, 1> kPlanOptions{"plan"};
constexpr std::array<Names, 7> kReplaceOptions{"compromised", "rekey",  "key",    "days",
                                               "path-length", "permit", "exclude"};
constexpr std::array<Names, 1> kRetireOptions{"now"};
constexpr std::array<Names, 1> kRestoreOptions{"crl"};

constexpr std::array kTable{
    CommandRow{"init", 0, kInitOptions, true, Init},
    CommandRow{"import", 0, kImportOptions, true, Import},
    CommandRow{"show", 0, {}, false, Show},
    CommandRow{"issue", 0, kIssueOptions, true, Issue},
    CommandRow{"show-certificate", 1, {}, true, ShowCertificate},
    CommandRow{"status", 1, {}, true, Status},
    CommandRow{"list", 0, kListOptions, false, List},
    CommandRow{"revoke", 2, {}, true, Revoke},
    CommandRow{"crl", 0, kCrlOptions, false, RefreshList},
    CommandRow{"plan-renewal", 1, kPlanRenewalOptions, false, PlanRenewal},
    CommandRow{"renew", 1, kRenewOptions, false, Renew},
    CommandRow{"write-entries", 1, kPlanOptions, true, WriteEntries},
    CommandRow{"revert", 0, kPlanOptions, false, Revert},
    CommandRow{"replace-root", 0, kReplaceOptions, true, ReplaceRoot},
    CommandRow{"replace-root-step", 1, {}, false, ReplaceRootStep},
    CommandRow{"replace-root-back", 0, {}, false, ReplaceRootBack},
    CommandRow{"retire", 0, kRetireOptions, false, Retire},
    CommandRow{"restore", 0, kRestoreOptions, true, Restore},
};

Result<const CommandRow*> RowOf(const CommandLine& line) {
  const auto row = std::find_if(kTable.begin(), kTable.end(),
                                [&](const CommandRow& each) { return each.name == line.words.front(); });
  if (row == kTable.end()) return Wrong("'" + line.words.front() + "' is no command");
  if (line.words.size() - 1 > row->arguments_max)
    return Wrong("'" + line.words[row->arguments_max + 1] + "': " + line.words.front() +
                 " takes no such word");
  for (const Option& option : line.options) {
    if (std::find(row->options.begin(), row->options.end(), option.name) == row->options.end())
      return Wrong("--" + option.name + ": " + line.words.front() + " has no such option");
  }
  if (!line.payload.empty() && !row->payload) return Wrong(line.words.front() + " is one line");
  return &*row;
}

// PEM needs nothing escaped but its newlines.
void AppendJson(SecretBytes& out, BytesView pem) {
  for (const std::uint8_t c : pem) {
    if (c == '\n') {
      out.push_back('\\');
      out.push_back('n');
    } else {
      out.push_back(c);
    }
  }
}

ViewBytes BytesOf(const Answer& answer) {
  const std::string text = TextOf(answer.json);
  if (answer.key.empty()) return {Bytes(text.begin(), text.end()), {}};
  // The object ends in a brace and a newline; the key never passes through an ordinary string.
  SecretBytes out = SecretBytes::CopyOf(AsBytes(std::string_view(text).substr(0, text.size() - 2)));
  const BytesView member = AsBytes(answer.json.empty() ? "\"key\":\"" : ",\"key\":\"");
  out.insert(out.end(), member.begin(), member.end());
  AppendJson(out, answer.key.Reveal());
  const BytesView end = AsBytes("\"}\n");
  out.insert(out.end(), end.begin(), end.end());
  return {{}, std::move(out)};
}

}  // namespace

std::span<const CommandRow> CommandTable() { return kTable; }

Json ReadBack(Context& context, Json known, const std::function<Result<Json>(TableSnapshot&)>& read) {
  auto found = WithinMemory([&]() -> Result<Json> {
    const auto snapshot = TRY(context.keystore.Snapshot());
    return read(*snapshot);
  });
  return found.has_value() ? std::move(found).value() : std::move(known);
}

Result<ViewBytes> Run(Context& context, BytesView command) {
  const CommandLine line = TRY(CommandLine::Parse(command));
  const CommandRow* const row = TRY(RowOf(line));
  return BytesOf(TRY(row->run(context, line)));
}

ViewBytes AnswerOf(const Error& error) {
  const std::string text = TextOf(ErrorJson(error));
  return {Bytes(text.begin(), text.end()), {}};
}

}  // namespace certfs::control
