#include "store/view/material.h"

#include "crypto/pem.h"
#include "crypto/store_file.h"

namespace certfs::view {

namespace {

// The body of the only block of `text` with that label; nothing if there is none.
std::optional<SecretBytes> BodyOf(BytesView text, std::string_view label) {
  auto blocks = ReadPem(text);
  if (!blocks.has_value()) return std::nullopt;
  for (PemBlock& block : blocks.value()) {
    if (block.label == label && !block.encrypted) return std::move(block.body);
  }
  return std::nullopt;
}

Result<std::optional<CertificateFile>> ReadCertificates(TableSnapshot& snapshot, const Entry& entry) {
  if (!entry.file(Member::kCertificate)) return std::optional<CertificateFile>();
  const SecretBytes text = TRY(snapshot.ReadFile(entry, Member::kCertificate));
  auto file = ReadCertificateFile(text.Reveal());
  if (!file.has_value()) return std::optional<CertificateFile>();
  return std::optional(std::move(file).value());
}

Result<std::optional<RevocationListFile>> ReadList(TableSnapshot& snapshot, const Entry& entry) {
  if (!entry.file(Member::kRevocationList)) return std::optional<RevocationListFile>();
  const SecretBytes text = TRY(snapshot.ReadFile(entry, Member::kRevocationList));
  auto file = ReadRevocationListFile(text.Reveal());
  if (!file.has_value()) return std::optional<RevocationListFile>();
  return std::optional(std::move(file).value());
}

// The file was put in order when it was written; what does not belong to the chain stands behind it.
std::vector<Certificate> ChainOf(const CertificateFile& file) {
  std::vector<Certificate> chain;
  for (const Certificate& each : file.certificates) {
    if (!chain.empty() && (each.subject() != chain.back().issuer() || each.subject() == each.issuer())) break;
    chain.push_back(each);
  }
  return chain;
}

}  // namespace

Result<SecretBytes> ReadPkcs8(TableSnapshot& snapshot, const Entry& entry) {
  if (!entry.file(Member::kKey)) return SecretBytes();
  const SecretBytes text = TRY(snapshot.ReadFile(entry, Member::kKey));
  if (auto body = BodyOf(text.Reveal(), "PRIVATE KEY")) return *std::move(body);
  // PKCS#1 or SEC 1.
  const auto file = ReadKeyFile(text.Reveal());
  if (!file.has_value()) return SecretBytes();
  return file.value().key.ToPkcs8();
}

Result<std::vector<Certificate>> ReadChain(TableSnapshot& snapshot, const Entry& entry) {
  const auto file = TRY(ReadCertificates(snapshot, entry));
  return file ? ChainOf(*file) : std::vector<Certificate>();
}

Result<EntryMaterial> ReadMaterial(TableSnapshot& snapshot, const Store& store, const Entry& entry,
                                   const Parts& parts) {
  EntryMaterial material;
  material.store = store;
  material.entry = entry;
  material.staged = TRY(snapshot.FindEntry(store.number, entry.alias.Next()));
  if (parts.certificates) {
    material.certificates = TRY(ReadCertificates(snapshot, entry));
    material.list = TRY(ReadList(snapshot, entry));
    if (material.certificates) material.chain = ChainOf(*material.certificates);
  }
  if (parts.key) material.key = TRY(ReadPkcs8(snapshot, entry));
  const bool pending = material.staged && material.staged->file(Member::kSigningRequest);
  if (parts.request && pending) {
    const SecretBytes text = TRY(snapshot.ReadFile(*material.staged, Member::kSigningRequest));
    if (const auto body = BodyOf(text.Reveal(), "CERTIFICATE REQUEST"))
      material.request.assign(body->Reveal().begin(), body->Reveal().end());
  }
  return material;
}

}  // namespace certfs::view
