#include "tests/crypto/rule_cases.h"

#include "tests/crypto/authorities.h"
#include "tests/crypto/requests.h"

namespace certfs::test {

namespace {

using enum Role;
using namespace std::string_view_literals;

constexpr Severity F = Severity::kFix;
constexpr Severity W = Severity::kWarn;
constexpr Severity R = Severity::kRefuse;

Bytes Joined(const std::vector<std::string>& names) {
  Bytes all;
  for (const std::string& name : names) {
    const Bytes one = Vector(name);
    EXPECT_FALSE(one.empty()) << name << " is missing";
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

// A leaf's file: the certificate, and the CA that issued it.
Bytes Leaf(const std::string& name) { return Joined({name, "issuing.pem"}); }

// The good leaf, and a CA of the issuing CA's name and key.
Bytes Under(const std::string& name) { return Joined({"leaf.pem", name}); }

// The DER of a certificate with the last bit of its signature flipped.
Bytes Damaged(const std::string& name) {
  const Certificate certificate = Certificates(name).front();
  Bytes der(certificate.der().begin(), certificate.der().end());
  der.back() = static_cast<std::uint8_t>(der.back() ^ 1U);
  return der;
}

// What a file of that role holds when nothing is wrong with it.
Bytes Good(Role role) {
  switch (role) {
    case kServerLeaf:
    case kLeaf:
      return Vector("chain.pem");
    case kIntermediate:
      return {};
    case kAnchor:
      return Vector("root.pem");
    case kKey:
      return Vector("leaf.key");
    case kRevocationList:
    case kLooseList:
      return Vector("crl-5.pem");
    case kRequest:
      return RequestPem({NewKey("ec-p256")});
  }
  return {};
}

constexpr Role kFiles[] = {kServerLeaf, kLeaf, kAnchor, kKey, kRevocationList, kLooseList, kRequest};

std::string_view LabelOf(Role role) {
  if (role == kKey) return "PRIVATE KEY";
  if (role == kRequest) return "CERTIFICATE REQUEST";
  return role == kRevocationList || role == kLooseList ? "X509 CRL" : "CERTIFICATE";
}

class Table {
 public:
  // Adds one case; the rest of its circumstances is set on what is returned.
  RuleCase& Add(std::string_view rule, Role role, Severity severity, Bytes content) {
    rows_.push_back(RuleCase{rule, role, severity, std::move(content)});
    return rows_.back();
  }
  // The leaf of either kind of store.
  void Leaves(std::string_view rule, Severity server, Severity other, const Bytes& content) {
    Add(rule, kServerLeaf, server, content);
    Add(rule, kLeaf, other, content);
  }
  // The same fault in a leaf, in the CA above it and in a root, as generate.sh makes them.
  void Certificates(std::string_view rule, Severity leaf, Severity root, const std::string& name,
                    const std::string& below = "leaf.pem") {
    Leaves(rule, leaf, leaf, Leaf(name + "-leaf.pem"));
    Add(rule, kIntermediate, leaf, Joined({below, name + "-ca.pem"}));
    Add(rule, kAnchor, root, Vector(name + "-root.pem"));
  }
  void Lists(std::string_view rule, Severity trusted, const Bytes& content) {
    Add(rule, kRevocationList, trusted, content);
    Add(rule, kLooseList, W, content);
  }
  std::vector<RuleCase> Take() { return std::move(rows_); }

 private:
  std::vector<RuleCase> rows_;
};

void AddReading(Table& table) {
  for (const Role role : kFiles) {
    const Bytes good = Good(role);
    const std::string text(AsText(good));
    const auto bytes = [](std::string_view all) { return Bytes(all.begin(), all.end()); };
    const std::string begin = "-----BEGIN " + std::string(LabelOf(role)) + "-----\n";
    const std::string end = "-----END " + std::string(LabelOf(role)) + "-----\n";
    table.Add("too-large", role, R, Bytes(kFileBytesMax + 1, '\n'));
    table.Add("unreadable", role, R, bytes("garbage"));
    table.Add("unreadable", role, R, bytes(begin + "AAAA\n" + end));
    table.Add("empty-body", role, R, bytes(begin + end));
    table.Add("pem-headers", role, R, bytes(begin + "Comment: x\n\n" + text.substr(begin.size())));
    table.Add("trailing-data", role, R, bytes(text + "garbage\n"));
    table.Add("wrong-kind", role, R, role == kKey ? Vector("leaf.pem") : Vector("leaf.key"));
  }
  table.Add("encrypted-key", kKey, R, Vector("encrypted.key"));
  table.Add("encrypted-key", kKey, R, Vector("encrypted-traditional.key"));
  table.Add("wrong-kind", kServerLeaf, R, Vector("crl-5.pem"));
  table.Add("wrong-kind", kRevocationList, R, Vector("leaf.pem"));
  for (const Role role : {kServerLeaf, kLeaf, kAnchor}) {
    table.Add("too-many-certificates", role, R, Joined(std::vector<std::string>(33, "root.pem")));
  }

  table.Certificates("signature-algorithms-differ", R, R, "algorithms-differ");
  table.Certificates("duplicate-extension", R, R, "duplicate-extension");
  table.Certificates("malformed-extension", R, R, "malformed-extension");
  table.Certificates("extensions-without-v3", R, R, "not-version-3-extensions");
  const Bytes list = Vector("crl-5.der");
  const Bytes twice = Patched(list, "\x06\x03\x55\x1d\x23"sv, "\x06\x03\x55\x1d\x14"sv);
  const Bytes differing =
      Patched(list, "\x2a\x86\x48\xce\x3d\x04\x03\x02"sv, "\x2a\x86\x48\xce\x3d\x04\x03\x03"sv);
  for (const Role role : {kRevocationList, kLooseList}) {
    table.Add("signature-algorithms-differ", role, R, differing);
    table.Add("duplicate-extension", role, R, twice);
    table.Add("malformed-extension", role, R, twice);
  }
}

void AddKindAndMatch(Table& table) {
  table.Add("anchor-not-alone", kAnchor, R, Vector("chain.pem"));
  table.Add("not-a-ca", kIntermediate, R, Under("not-a-ca-ca.pem"));
  table.Add("not-a-ca", kIntermediate, R, Vector("under-a-leaf.pem"));
  table.Add("not-a-ca", kAnchor, R, Vector("leaf.pem"));
  for (const Role role : {kServerLeaf, kLeaf}) {
    table.Add("key-mismatch", role, R, Vector("chain.pem")).partner = "other.key";
  }
  table.Add("key-mismatch", kKey, R, Vector("other.key")).partner = "chain.pem";
  table.Add("key-inconsistent", kKey, R, Vector("inconsistent.key.der"));
}

void AddChain(Table& table) {
  Bytes forged = Patched(Vector("leaf.der"), "www.example.com", "www.example.con");
  const std::string leaf(AsText(WritePem("CERTIFICATE", forged).Reveal()));
  const std::string issuing = Text("issuing.pem");
  const std::string broken = leaf + issuing;
  table.Leaves("bad-signature", R, R, Bytes(broken.begin(), broken.end()));
  const Bytes damaged = Damaged("issuing.pem");
  const std::string above = Text("leaf.pem") + std::string(AsText(WritePem("CERTIFICATE", damaged).Reveal()));
  table.Add("bad-signature", kIntermediate, R, Bytes(above.begin(), above.end()));
  table.Add("bad-signature", kAnchor, W, Damaged("root.pem"));

  table.Leaves("issuer-key-mismatch", R, R, Joined({"leaf.pem", "rekeyed-ca.pem"}));
  table.Leaves("issuer-key-mismatch", R, R, Under("rsa1024-ca.pem"));
  // The trust set knows another root, of the name of this chain's root and with another key.
  table.Add("issuer-key-mismatch", kIntermediate, R, Joined({"chain.pem", "ca-same-name.pem"})).trusted = {
      "other-root.pem"};
  table.Leaves("chain-too-long", R, R, Vector("chain-of-nine.pem"));
  table.Add("chain-broken", kIntermediate, R, Vector("under-a-leaf.pem"));
  table.Leaves("name-constraints", R, R, Vector("name-constraints.pem"));
  table.Add("name-constraints", kIntermediate, R, Vector("excluded-ca.pem"));
  table.Add("path-length", kIntermediate, R, Vector("path-length.pem"));
  table.Leaves("untrusted-issuer", R, W, Vector("untrusted.pem"));
  table.Leaves("self-signed", W, W, Vector("self-signed.pem"));
  table.Leaves("chain-rearranged", F, F, Vector("chain-wrong-order.pem"));
  table.Add("unrelated-certificate", kIntermediate, W, Vector("chain-with-stranger.pem"));
  table.Add("unrelated-certificate", kIntermediate, W, Vector("chain-with-expired-stranger.pem"));
  table.Add("duplicate-certificate", kIntermediate, W, Joined({"leaf.pem", "leaf.pem", "issuing.pem"}));
  table.Add("duplicate-certificate", kIntermediate, W, Joined({"chain.pem", "issuing.pem"}));
  table.Add("root-in-chain", kIntermediate, W, Vector("chain-with-root.pem"));

  table.Lists("crl-untrusted-issuer", R, Vector("crl-other.pem"));
  Bytes flipped = Vector("crl-5.der");
  flipped.back() = static_cast<std::uint8_t>(flipped.back() ^ 1U);
  table.Lists("crl-bad-signature", R, flipped);
  for (const Role role : {kRevocationList, kLooseList}) {
    table.Add("crl-issuer-may-not-sign", role, role == kLooseList ? W : R, Vector("crl-may-not-sign.pem"))
        .trusted = {"ca-no-crl-sign.pem"};
  }
  table.Add("crl-other-authority", kRevocationList, R, Vector("crl-5.pem")).live = "crl-other.pem";
}

void AddRevocationAndDates(Table& table) {
  for (const Role role : {kServerLeaf, kLeaf}) {
    for (const char* list : {"crl-revokes-leaf.pem", "crl-revokes-leaf-stale.pem"}) {
      table.Add("revoked", role, R, Vector("chain.pem")).lists = {"crl-5.pem", list};
    }
    table.Add("anchor-expired", role, role == kLeaf ? W : R, Vector("under-old-root.pem")).trusted = {
        "old-root.pem"};
  }
  table.Add("revoked", kIntermediate, R, Vector("chain.pem")).lists = {"crl-revokes-issuing.pem"};
  table.Certificates("expired", R, W, "expired");
  table.Leaves("expired", R, R, Leaf("expired.pem"));
  table.Add("expired", kIntermediate, R, Vector("chain-with-expired-issuer.pem"));
  table.Add("expired", kAnchor, W, Vector("ca-expired.pem"));
  table.Certificates("not-yet-valid", R, W, "future");
  table.Leaves("not-yet-valid", R, R, Leaf("future.pem"));
  table.Add("not-yet-valid", kAnchor, W, Vector("ca-future.pem"));
  table.Certificates("valid-tomorrow", W, W, "tomorrow");
  table.Leaves("valid-tomorrow", W, W, Leaf("tomorrow.pem"));
  table.Lists("crl-from-the-future", R, Vector("crl-future.pem"));
  table.Lists("crl-stale", W, Vector("crl-stale.pem"));
}

void AddKeys(Table& table) {
  table.Certificates("key-algorithm", R, R, "dsa", "under-dsa.pem");
  table.Certificates("weak-key", R, R, "rsa1024", "under-rsa.pem");
  table.Certificates("oversized-key", R, R, "rsa-huge", "under-rsa.pem");
  table.Certificates("rsa-exponent", R, R, "rsa-even-exponent", "under-rsa.pem");
  table.Certificates("explicit-curve", R, R, "explicit-curve");
  table.Leaves("weak-key", R, R, Leaf("rsa1024.pem"));
  table.Leaves("weak-key", R, R, Leaf("ec224.pem"));
  table.Leaves("explicit-curve", R, R, Leaf("explicit-curve.pem"));
  const struct {
    std::string_view rule;
    const char* name;
  } keys[] = {{"key-algorithm", "dsa.key"},
              {"key-algorithm", "dsa-traditional.key.der"},
              {"key-algorithm", "x25519.key"},
              {"weak-key", "rsa1024.key"},
              {"weak-key", "rsa2052.key"},
              {"weak-key", "ec224.key"},
              {"oversized-key", "rsa-huge.key.der"},
              {"rsa-exponent", "rsa-even-exponent.key.der"},
              {"explicit-curve", "explicit-curve.key"}};
  for (const auto& key : keys) table.Add(key.rule, kKey, R, Vector(key.name));
}

void AddCertificates(Table& table) {
  table.Certificates("unknown-critical-extension", R, R, "unknown-critical");
  table.Leaves("unknown-critical-extension", R, R, Leaf("unknown-critical.pem"));
  table.Leaves("weak-digest", R, R, Vector("md5.pem"));
  table.Add("weak-digest", kIntermediate, R, Vector("under-md5-ca.pem"));
  table.Add("weak-digest", kAnchor, R, Vector("md5-root.pem"));
  table.Leaves("sha1-signature", R, R, Leaf("sha1.pem"));
  table.Add("sha1-signature", kIntermediate, R, Under("sha1-ca.pem"));
  table.Add("anchor-sha1-self-signature", kAnchor, W, Vector("ca-sha1.pem"));
  table.Certificates("not-version-3", R, W, "version-1");
  table.Leaves("not-version-3", R, R, Leaf("version-1.pem"));
  table.Add("not-version-3", kAnchor, W, Vector("ca-version-1.pem"));
  table.Add("ca-may-not-sign", kIntermediate, R, Under("may-not-sign-ca.pem"));
  table.Add("ca-may-not-sign", kIntermediate, R, Vector("under-a-mute-ca.pem"));
  table.Add("ca-may-not-sign", kAnchor, R, Vector("ca-may-not-sign.pem"));
  table.Leaves("ca-as-server", R, W, Leaf("ca-as-server.pem"));
  table.Leaves("leaf-signs-certificates", R, W, Leaf("leaf-signs.pem"));
  table.Add("wrong-key-usage", kServerLeaf, R, Vector("usage-without-tls.pem")).trusted = {"twin.pem"};
  table.Leaves("leaf-constrains-names", R, R, Leaf("constrains-names.pem"));
  table.Add("name-constraints-malformed", kIntermediate, R, Under("empty-constraints-ca.pem"));
  table.Add("name-constraints-malformed", kAnchor, W, Vector("empty-constraints-root.pem"));
  table.Add("name-constraints-malformed", kAnchor, W, Vector("minimum-constraints-root.pem"));
  table.Leaves("leaf-without-san", R, W, Leaf("no-san.pem"));
  table.Add("wrong-extended-key-usage", kServerLeaf, R, Leaf("client-only.pem"));
  table.Add("wrong-extended-key-usage", kLeaf, R, Leaf("client-only.pem")).purpose = Purpose::kServer;
  table.Add("wrong-extended-key-usage", kLeaf, R, Vector("chain.pem")).purpose = Purpose::kClient;
  table.Add("no-extended-key-usage", kServerLeaf, W, Leaf("no-eku.pem"));
  table.Certificates("empty-issuer", R, R, "nameless-issuer");
  table.Add("empty-issuer", kAnchor, R, Vector("ca-nameless.pem"));
  table.Leaves("empty-subject", W, W, Leaf("empty-subject.pem"));
  table.Leaves("empty-subject", W, W, Leaf("nameless-leaf.pem"));
  table.Add("empty-subject", kIntermediate, R, Joined({"under-a-nameless-ca.pem", "nameless-ca.pem"}));
  table.Add("empty-subject", kAnchor, R, Vector("nameless-root.pem"));
  table.Certificates("serial-not-positive", W, W, "serial-negative");
  table.Leaves("serial-not-positive", W, W, Leaf("zero-serial.pem"));
  table.Certificates("serial-too-long", W, W, "serial-21-octets");
  table.Leaves("serial-too-long", W, W, Leaf("long-serial.pem"));
  const struct {
    std::string_view rule;
    const char* intermediate;
    const char* anchor;
  } authorities[] = {{"basic-constraints-not-critical", "not-critical-ca.pem", "ca-not-critical.pem"},
                     {"no-key-usage", "no-key-usage-ca.pem", "ca-no-key-usage.pem"},
                     {"no-key-identifier", "no-ski-ca.pem", "ca-no-ski.pem"}};
  for (const auto& row : authorities) {
    table.Add(row.rule, kIntermediate, W, Under(row.intermediate));
    table.Add(row.rule, kAnchor, W, Vector(row.anchor));
  }
  table.Add("no-authority-key-identifier", kIntermediate, W, Under("no-aki-ca.pem"));
  table.Add("same-subject-other-key", kAnchor, W, Vector("ca-same-name.pem"));
  table.Leaves("outlives-its-issuer", W, W, Leaf("long-lived.pem"));
  table.Leaves("outlives-its-issuer", W, W, Under("short-lived-ca.pem"));
  table.Add("outlives-its-issuer", kIntermediate, W, Under("long-lived-ca.pem"));
  table.Add("common-name-not-in-san", kServerLeaf, W, Leaf("other-common-name.pem"));
  for (const Role role : {kServerLeaf, kLeaf}) {
    table.Add("host-not-covered", role, W, Vector("chain.pem")).host = "mail.example.com";
    table.Add("host-not-covered", role, W, Vector("chain.pem")).host = "192.0.2.1";
  }
}

void AddLists(Table& table) {
  for (const Role role : {kRevocationList, kLooseList}) {
    const Severity severity = role == kLooseList ? W : R;
    table.Add("crl-older", role, severity, Vector("crl-5.pem")).live = "crl-6.pem";
    table.Add("crl-same-number", role, severity, Vector("crl-5-other-bytes.pem")).live = "crl-5.pem";
    table.Add("weak-digest", role, severity, Vector("crl-md5.pem")).trusted = {"rsa-ca.pem"};
  }
  table.Lists("crl-number-critical", R, Vector("crl-number-critical.pem"));
  table.Lists("crl-unknown-critical-extension", R, Vector("crl-unknown-critical.pem"));
  for (const char* name : {"crl-partial.pem", "crl-delta.pem", "crl-indirect.pem"}) {
    table.Lists("crl-partial", R, Vector(name));
  }
  table.Lists("crl-without-number", W, Vector("crl-without-number.pem"));
  table.Lists("crl-odd-entry", W, Vector("crl-odd-entry.pem"));
  table.Lists("crl-empty-entries", W, Vector("crl-empty-entries.der"));
  table.Lists("crl-without-next-update", W, Vector("crl-without-next-update.der"));
}

// Returns the findings that a failure to read makes.
Verdict Unread(const Error& error) {
  Verdict verdict;
  verdict.AddReadFailure(error, "the file");
  return verdict;
}

}  // namespace

const std::vector<RuleCase>& RuleCases() {
  static const std::vector<RuleCase> cases = [] {
    Table table;
    AddReading(table);
    AddKindAndMatch(table);
    AddChain(table);
    AddRevocationAndDates(table);
    AddKeys(table);
    AddCertificates(table);
    AddLists(table);
    std::vector<RuleCase> all = table.Take();
    for (RuleCase& row : RequestCases()) all.push_back(std::move(row));
    return all;
  }();
  return cases;
}

Verdict JudgeCase(const RuleCase& row) {
  std::vector<Certificate> authorities;
  for (const std::string& name : row.trusted) authorities.push_back(Certificates(name).front());
  std::vector<RevocationList> lists;
  for (const std::string& name : row.lists) lists.push_back(List(name));
  const TrustSet trust(std::move(authorities), std::move(lists));
  Question question{RuleSet::kServer, kVectorTime, &trust, row.purpose, row.host};
  switch (row.role) {
    case kServerLeaf:
    case kLeaf:
    case kIntermediate:
    case kAnchor: {
      if (row.role == kLeaf) question.rules = RuleSet::kGeneral;
      if (row.role == kAnchor) question.rules = RuleSet::kTrust;
      auto file = ReadCertificateFile(row.content);
      if (!file.has_value()) return Unread(file.error());
      std::optional<KeyFile> key;
      if (!row.partner.empty()) key = ReadKeyFile(Vector(row.partner)).value();
      // The key of a partner is not that of the leaf, so that it must not choose the leaf.
      Arrange(file.value(), nullptr);
      return JudgeCertificates(file.value(), key ? &key->key : nullptr, question);
    }
    case kKey: {
      const auto file = ReadKeyFile(row.content);
      if (!file.has_value()) return Unread(file.error());
      std::optional<CertificateFile> partner;
      if (!row.partner.empty()) partner = File(row.partner);
      return JudgeKey(file.value(), partner ? &*partner : nullptr, question);
    }
    case kRevocationList:
    case kLooseList: {
      question.rules = row.role == kLooseList ? RuleSet::kGeneral : RuleSet::kTrust;
      const auto file = ReadRevocationListFile(row.content);
      if (!file.has_value()) return Unread(file.error());
      std::optional<RevocationList> live;
      if (!row.live.empty()) live = List(row.live);
      return JudgeRevocationList(file.value(), live ? &*live : nullptr, question);
    }
    case kRequest: {
      if (row.asked) {
        const auto refusal = row.asked();
        return refusal ? Unread(*refusal) : Verdict();
      }
      const auto request = CertificationRequest::Parse(row.content);
      return request.has_value() ? JudgeRequest(request.value(), false) : Unread(request.error());
    }
  }
  return {};
}

const Finding* FindingOf(const RuleCase& row, const Verdict& verdict) {
  for (const Finding& finding : verdict.findings()) {
    const bool behind = !finding.subject.starts_with("certificate 1 (");
    if (finding.rule->id == row.rule && (row.role != kIntermediate || behind)) return &finding;
  }
  return nullptr;
}

}  // namespace certfs::test
