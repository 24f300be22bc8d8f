#include <nlohmann/json.hpp>

#include "crypto/pem.h"
#include "crypto/profile.h"
#include "tests/fs/faulted_operations.h"

namespace certfs::test {

namespace {

using Effect = FaultedOperation::Effect;
using At = FaultedVolume&;

constexpr std::string_view kConfig = "Country = DE\nName = web.example.com\nHostname = web.example.com\n";

std::string Orders(const std::string& name) {
  return "write-entries " + name + "\n[machine/one]\n" + std::string(kConfig) + "[machine/two]\n" +
         std::string(kConfig);
}

void Init(At at) {
  Furnish(at);
  static_cast<void>(Must(at.Command(kRoot, "init --key=ec-p256")));
}
void Issue(At at) {
  Init(at);
  Must(at.Put(kUser, "ca/requests/web.cfg", kConfig));
}
void Fill(At at) {
  Init(at);
  static_cast<void>(Must(at.Command(kRoot, Orders("test"))));
  at.tree.now += std::chrono::minutes(1);
  at.tree.volume.DropExpired();
}

// An authority of elsewhere, as it is brought along: key, root and CRL.
const std::string& Elsewhere() {
  static const std::string material = [] {
    FaultedVolume elsewhere;
    static_cast<void>(Must(elsewhere.Command(kRoot, "init --key=ec-p256\nName = Elsewhere\n")));
    const AuthorityRecord record = Must(Must(elsewhere.tree.keystore->Snapshot())->GetAuthority());
    const SecretBytes key = WritePem("PRIVATE KEY", record.certificates.front().key.Reveal());
    return std::string(AsText(key.Reveal())) + Must(elsewhere.tree.Get(kRoot, "ca/root.pem")) +
           Must(elsewhere.tree.Get(kRoot, "ca/crl.pem"));
  }();
  return material;
}

// One whose predecessor retires, and has issued nothing that is still good.
void Outlive(At at) {
  Furnish(at);
  for (const char* const text :
       {"init --key=ec-p256 --days=20", "replace-root --key=ec-p256", "replace-root-step"})
    static_cast<void>(Must(at.Command(kRoot, text)));
  at.tree.now += std::chrono::days(21);
  // What is due by now is no part of what follows.
  static_cast<void>(at.tree.volume.RefreshLists());
}

// What a command did is in its answer, also what nobody can ask for again.
Result<std::string> Answered(At at, std::string_view text, std::string_view word) {
  const std::string answer = TRY(at.Command(kRoot, text));
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << answer;
  EXPECT_TRUE(json.contains(word)) << "no " << word << " in " << answer;
  EXPECT_FALSE(json.contains("error")) << answer;
  return std::string();
}

std::string SerialOf(At at) {
  return at.Aside([&] {
    return nlohmann::json::parse(Must(at.Command(kRoot, "list")))["issued"][0]["serial"].get<std::string>();
  });
}

void AddCommands(std::vector<FaultedOperation>& operations) {
  const auto add = [&](const char* text, const char* word, std::function<void(At)> prepare,
                       Effect effect = Effect::kChanges) {
    operations.push_back({text, std::move(prepare), [=](At at) { return Answered(at, text, word); }, effect});
  };
  add("init --key=ec-p256", "authority", Furnish);
  add("show", "certificates", Init, Effect::kTells);
  add("issue --name=web\nName = web\nHostname = web.example.com\n", "key", Init);
  add("list", "issued", Issue, Effect::kTells);
  add("crl --force", "signed", Init);
  add("plan-renewal --within=3000d", "entries", Fill, Effect::kTells);
  add("renew machine/one", "issued", Fill);
  add("renew machine/one --rekey", "issued", Fill);
  add("revoke machine/one", "issued", Fill);
  add("revert", "entries", Fill);
  add("replace-root --key=ec-p256", "replacement", Fill);
  const auto replacing = [](At at) {
    Fill(at);
    static_cast<void>(Must(at.Command(kRoot, "replace-root --key=ec-p256")));
  };
  const std::vector<std::string> placed = {"stores/machine/one", "stores/machine/two"};
  add("replace-root-step", "replacement", replacing);
  operations.back().entries = placed;
  add("replace-root-back", "replacement", replacing);
  const auto replaced = [=](At at) {
    replacing(at);
    static_cast<void>(Must(at.Command(kRoot, "replace-root-step")));
  };
  add("retire --now", "retired", replaced);
  add("retire", "retired", Outlive);
  add("retire", "retired", Init, Effect::kTells);
  add("replace-root --key=ec-p256 --compromised", "replacement", Fill);
  operations.push_back({"replace-root-step of a compromised one",
                        [](At at) {
                          Fill(at);
                          static_cast<void>(
                              Must(at.Command(kRoot, "replace-root --key=ec-p256 --compromised")));
                        },
                        [](At at) { return Answered(at, "replace-root-step", "replacement"); }});
  operations.back().entries = placed;
  const auto bring = [&](const std::string& line, std::function<void(At)> prepare) {
    operations.push_back({line, std::move(prepare),
                          [=](At at) { return Answered(at, line + "\n" + Elsewhere(), "authority"); }});
  };
  bring("import", Furnish);
  bring("import --replace", Init);
  bring("restore", Furnish);
  bring("restore --crl", Furnish);
  operations.push_back(
      {"write-entries", Init, [](At at) { return Answered(at, Orders("again"), "entries"); }});
  operations.push_back({"status", Issue,
                        [](At at) { return Answered(at, "status " + SerialOf(at), "state"); },
                        Effect::kTells});
  operations.push_back({"show-certificate", Issue,
                        [](At at) { return Answered(at, "show-certificate " + SerialOf(at), "certificate"); },
                        Effect::kTells});
}

}  // namespace

void AddAuthority(std::vector<FaultedOperation>& operations) {
  AddCommands(operations);
  const auto add = [&](const char* name, std::function<void(At)> prepare, std::function<Result<void>(At)> act,
                       Effect effect = Effect::kChanges) {
    operations.push_back({name, std::move(prepare), [act](At at) { return Done(act(at)); }, effect});
  };
  for (const char* const path : {"ca/root.pem", "ca/chain.pem", "ca/crl.pem", "ca/crl.der",
                                 "ca/issued/web.pem", "ca/issued/web.key"}) {
    operations.push_back({path, Issue, [=](At at) { return at.tree.Get(kRoot, path); }, Effect::kReads});
  }
  operations.push_back(
      {"ca/issued", Issue, [](At at) { return at.Names(kRoot, "ca/issued"); }, Effect::kReads});
  add("lists that are due", Init, [](At at) {
    // Whoever looks at ca/ has them signed as well: it is time for the operation alone.
    constexpr auto kPastHalf = std::chrono::hours(24 * 4);
    at.tree.SetWallClock(kPastHalf);
    auto refreshed = at.tree.volume.RefreshLists();
    if (!refreshed.has_value()) at.tree.SetWallClock(-kPastHalf);
    return refreshed;
  });
  add("a request", Init, [](At at) { return at.Put(kUser, "ca/requests/web.cfg", kConfig); });
  add(
      "a request that gets its name",
      [](At at) {
        Init(at);
        Must(at.PutScratch(kUser, "ca/requests/.web.cfg.Ab12", kConfig));
      },
      [](At at) { return at.Rename(kUser, "ca/requests/.web.cfg.Ab12", "ca/requests/web.cfg"); });
  add(
      "a request that is linked",
      [](At at) {
        Init(at);
        Must(at.PutScratch(kUser, "ca/requests/.web.cfg.Ab12", kConfig));
      },
      [](At at) { return at.Link(kUser, "ca/requests/.web.cfg.Ab12", "ca/requests/web.cfg"); });
  add("a key is picked up", Issue, [](At at) { return at.Unlink(kUser, "ca/issued/web.key"); });
  add("a certificate is picked up", Issue, [](At at) { return at.Unlink(kUser, "ca/issued/web.pem"); });
  AttributeChange change;
  change.mode = 0770;
  change.gid = 50;
  add("who may ask", Init, [=](At at) { return at.SetAttributes(kRoot, "ca/requests", change); });

  const std::string profile = "# ours\n" + std::string(BuiltInProfiles().front().toml);
  const auto ours = [=](At at) {
    Furnish(at);
    Must(at.Put(kRoot, "ca/profiles/ours.toml", profile));
  };
  add("a profile", Furnish, [=](At at) { return at.Put(kRoot, "ca/profiles/ours.toml", profile); });
  add("a profile goes", ours, [](At at) { return at.Unlink(kRoot, "ca/profiles/ours.toml"); });
  const auto drafted = [=](At at) {
    Furnish(at);
    Must(at.PutScratch(kRoot, "ca/profiles/.ours", profile));
  };
  add("a profile that gets its name", drafted,
      [](At at) { return at.Rename(kRoot, "ca/profiles/.ours", "ca/profiles/ours.toml"); });
  add("a profile that is linked", drafted,
      [](At at) { return at.Link(kRoot, "ca/profiles/.ours", "ca/profiles/ours.toml"); });
  add("a profile is copied", ours,
      [](At at) { return at.Rename(kRoot, "ca/profiles/ours.toml", "ca/profiles/.ours"); });

  const auto with_password = [](At at) {
    Init(at);
    SetPassword(at);
  };
  operations.push_back({"backup/ca.p12", with_password,
                        [](At at) -> Result<std::string> {
                          return std::to_string(TRY(at.tree.Get(kRoot, "backup/ca.p12")).size());
                        },
                        Effect::kTells});
}

}  // namespace certfs::test
