#include "tools/import_plan.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "store/policy.h"
#include "tools/entry_name.h"

namespace certfs {

namespace {

std::string Quoted(const std::string& name) { return name.empty() ? "without a name" : "\"" + name + "\""; }

std::string Count(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// One thing that may become an entry.
struct Candidate {
  std::string name;  // In the file, or after its subject; may be empty.
  ImportStep step;
};

void AppendPem(std::string_view label, BytesView der, Bytes& out) {
  const SecretBytes pem = WritePem(label, der);
  out.insert(out.end(), pem.Reveal().begin(), pem.Reveal().end());
}

Candidate KeyCandidate(Pkcs12Item item) {
  Candidate candidate{NameOf(item), {}};
  const auto key = PrivateKey::FromDer(item.pkcs8.Reveal());
  candidate.step.words = key.has_value() ? key.value().Describe() + " key" : "key";
  if (item.certificates.empty()) {
    candidate.step.words += " without a certificate";
  } else {
    candidate.step.words +=
        ", " + Count(item.certificates.size(), "certificate") + ", " + item.certificates.front().subject();
  }
  candidate.step.pkcs8 = std::move(item.pkcs8);
  for (const Certificate& each : item.certificates) {
    AppendPem("CERTIFICATE", each.der(), candidate.step.certificates);
  }
  return candidate;
}

Candidate CertificateCandidate(const Pkcs12Item& item) {
  Candidate candidate{NameOf(item), {}};
  candidate.step.words = "certificate, " + item.certificates.front().subject();
  AppendPem("CERTIFICATE", item.certificates.front().der(), candidate.step.certificates);
  return candidate;
}

Candidate ListCandidate(const RevocationList& list) {
  Candidate candidate{CommonNameOf(list), {}};
  candidate.step.words = "CRL of " + list.issuer();
  AppendPem("X509 CRL", list.der(), candidate.step.list);
  return candidate;
}

// What an item is called where it is told that it stays out.
std::string Described(const Pkcs12Item& item) {
  return (item.pkcs8.empty() ? "certificate " : "key ") + Quoted(NameOf(item));
}

struct Sorted {
  std::vector<Candidate> candidates;
  std::vector<std::string> left;
};

Sorted Sort(Bundle bundle, Holds holds, const ImportTarget& target) {
  const bool lists = holds == Holds::kRevocationLists;
  const bool roots = holds == Holds::kCertificates;
  Sorted sorted;
  for (Pkcs12Item& item : bundle.items) {
    const bool is_key = !item.pkcs8.empty();
    if (!lists && is_key && !roots) {
      sorted.candidates.push_back(KeyCandidate(std::move(item)));
    } else if (!lists && !is_key && roots) {
      sorted.candidates.push_back(CertificateCandidate(item));
    } else if (is_key) {
      sorted.left.push_back(Described(item) + ": " + target.store.text() + " holds no keys");
    } else if (lists) {
      sorted.left.push_back(Described(item) + ": " + target.store.text() + " holds CRLs only");
    } else {
      sorted.left.push_back(Described(item) + ": goes with no key of the file; to trust it: certfs import '" +
                            target.file + "' " + std::string(kTrustedRoots));
    }
  }
  for (const RevocationList& list : bundle.lists) {
    if (lists) {
      sorted.candidates.push_back(ListCandidate(list));
    } else {
      sorted.left.push_back("CRL of " + list.issuer() + ": certfs import '" + target.file + "' " +
                            std::string(kTrustedLists) + " takes it");
    }
  }
  sorted.left.insert(sorted.left.end(), bundle.skipped.begin(), bundle.skipped.end());
  return sorted;
}

std::string Names(const std::vector<Candidate>& candidates) {
  std::string names;
  for (const Candidate& each : candidates) {
    names += "\n  " + Quoted(each.name) + " (" + each.step.words + ")";
  }
  return names;
}

// Leaves those that are called `name`.
Result<void> Choose(std::vector<Candidate>& candidates, const ImportTarget& target) {
  std::vector<Candidate> chosen;
  std::vector<Candidate> others;
  for (Candidate& each : candidates) (each.name == target.name ? chosen : others).push_back(std::move(each));
  if (chosen.empty()) {
    return Error(ErrorCode::kNotFound, target.file + ": nothing in it is called " + Quoted(target.name) +
                                           "; there is:" + Names(others));
  }
  candidates = std::move(chosen);
  return {};
}

}  // namespace

Result<ImportTarget> ParseImportTarget(const std::string& text) {
  ImportTarget target;
  if (text.find('/') != std::string::npos) {
    EntryName entry = TRY(ParseEntryName(text));
    target.store = std::move(entry.store);
    target.alias = std::move(entry.alias);
  } else {
    auto store = StoreName::Parse(text);
    if (!store.has_value()) {
      return Error(ErrorCode::kInvalidArgument, text + ": " + store.error().message());
    }
    target.store = std::move(store).value();
  }
  // The second spelling is a link of the mount; what the store holds goes by its name.
  if (target.store.text() == kLinkName) target.store = TRY(StoreName::Parse(kLinkTarget));
  return target;
}

Result<ImportPlan> PlanImport(Bundle bundle, const ImportTarget& target) {
  const Holds holds = PolicyOf(target.store).holds;
  if (holds == Holds::kSecrets || holds == Holds::kNothing) {
    return Error(ErrorCode::kInvalidArgument, target.store.text() + ": takes neither keys nor certificates");
  }
  auto [candidates, left] = Sort(std::move(bundle), holds, target);
  if (candidates.empty()) {
    std::string words = target.file + ": holds nothing for " + target.store.text();
    for (const std::string& each : left) words += "\n  " + each;
    return Error(ErrorCode::kNotFound, words);
  }
  if (!target.name.empty()) TRY(Choose(candidates, target));
  if (target.alias && candidates.size() > 1) {
    return Error(
        ErrorCode::kInvalidArgument,
        target.file + ": " + target.store.text() + "/" + target.alias->text() +
            " is one entry, and there are several to choose from; name one with --name, or leave the "
            "alias out to import all:" +
            Names(candidates));
  }
  ImportPlan plan;
  plan.left = std::move(left);
  std::vector<std::string> taken;
  const std::string stem = std::filesystem::path(target.file).stem().string();
  for (Candidate& each : candidates) {
    each.step.alias =
        target.alias ? *target.alias : TakeAlias(MakeAlias(each.name.empty() ? stem : each.name), taken);
    plan.steps.push_back(std::move(each.step));
  }
  return plan;
}

Alias MakeAlias(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const std::size_t length = Utf8Length(name);
    const std::string_view one = name.substr(0, length == 0 ? 1 : length);
    const bool allowed = length > 0 && one != "/" && one != "@" && !HasControl(one);
    if (text.size() + one.size() > kAliasBytesMax) break;
    text += allowed ? one : "-";
    name.remove_prefix(one.size());
  }
  const std::size_t begin = text.find_first_not_of(" .");
  text.erase(0, begin);
  while (text.ends_with(' ')) text.pop_back();
  auto alias = Alias::Parse(text);
  return alias.has_value() ? std::move(alias).value() : Alias::Parse("imported").value();
}

Alias TakeAlias(const Alias& alias, std::vector<std::string>& taken) {
  Alias free = alias;
  for (int number = 2; std::find(taken.begin(), taken.end(), FoldName(free.text())) != taken.end();
       ++number) {
    const std::string tail = "-" + std::to_string(number);
    std::string text = alias.text();
    // Cut to make room, between two characters.
    while (text.size() + tail.size() > kAliasBytesMax || !IsUtf8(text)) text.pop_back();
    free = Alias::Parse(text + tail).value();
  }
  taken.push_back(FoldName(free.text()));
  return free;
}

}  // namespace certfs
