#include "store/authority_reader.h"

#include <utility>

#include "crypto/certificate.h"
#include "crypto/file_outline.h"
#include "crypto/pem.h"

namespace certfs {

namespace {

constexpr std::uint64_t kFileMax = std::uint64_t{16} << 20;  // No file of ca/ is longer.

Error Odd(std::string what) { return {ErrorCode::kMalformed, std::move(what)}; }

Result<void> ReadCertificates(BytesView text, AuthorityCertificate& into) {
  std::vector<Bytes> certificates;
  SecretBytes again;
  for (const PemBlock& block : TRY(ReadPem(text))) {
    const BytesView der = block.body.Reveal();
    TRY(Certificate::FromDer(der));
    certificates.emplace_back(der.begin(), der.end());
    const SecretBytes pem = WritePem("CERTIFICATE", der);
    again.insert(again.end(), pem.Reveal().begin(), pem.Reveal().end());
  }
  if (!EqualSecrets(again.Reveal(), text)) return Odd("no certificates as certfs writes them");
  into.certificate = std::move(certificates.front());
  into.chain.assign(certificates.begin() + 1, certificates.end());
  return {};
}

Result<void> ReadKey(BytesView text, AuthorityCertificate& into) {
  auto blocks = TRY(ReadPem(text));
  SecretBytes& key = blocks.front().body;
  if (!EqualSecrets(WritePem("PRIVATE KEY", key.Reveal()).Reveal(), text))
    return Odd("no key as certfs writes it");
  const SecretBytes certificate = WritePem("CERTIFICATE", into.certificate);
  if (!TRY(OutlineMatches(text, TRY(OutlineCertificates(certificate.Reveal())).front())))
    return Odd("the key does not match its certificate");
  into.key = std::move(key);
  return {};
}

}  // namespace

Result<void> AuthorityReader::Read(const ArchivedItem& item) {
  if (item.directory || !item.extras.empty() || item.size > kFileMax)
    return Odd("is nothing of an authority");
  if (!authority_) return ReadRecord(item);
  if (announced_.empty()) return ReadLedger(item);
  if (item.path != announced_.front().path)
    return Odd("stands where a backup has " + announced_.front().path);
  if (item.path.ends_with("/key.pem") && (item.attributes.mode & kBitsForOthers) != 0)
    return Odd("key material with permissions for others");
  const Announced announced = std::move(announced_.front());
  announced_.pop_front();
  TRY(announced.take(TRY(archive_.Content()).Reveal()));
  return announced_.empty() ? Deliver() : Result<void>();
}

Result<void> AuthorityReader::ReadRecord(const ArchivedItem& item) {
  if (item.path != kAuthorityPath) return Odd("stands where a backup has its ca/authority.json");
  authority_ = TRY(ParseAuthorityJson(AsText(TRY(archive_.Content()).Reveal())));
  for (std::size_t i = 0; i < authority_->record.certificates.size(); ++i) Announce(i);
  for (auto& profile : authority_->record.profiles) {
    announced_.push_back({ProfilePath(profile.first), [&text = profile.second](BytesView bytes) {
                            text = AsText(bytes);
                            return Result<void>();
                          }});
  }
  return announced_.empty() ? Deliver() : Result<void>();
}

void AuthorityReader::Announce(std::size_t certificate) {
  AuthorityCertificate& each = authority_->record.certificates[certificate];
  announced_.push_back({AuthorityCertificatePath(each.id),
                        [&each](BytesView bytes) { return ReadCertificates(bytes, each); }});
  if (each.key.empty()) return;
  announced_.push_back(
      {AuthorityKeyPath(each.id), [&each](BytesView bytes) { return ReadKey(bytes, each); }});
}

Result<void> AuthorityReader::Deliver() {
  auto checked = CheckAuthority(authority_->record);
  if (!checked.has_value()) return Odd(checked.error().message());
  delivered_ = true;
  return consumer_.Take(std::move(*authority_));
}

Result<void> AuthorityReader::ReadLedger(const ArchivedItem& item) {
  if (item.path != LedgerPath(++files_)) return Odd("stands where a backup has " + LedgerPath(files_));
  if ((item.attributes.mode & kBitsForOthers) != 0) return Odd("key material with permissions for others");
  const SecretBytes text = TRY(archive_.Content());
  if (text.empty()) return Odd("a ledger without a line");
  return ParseLines(text.Reveal(), [&](ArchivedLine line) {
    ++lines_;
    return consumer_.Take(std::move(line));
  });
}

Result<void> AuthorityReader::End() {
  if (authority_ && !delivered_) return Odd("the archive ends before " + announced_.front().path);
  return {};
}

}  // namespace certfs
