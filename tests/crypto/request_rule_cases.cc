// The cases of the column of requests: what JudgeRequest, a profile or an issuer refuses.

#include "crypto/der.h"
#include "tests/crypto/authorities.h"
#include "tests/crypto/requests.h"
#include "tests/crypto/rule_cases.h"
#include "tests/crypto/verdicts.h"

namespace certfs::test {

namespace {

RuleCase& Add(std::vector<RuleCase>& rows, std::string_view rule, Bytes content) {
  rows.push_back(RuleCase{rule, Role::kRequest, Severity::kRefuse, std::move(content)});
  return rows.back();
}

// Returns the DER of a request in which `mine`, its key, is another one; what encloses the key is written
// anew.
Bytes WithKey(BytesView request, std::string_view mine, std::string_view other) {
  DerReader whole(request);
  DerReader parts = Must(whole.Enter(kDerSequence));
  const BytesView body = Must(parts.Take(kDerSequence));
  const Bytes changed = Patched(Bytes(body.begin(), body.end()), mine, other);
  Bytes out;
  DerWriter der(out);
  der.Sequence([&] {
    der.Primitive(kDerSequence, changed);
    der.Raw(parts.rest());
  });
  return out;
}

// What a request asks for beyond what may be asked.
void AddRequests(std::vector<RuleCase>& rows) {
  const PrivateKey key = NewKey("ec-p256");
  const auto add = [&](std::string_view rule, RequestShape shape) { Add(rows, rule, RequestPem(shape)); };
  const auto with = [&](std::vector<std::pair<std::string, std::string>> extensions) {
    return RequestShape{key, {{"CN", "x"}}, MBSTRING_UTF8, std::move(extensions)};
  };
  RequestShape foreign{key};
  const PrivateKey stranger = NewKey("ec-p256");
  foreign.signer = &stranger;
  add("request-signature", foreign);
  // RSA keys from files: making one takes longer than a test, and the table is made for each test anew.
  const auto kept = [](const char* name) { return Must(ReadKeyFile(Vector(name))).key; };
  RequestShape md5{kept("rsa2048.key")};
  md5.digest = EVP_md5();
  add("weak-digest", md5);
  add("weak-key", {kept("rsa1024.key")});
  add("request-duplicate-extension", with({{"1.2.3.4", "DER:0500"}, {"1.2.3.4", "DER:0500"}}));
  add("request-malformed-extension", with({{"subjectAltName", "DER:0500"}}));
  add("request-asks-for-ca", with({{"basicConstraints", "CA:TRUE"}}));
  add("request-key-usage", with({{"keyUsage", "keyCertSign"}}));
  add("request-subject", {key, {{"CN", "a\nb"}}});
  add("request-names", with({{"subjectAltName", "URI:http://example.com/"}}));
  std::string many;
  for (int i = 0; i <= 100; ++i) many += (i == 0 ? "DNS:h" : ",DNS:h") + std::to_string(i);
  add("request-too-many-names", with({{"subjectAltName", many}}));
  // Keys of certificates that other rules refuse, put into a request: its signature no longer matters.
  const Bytes good = RequestShape{key}.Der();
  const PublicKey mine = Must(PublicKey::Of(key));
  for (const auto& [rule, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {"key-algorithm", "dsa-root.pem"},
           {"oversized-key", "rsa-huge-root.pem"},
           {"rsa-exponent", "rsa-even-exponent-root.pem"},
           {"explicit-curve", "explicit-curve-root.pem"}}) {
    Add(rows, rule, WithKey(good, AsText(mine.der()), AsText(Certificates(name).front().key_der())));
  }
}

// What the profile or the issuer refuses.
void AddIssuing(std::vector<RuleCase>& rows) {
  const auto add = [&](std::string_view rule, std::function<std::optional<Error>()> asked) {
    Add(rows, rule, {}).asked = std::move(asked);
  };
  const auto refusal = [](const auto& result) {
    return result.has_value() ? std::optional<Error>() : std::optional<Error>(result.error());
  };
  add("request-config", [=] { return refusal(RequestConfig::Parse(AsBytes("Country = USA\n"))); });
  add("profile", [=] { return refusal(Profile::Parse("x", AsBytes("days = 0\n"))); });

  const auto subject = [](const char* lines) { return Subject(lines, NewKey("ec-p256")); };
  const auto checked = [=](const char* profile, const char* lines) {
    return [=] { return refusal(CheckSubject(ProfileOf(profile), subject(lines))); };
  };
  constexpr const char* kHosts = "key_usage = ['digitalSignature']\n[names]\nhosts = ['example.com']\n";
  add("profile-key", checked("keys = ['ec-p384']\nkey_usage = ['digitalSignature']\n", "Name = x"));
  add("profile-wildcard", checked(kHosts, "Hostname = *.example.com"));
  add("profile-name", checked(kHosts, "Hostname = www.example.com"));
  add("profile-no-host", checked(kHosts, "Name = Jane Doe"));
  add("profile-no-subject", [=] {
    CertificateSubject nameless = subject("Name = x");
    nameless.name = {0x30, 0x00};
    return refusal(CheckSubject(BuiltIn("client"), nameless));
  });

  const auto issued = [=](RootOptions root, const char* profile, const char* lines) {
    return [=] { return refusal(IssueBy(*RootIssuer("ec-p256", root), subject(lines), BuiltIn(profile))); };
  };
  constexpr auto kYear = std::chrono::days(365);
  add("issuer-name-constraints",
      issued({NameOf("Root"), kYear, {}, {"DNS:example.com"}, {}}, "server", "Hostname = a.example.org"));
  add("issuer-path-length", issued({NameOf("Root"), kYear, 0, {}, {}}, "ca", "Name = CA"));
  add("issuer-own-name",
      issued({NameOf("Root"), kYear, {}, {}, {}}, "client", "Name = Root\nOrganization = Example"));
  add("issuer-extended-key-usage", [=] {
    const Profile clients = ProfileOf("authority = true\nextended_key_usage = ['clientAuth']\n");
    const auto issuer = IntermediateIssuer(*RootIssuer("ec-p256"), "ec-p256", clients);
    return refusal(IssueBy(*issuer, subject("Hostname = a.example"), BuiltIn("server")));
  });
  add("issuer-expired", [=] {
    const auto issuer = RootIssuer("ec-p256");
    const auto after = issuer->certificate().not_after() + std::chrono::seconds(1);
    return refusal(issuer->Issue(subject("Hostname = a.example"), BuiltIn("server"),
                                 Must(RandomSerialNumber()), {after, after}));
  });
}

}  // namespace

std::vector<RuleCase> RequestCases() {
  std::vector<RuleCase> rows;
  AddRequests(rows);
  AddIssuing(rows);
  return rows;
}

}  // namespace certfs::test
