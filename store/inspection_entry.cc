// One entry, described and judged.

#include <algorithm>

#include "crypto/description.h"
#include "crypto/issuer_link.h"
#include "crypto/judgement.h"
#include "store/inspection.h"
#include "store/policy.h"
#include "store/view/material.h"

namespace certfs {

namespace {

constexpr std::uint32_t kOthersRead = 0004;
constexpr std::uint32_t kOthersSearch = 0001;
constexpr std::size_t kAuthoritiesMax = 4096;

InspectedCertificatePointer Described(const Certificate& certificate) {
  auto found = std::make_shared<InspectedCertificate>();
  found->fingerprint = certificate.fingerprint();
  found->holder = HolderOf(certificate);
  found->subject = certificate.subject();
  found->common_name = certificate.common_name();
  found->names = SubjectAltNames(certificate);
  found->issuer = certificate.issuer();
  found->serial_number = SerialNumberOf(certificate);
  found->not_before = certificate.not_before();
  found->not_after = certificate.not_after();
  found->authority = certificate.IsAuthority();
  found->self_signed = certificate.IsSelfSigned();
  return found;
}

InspectedList Described(const RevocationList& list) {
  return {list.issuer(), list.next_update(), RevokedCount(list)};
}

// Whether everybody may read what is told of it, as far as the entry goes.
bool IsOpen(const Entry& entry) {
  if ((entry.attributes.mode & kOthersSearch) == 0) return false;
  for (const Member member : {Member::kCertificate, Member::kRevocationList}) {
    const auto& file = entry.file(member);
    if (file && (file->attributes.mode & kOthersRead) == 0) return false;
  }
  return true;
}

}  // namespace

std::optional<std::chrono::sys_seconds> InspectedEntry::end() const {
  if (!chain.empty()) return chain.front()->not_after;
  return list ? list->next_update : std::nullopt;
}

const InspectedCertificate& InspectedEntry::first_end() const {
  return **std::min_element(chain.begin(), chain.end(),
                            [](const auto& a, const auto& b) { return a->not_after < b->not_after; });
}

InspectedCertificatePointer Inspector::Interned(const Certificate& certificate) {
  const auto known = authorities_.find(certificate.fingerprint());
  if (known != authorities_.end()) return known->second;
  auto described = Described(certificate);
  if (!described->authority) return described;
  // CA certificates are few, and come with many entries; were they many, they would be described anew.
  if (authorities_.size() >= kAuthoritiesMax) authorities_.clear();
  authorities_.emplace(described->fingerprint, described);
  return described;
}

Digest Inspector::IssuerOf(const Certificate& certificate) const {
  const auto [first, last] = anchors_.by_subject.equal_range(IssuerNumber(certificate));
  const auto issuer =
      std::find_if(first, last, [&](const auto& each) { return NamesAsIssuer(certificate, each.second); });
  return issuer == last ? Digest{} : HolderOf(issuer->second);
}

void Inspector::Describe(InspectedEntry& found, const std::vector<Certificate>& chain) {
  for (const Certificate& each : chain) found.chain.push_back(Interned(each));
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (found.chain[i]->self_signed) {
      found.issuers.push_back(found.chain[i]->holder);
    } else if (i + 1 < chain.size() && NamesAsIssuer(chain[i], chain[i + 1])) {
      found.issuers.push_back(found.chain[i + 1]->holder);
    } else {
      found.issuers.push_back(IssuerOf(chain[i]));
    }
  }
}

Result<Inspector::KnownEntry> Inspector::InspectEntry(TableSnapshot& snapshot, const Store& store,
                                                      const std::string& alias, Number number,
                                                      std::chrono::sys_seconds now) {
  auto found = std::make_shared<InspectedEntry>();
  found->number = number;
  found->alias = alias;
  KnownEntry known;
  known.anchors = anchors_.identity;
  const auto read = [&]() -> Result<view::EntryMaterial> {
    const std::optional<Entry> entry = TRY(snapshot.FindEntryByNumber(number));
    if (!entry) return Error(ErrorCode::kCorrupt, "it is listed and not there");
    found->members = entry->members();
    found->open = IsOpen(*entry);
    return view::ReadMaterial(snapshot, store, *entry, {true, false, false});
  };
  auto material = read();
  if (!material.has_value()) {
    if (material.error().code() != ErrorCode::kCorrupt) return std::move(material).error();
    found->damage = material.error().message();
    known.entry = std::move(found);
    return known;
  }
  const auto& certificates = material.value().certificates;
  const auto& list = material.value().list;
  Question question;
  question.rules = PolicyOf(store.name).rules;
  question.now = now;
  question.trust = &anchors_.set;
  Boundaries boundaries;
  if (certificates) {
    found->findings = JudgeCertificates(*certificates, nullptr, question).findings();
    Describe(*found, material.value().chain);
    for (const Certificate& each : certificates->certificates)
      boundaries.Add(each.not_before(), each.not_after());
  } else if (list) {
    found->findings = JudgeRevocationList(*list, nullptr, question).findings();
    found->list = Described(list->list);
    boundaries.Add(list->list.this_update(), list->list.next_update());
  }
  if (certificates || list) {
    --left_;
    ++verdicts_;
    known.lasting = boundaries.Around(now);
    known.lasting.Narrow(anchors_.boundaries.Around(now));
  }
  known.entry = std::move(found);
  return known;
}

}  // namespace certfs
