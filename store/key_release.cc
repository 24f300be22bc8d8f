#include "store/key_release.h"

#include <algorithm>

#include "crypto/judgement.h"
#include "crypto/store_file.h"
#include "store/placement.h"
#include "store/policy.h"

namespace certfs {

namespace {

Error Revoked() { return {ErrorCode::kRevoked, "revoked", "the certificate of this key is revoked"}; }

Error DamagedList() {
  return {ErrorCode::kCorrupt,
          "a CRL in TRUSTED_ROOTS_CRLS is damaged: whether the certificate of this key is "
          "revoked cannot be told"};
}

// What the verdict depends on.
Result<Digest> IdentityOf(TableSnapshot& snapshot, const Entry& entry) {
  Bytes bytes;
  Writer<Bytes> writer(bytes);
  writer.U64(entry.number);
  writer.U64(entry.revision);
  for (const std::string_view name : {kTrustedRoots, kTrustedLists}) {
    const auto store = TRY(snapshot.FindStore(TRY(StoreName::Parse(name))));
    writer.Raw(store ? store->entries : Digest{});
  }
  return Sha256({bytes});
}

}  // namespace

Result<void> KeyRelease::Check(TableSnapshot& snapshot, const Entry& entry) {
  const std::optional<Store> store = TRY(snapshot.FindStoreByNumber(entry.store));
  return store ? Check(snapshot, *store, entry) : Result<void>();
}

Result<void> KeyRelease::Check(TableSnapshot& snapshot, const Store& store, const Entry& entry) {
  if (!store.enforce_revocation || !entry.file(Member::kCertificate)) return {};
  const Digest identity = TRY(IdentityOf(snapshot, entry));
  auto judged = judged_.Find(identity);
  if (!judged) {
    const auto trust = TRY(keystore_.GetTrust(snapshot));
    if (trust->lists_damaged) return DamagedList();
    const SecretBytes text = TRY(snapshot.ReadFile(entry, Member::kCertificate));
    const auto file = ReadCertificateFile(text.Reveal());
    auto found = std::make_shared<Judged>();
    // What an older certfs stored and nobody can read nobody has revoked either.
    if (file.has_value()) {
      found->leaf = Indexed({&file.value().certificates.front(), 1}).front();
      Question question;
      question.now = std::chrono::floor<std::chrono::seconds>(keystore_.Now());
      question.trust = &trust->set;
      const Verdict verdict = JudgeCertificates(file.value(), nullptr, question);
      found->revoked =
          std::any_of(verdict.findings().begin(), verdict.findings().end(),
                      [](const Finding& each) { return each.rule->code == ErrorCode::kRevoked; });
    }
    judged_.Add(identity, found);
    judged = std::move(found);
  }
  if (judged->revoked) return Revoked();
  // The ledger remembers also what an authority revoked that nobody trusts any more, and that has no list.
  if (!judged->leaf || !snapshot.has_authority()) return {};
  const auto line = TRY(FindLine(snapshot, *judged->leaf));
  return line && line->revocation ? Result<void>(Revoked()) : Result<void>();
}

}  // namespace certfs
