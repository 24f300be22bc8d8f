// Commands of the authority itself: how it comes to be, what it is, its CRL.

#include <unistd.h>

#include <array>

#include "fs/control/commands.h"
#include "fs/control/payload.h"

namespace certfs::control {

namespace {

constexpr std::string_view kDefaultName = "certfs CA";
constexpr std::uint64_t kDaysMax = 36500;
constexpr std::uint64_t kPathLengthMax = 16;

struct KeyWord {
  std::string_view word;
  KeyType type;
};
constexpr std::array kKeyWords{
    KeyWord{"ec-p256", KeyType::kEcP256},
    KeyWord{"ec-p384", KeyType::kEcP384},
    KeyWord{"rsa-3072", KeyType::kRsa3072},
    KeyWord{"rsa-4096", KeyType::kRsa4096},
};

// The name of this machine; empty where it has none that a certificate could hold.
std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  const std::string text(name.data());
  return text.size() <= 64 ? text : std::string();  // The upper bound of RFC 5280, A.1.
}

RequestConfig DefaultSubject() {
  RequestConfig subject;
  subject.name = kDefaultName;
  if (const std::string host = HostName(); !host.empty()) subject.organizations = {host};
  return subject;
}

Answer AuthorityAnswer(Context& context) {
  Answer answer;
  answer.json["authority"] = ReadBack(context, nullptr, IssuingJson);
  return answer;
}

}  // namespace

Result<NewAuthority> ParseNewAuthority(const CommandLine& line) {
  NewAuthority authority;
  if (const auto key = line.Value("key")) {
    bool known = false;
    for (const KeyWord& each : kKeyWords) {
      if (each.word != *key) continue;
      authority.key_type = each.type;
      known = true;
    }
    if (!known) return Wrong("--key is ec-p256, ec-p384, rsa-3072 or rsa-4096");
  }
  if (const auto days = TRY(line.Number("days", 1, kDaysMax)))
    authority.lifetime = std::chrono::days(static_cast<int>(*days));
  if (const auto length = TRY(line.Number("path-length", 0, kPathLengthMax)))
    authority.path_length = static_cast<int>(*length);
  authority.permitted = line.Values("permit");
  authority.excluded = line.Values("exclude");
  authority.subject = line.payload.empty() ? DefaultSubject() : TRY(RequestConfig::Parse(line.payload));
  return authority;
}

Result<Answer> Init(Context& context, const CommandLine& line) {
  const NewAuthority authority = TRY(ParseNewAuthority(line));
  TRY(context.change({}, [&] { return context.authority.Create(authority, context.actor); }));
  return AuthorityAnswer(context);
}

Result<Answer> Import(Context& context, const CommandLine& line) {
  Material material = TRY(ParseKeyAndChain(line.payload));
  TRY(context.change({}, [&] {
    return context.authority.Import(*std::move(material.key), std::move(material.certificates),
                                    line.Has("replace"), context.actor);
  }));
  return AuthorityAnswer(context);
}

Result<Answer> Restore(Context& context, const CommandLine& line) {
  Material material = TRY(ParseKeyAndChain(line.payload));
  if (line.Has("crl") && !material.list) return Wrong("the CRL is missing");
  TRY(context.change({}, [&] {
    return context.authority.Restore(*std::move(material.key), std::move(material.certificates),
                                     material.list ? &*material.list : nullptr, context.actor);
  }));
  return AuthorityAnswer(context);
}

Result<Answer> Show(Context& context, const CommandLine&) {
  const auto snapshot = TRY(context.keystore.Snapshot());
  const AuthorityRecord record = TRY(snapshot->GetAuthority());
  Answer answer;
  answer.json["authority"] = TRY(IssuingJson(*snapshot));
  auto& certificates = answer.json["certificates"] = Json::array();
  for (const AuthorityCertificate& each : record.certificates)
    certificates.push_back(TRY(AuthorityJson(each)));
  answer.json["replacement"] = nullptr;
  if (record.replacement)
    answer.json["replacement"] = ReplacementJson(TRY(context.authority.Progress(*snapshot)));
  auto& profiles = answer.json["profiles"] = Json::array();
  for (const auto& [name, text] : TRY(context.authority.Profiles(*snapshot))) profiles.push_back(name);
  answer.json["last_operation"] = OperationJson(record.last_operation);
  answer.json["issued"] = snapshot->issued_count();
  return answer;
}

Result<Answer> RefreshList(Context& context, const CommandLine& line) {
  std::size_t signed_lists = 0;
  TRY(context.change({}, [&]() -> Result<void> {
    signed_lists = TRY(context.authority.RefreshLists(line.Has("force")));
    return {};
  }));
  bool absent = false;
  Answer answer;
  answer.json["signed"] = signed_lists;
  answer.json["crl"] = ReadBack(context, nullptr, [&](TableSnapshot& snapshot) -> Result<Json> {
    const auto face = TRY(context.authority.Face(snapshot));
    absent = !face;
    return face ? Json(PemText("X509 CRL", face->crl)) : Json(nullptr);
  });
  if (absent) return Error(ErrorCode::kNotFound, "no-authority", "there is no authority: certfs ca init");
  return answer;
}

}  // namespace certfs::control
