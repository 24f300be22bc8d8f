#include "store/key_release.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "crypto/judgement.h"
#include "crypto/store_file.h"
#include "store/placement.h"
#include "store/policy.h"

namespace certfs {

namespace {

Error Revoked() { return {ErrorCode::kRevoked, "revoked", "the certificate of this key is revoked"}; }

Error Untold(std::string_view damaged) {
  return {
      ErrorCode::kCorrupt,
      std::string(damaged) + " is damaged: whether the certificate of this key is revoked cannot be told"};
}

// What the verdict depends on.
Result<Digest> IdentityOf(TableSnapshot& snapshot, Number entry, Revision revision) {
  Bytes bytes;
  Writer<Bytes> writer(bytes);
  writer.U64(entry);
  writer.U64(revision);
  for (const std::string_view name : {kTrustedRoots, kTrustedLists}) {
    const auto store = TRY(snapshot.FindStore(TRY(StoreName::Parse(name))));
    writer.Raw(store ? store->entries : Digest{});
  }
  return Sha256({bytes});
}

}  // namespace

Result<std::optional<Store>> KeyRelease::StoreFor(TableSnapshot& snapshot, const Entry& entry) {
  auto store = TRY(snapshot.FindStoreByNumber(entry.store));
  if (store && store->name.text() == kBackupStore) return snapshot.FindStoreByNumber(entry.origin);
  return store;
}

Result<void> KeyRelease::Check(TableSnapshot& snapshot, const Entry& entry) {
  const std::optional<Store> store = TRY(StoreFor(snapshot, entry));
  return store ? Check(snapshot, *store, entry) : Result<void>();
}

Result<void> KeyRelease::Check(TableSnapshot& snapshot, const Store& store, const Entry& entry) {
  if (!store.enforce_revocation || !entry.file(Member::kCertificate)) return {};
  return Judge(snapshot, entry.number, entry.revision, [&]() -> Result<Bytes> {
    const SecretBytes text = TRY(snapshot.ReadFile(entry, Member::kCertificate));
    const BytesView plain = text.Reveal();
    return Bytes(plain.begin(), plain.end());
  });
}

Result<void> KeyRelease::CheckEarlier(TableSnapshot& snapshot, const Store& store, Number entry,
                                      Revision revision, BytesView certificate) {
  if (!store.enforce_revocation) return {};
  return Judge(snapshot, entry, revision,
               [&]() -> Result<Bytes> { return Bytes(certificate.begin(), certificate.end()); });
}

Result<void> KeyRelease::Judge(TableSnapshot& snapshot, Number entry, Revision revision,
                               const std::function<Result<Bytes>()>& read) {
  const Digest identity = TRY(IdentityOf(snapshot, entry, revision));
  auto judged = judged_.Find(identity);
  if (!judged) {
    const auto trust = TRY(keystore_.GetTrust(snapshot));
    if (trust->lists_damaged) return Untold("a CRL in TRUSTED_ROOTS_CRLS");
    if (trust->roots_damaged) return Untold("a certificate in TRUSTED_ROOTS");
    const auto file = ReadCertificateFile(TRY(read()));
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
