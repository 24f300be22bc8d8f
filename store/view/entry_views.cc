// The views of one entry.

#include <algorithm>

#include "crypto/description.h"
#include "crypto/judgement.h"
#include "crypto/pem.h"
#include "store/policy.h"
#include "store/view/attributes.h"
#include "store/view/info.h"
#include "store/view/rows.h"

namespace certfs::view {

namespace {

ViewBytes Plain(BytesView bytes) { return {Bytes(bytes.begin(), bytes.end()), {}}; }

void AppendPem(ViewBytes& out, std::string_view label, BytesView der) {
  const SecretBytes pem = WritePem(label, der);
  const BytesView text = pem.Reveal();
  out.plain.insert(out.plain.end(), text.begin(), text.end());
}

ViewBytes PemOf(std::span<const Certificate> chain) {
  ViewBytes out;
  for (const Certificate& each : chain) AppendPem(out, "CERTIFICATE", each.der());
  return out;
}

using WriteInfo = std::string (*)(const EntryMaterial&);

Result<ViewBytes> MakeInfo(const EntryArgument& of, WriteInfo write) {
  if (of.material.entry.empty()) return ViewBytes();
  return Plain(AsBytes(write(of.material)));
}

std::vector<BytesView> DersOf(const std::vector<Certificate>& chain) {
  std::vector<BytesView> ders;
  for (const Certificate& each : chain) ders.push_back(each.der());
  return ders;
}

}  // namespace

Result<void> JudgeMaterial(TableSnapshot& snapshot, Context& context, EntryMaterial& material) {
  if (!material.certificates && !material.list) return {};
  const auto trust = TRY(context.TrustOf(snapshot));
  Question question;
  question.rules = PolicyOf(material.store.name).rules;
  question.trust = &trust->set;
  const auto& changed = material.entry.changed;
  question.now =
      std::chrono::floor<std::chrono::seconds>(changed ? changed->at : LastModified(material.entry));
  material.findings = material.certificates
                          ? JudgeCertificates(*material.certificates, nullptr, question).findings()
                          : JudgeRevocationList(*material.list, nullptr, question).findings();
  return {};
}

Result<ViewBytes> MakeFullChain(const EntryArgument& of) { return PemOf(of.material.chain); }

Result<ViewBytes> MakeChain(const EntryArgument& of) {
  const std::span<const Certificate> chain(of.material.chain);
  return chain.empty() ? ViewBytes() : PemOf(chain.subspan(1));
}

// The key first: HAProxy takes any order, and the SPIFFE filesystem delivery draft wants this one.
Result<ViewBytes> MakeCombined(const EntryArgument& of) {
  if (of.material.key.empty() || of.material.chain.empty()) return ViewBytes();
  ViewBytes out;
  out.secret = WritePem("PRIVATE KEY", of.material.key.Reveal());
  const Bytes chain = PemOf(of.material.chain).plain;
  out.secret.insert(out.secret.end(), chain.begin(), chain.end());
  return out;
}

Result<ViewBytes> MakeCertificateDer(const EntryArgument& of) {
  if (of.material.chain.empty()) return ViewBytes();
  return Plain(of.material.chain.front().der());
}

Result<ViewBytes> MakePublicKey(const EntryArgument& of) {
  Bytes info;
  if (!of.material.chain.empty()) {
    info = PublicKeyInfo(of.material.chain.front());
  } else if (!of.material.key.empty()) {
    const auto key = PrivateKey::FromDer(of.material.key.Reveal());
    if (key.has_value()) info = TRY(PublicKeyInfo(key.value()));
  }
  ViewBytes out;
  if (!info.empty()) AppendPem(out, "PUBLIC KEY", info);
  return out;
}

Result<ViewBytes> MakeRequest(const EntryArgument& of) {
  ViewBytes out;
  if (!of.material.request.empty()) AppendPem(out, "CERTIFICATE REQUEST", of.material.request);
  return out;
}

Result<ViewBytes> MakeInfoText(const EntryArgument& of) { return MakeInfo(of, InfoText); }
Result<ViewBytes> MakeInfoJson(const EntryArgument& of) { return MakeInfo(of, InfoJson); }

Result<ViewBytes> MakeKeystore(const EntryArgument& of) {
  if (of.material.key.empty()) return ViewBytes();
  const auto password = TRY(of.context.ExportPassword(of.snapshot));
  Pkcs12Builder builder(*password, TRY(of.context.Seed(of.snapshot)));
  TRY(builder.AddKey(of.material.entry.alias.text(), of.material.key.Reveal(), DersOf(of.material.chain)));
  return ViewBytes{TRY(builder.Finish()), {}};
}

Result<std::uint64_t> MeasureKeystore(const EntryArgument& of) {
  if (of.material.key.empty()) return std::uint64_t{0};
  Pkcs12Measure measure(TRY(of.context.ExportForm(of.snapshot)));
  std::vector<std::size_t> sizes;
  for (const Certificate& each : of.material.chain) sizes.push_back(each.der().size());
  measure.AddKey(of.material.entry.alias.text(), of.material.key.size(), sizes);
  return std::uint64_t{measure.size()};
}

}  // namespace certfs::view
