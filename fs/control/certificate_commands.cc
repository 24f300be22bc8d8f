// Commands of single certificates and of the ledger.

#include <array>
#include <limits>

#include "crypto/pem.h"
#include "fs/control/commands.h"
#include "fs/control/payload.h"

namespace certfs::control {

namespace {

constexpr std::uint64_t kDaysMax = 36500;
constexpr std::uint64_t kListLimitMax = 1000;

struct StateWord {
  std::string_view word;
  LedgerState state;
};
constexpr std::array kStateWords{
    StateWord{"all", LedgerState::kAll},
    StateWord{"active", LedgerState::kActive},
    StateWord{"revoked", LedgerState::kRevoked},
    StateWord{"expired", LedgerState::kExpired},
};

// What a command names: its payload, a certificate, or else its first argument.
Result<std::string> SubjectOfCommand(const CommandLine& line) {
  if (!line.payload.empty()) return std::string(AsText(line.payload));
  if (line.words.size() < 2)
    return Wrong("which certificate: SERIAL, STORE/ALIAS, or a certificate behind the line");
  return line.words[1];
}

// "CURSOR", or "DAY.CURSOR": what TextOf has given out.
Result<LedgerPosition> ParsePosition(const std::string& text) {
  LedgerPosition position;
  const std::size_t dot = text.find('.');
  if (dot != std::string::npos) {
    position.day = static_cast<std::uint32_t>(
        TRY(ParseNumber(text.substr(0, dot), 0, std::numeric_limits<std::uint32_t>::max())));
  }
  position.at = TRY(ParseNumber(text.substr(dot == std::string::npos ? 0 : dot + 1), 0, kCursorMax));
  return position;
}

std::string TextOf(const LedgerPosition& position) {
  const std::string at = std::to_string(position.at);
  return position.day == 0 ? at : std::to_string(position.day) + "." + at;
}

Error NotIssuedHere() {
  return {ErrorCode::kNotFound, "not-issued-here", "this authority has issued no such certificate"};
}

// The line of what `text` names; nothing where this authority has not issued it. A certificate in PEM must be
// the very one: another issuer may have given out the same number.
Result<std::optional<IssuedCertificate>> FindLine(Context& context, TableSnapshot& snapshot,
                                                  std::string_view text) {
  const SerialNumber serial = TRY(context.authority.Identify(snapshot, text));
  auto line = TRY(snapshot.FindIssued(serial));
  if (!line || line->certificate.empty() || text.find("-----BEGIN") == std::string_view::npos) return line;
  const Material material = TRY(ParseMaterial(AsBytes(text)));
  if (material.certificates.empty()) return Wrong("there is no certificate");
  const BytesView der = material.certificates.front().der();
  if (!std::equal(der.begin(), der.end(), line->certificate.begin(), line->certificate.end())) line.reset();
  return line;
}

Result<Json> LineOf(Context& context, TableSnapshot& snapshot, const SerialNumber& serial) {
  const auto line = TRY(snapshot.FindIssued(serial));
  if (!line) return NotIssuedHere();
  return LineJson(snapshot, *line, context.keystore.Now());
}

}  // namespace

Result<Answer> Issue(Context& context, const CommandLine& line) {
  if (line.payload.empty()) return Wrong("a request or certool.cfg follows the line");
  OrderText text = TRY(ParseOrder(line.payload));
  IssueOrder order;
  order.profile = line.Value("profile").value_or(text.profile.value_or(order.profile));
  order.config = std::move(text.config);
  order.request = std::move(text.request);
  if (const auto days = TRY(line.Number("days", 1, kDaysMax)))
    order.lifetime = std::chrono::days(static_cast<int>(*days));
  if (const auto name = line.Value("name")) order.pickup = TRY(Alias::Parse(*name)).text();
  const Issued issued = TRY(context.authority.Issue(order, context.actor));
  Answer answer;
  answer.json["issued"] = TRY(LineJson(issued.record, std::nullopt, context.keystore.Now()));
  answer.json["certificate"] = PemText("CERTIFICATE", issued.record.certificate);
  answer.json["chain"] = std::string(AsText(issued.chain));
  if (!issued.record.key.empty()) answer.key = WritePem("PRIVATE KEY", issued.record.key.Reveal());
  return answer;
}

Result<Answer> ShowCertificate(Context& context, const CommandLine& line) {
  const std::string subject = TRY(SubjectOfCommand(line));
  const auto snapshot = TRY(context.keystore.Snapshot());
  const auto found = TRY(FindLine(context, *snapshot, subject));
  if (!found) return NotIssuedHere();
  Answer answer;
  answer.json["issued"] = TRY(LineJson(*snapshot, *found, context.keystore.Now()));
  answer.json["certificate"] = found->certificate.empty() ? "" : PemText("CERTIFICATE", found->certificate);
  return answer;
}

Result<Answer> Status(Context& context, const CommandLine& line) {
  const std::string subject = TRY(SubjectOfCommand(line));
  const auto snapshot = TRY(context.keystore.Snapshot());
  auto found = FindLine(context, *snapshot, subject);
  // Of what nobody issued here nothing can be told: that is an answer, too.
  if (!found.has_value() && found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
  const std::optional<IssuedCertificate> issued = found.has_value() ? std::move(found).value() : std::nullopt;
  Answer answer;
  answer.json["state"] =
      WordOf(StateOf(issued ? std::optional(issued->Clone()) : std::nullopt, context.keystore.Now()));
  const auto serial = issued ? std::optional(issued->serial) : ParseSerialNumber(subject);
  answer.json["serial"] = serial ? Json(ToText(*serial)) : Json(nullptr);
  answer.json["issued"] = issued ? TRY(LineJson(*snapshot, *issued, context.keystore.Now())) : Json(nullptr);
  return answer;
}

Result<Answer> List(Context& context, const CommandLine& line) {
  LedgerQuery query;
  if (const auto word = line.Value("state")) {
    bool known = false;
    for (const StateWord& each : kStateWords) {
      if (each.word != *word) continue;
      query.state = each.state;
      known = true;
    }
    if (!known) return Wrong("--state is all, active, revoked or expired");
  }
  if (const auto days = TRY(line.Number("expiring", 0, kDaysMax, 'd')))
    query.expiring = std::chrono::days(static_cast<int>(*days));
  query.name = line.Value("name").value_or("");
  if (const auto after = line.Value("after")) query.after = TRY(ParsePosition(*after));
  if (const auto limit = TRY(line.Number("limit", 1, kListLimitMax)))
    query.count_max = static_cast<std::size_t>(*limit);
  const auto snapshot = TRY(context.keystore.Snapshot());
  const LedgerPage page = TRY(context.authority.List(*snapshot, query));
  Answer answer;
  auto& lines = answer.json["issued"] = Json::array();
  for (const IssuedCertificate& each : page.lines)
    lines.push_back(TRY(LineJson(*snapshot, each, context.keystore.Now())));
  answer.json["next"] = page.next ? Json(TextOf(*page.next)) : Json(nullptr);
  return answer;
}

Result<Answer> Revoke(Context& context, const CommandLine& line) {
  const std::size_t subject_words = line.payload.empty() ? 2 : 1;
  const std::string subject = TRY(SubjectOfCommand(line));
  if (line.words.size() > subject_words + 1) return Wrong("'" + line.words.back() + "' is one word too many");
  auto reason = RevocationReason::kUnspecified;
  if (const std::string word = line.Word(subject_words); !word.empty()) {
    const auto parsed = ParseRevocationReason(word);
    if (!parsed) return Wrong("'" + word + "' is no reason; keyCompromise and superseded are");
    reason = *parsed;
  }
  std::optional<SerialNumber> serial;
  {
    const auto snapshot = TRY(context.keystore.Snapshot());
    const auto found = TRY(FindLine(context, *snapshot, subject));
    if (!found) return NotIssuedHere();
    serial = found->serial;
  }
  TRY(context.change({}, [&] { return context.authority.Revoke(*serial, reason, context.actor); }));
  Answer answer;
  answer.json["issued"] =
      ReadBack(context, {{"serial", ToText(*serial)}, {"state", "revoked"}},
               [&](TableSnapshot& snapshot) { return LineOf(context, snapshot, *serial); });
  answer.json["crl_number"] = ReadBack(context, nullptr, [&](TableSnapshot& snapshot) -> Result<Json> {
    const auto line_now = TRY(snapshot.FindIssued(*serial));
    const AuthorityRecord record = TRY(snapshot.GetAuthority());
    const AuthorityCertificate* const authority = line_now ? record.Find(line_now->authority) : nullptr;
    return Json(authority != nullptr ? authority->crl_number : 0);
  });
  return answer;
}

}  // namespace certfs::control
