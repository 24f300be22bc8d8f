#include "store/serial_numbers.h"

#include <algorithm>

namespace certfs {

namespace {

using Certificates = std::span<const IndexedCertificate>;

bool Contains(Certificates certificates, const Digest& fingerprint) {
  return std::any_of(certificates.begin(), certificates.end(),
                     [&](const IndexedCertificate& each) { return each.fingerprint == fingerprint; });
}

// Calls `change` with each certificate of `these` that is not among `others`, once.
template <typename Change>
Result<void> ForEachNotIn(Certificates others, Certificates these, Change&& change) {
  for (std::size_t i = 0; i < these.size(); ++i) {
    const Digest& fingerprint = these[i].fingerprint;
    if (Contains(others, fingerprint) || Contains(these.first(i), fingerprint)) continue;
    TRY(change(these[i]));
  }
  return {};
}

}  // namespace

std::vector<IndexedCertificate> Indexed(std::span<const Certificate> certificates) {
  std::vector<IndexedCertificate> indexed;
  for (const Certificate& each : certificates) {
    const BytesView issuer = each.issuer_der();
    indexed.push_back({each.fingerprint(), {{issuer.begin(), issuer.end()}, each.serial_der()}});
  }
  return indexed;
}

std::vector<IndexedCertificate> Indexed(std::span<const CertificateOutline> certificates) {
  std::vector<IndexedCertificate> indexed;
  for (const CertificateOutline& each : certificates)
    indexed.push_back({each.fingerprint, {each.issuer, each.serial}});
  return indexed;
}

Result<std::vector<std::size_t>> FindReusedSerials(TableSnapshot& table, std::span<const Certificate> removed,
                                                   std::span<const Certificate> added) {
  return FindReusedSerials(table, Indexed(removed), Indexed(added));
}

Result<std::vector<std::size_t>> FindReusedSerials(TableSnapshot& table, Certificates removed,
                                                   Certificates added) {
  std::vector<std::size_t> reused;
  for (std::size_t i = 0; i < added.size(); ++i) {
    const auto& [fingerprint, serial] = added[i];
    bool other = false;
    for (const IndexedCertificate& before : added.first(i)) {
      other = other || (before.serial == serial && before.fingerprint != fingerprint);
    }
    if (const auto holder = TRY(table.FindSerial(serial)); holder && holder->certificate != fingerprint) {
      other = other || holder->files > (Contains(removed, holder->certificate) ? 1U : 0U);
    }
    if (other) reused.push_back(i);
  }
  return reused;
}

Result<void> CountSerials(TableTransaction& transaction, std::span<const Certificate> removed,
                          std::span<const Certificate> added) {
  return CountSerials(transaction, Indexed(removed), Indexed(added));
}

Result<void> CountSerials(TableTransaction& transaction, Certificates removed, Certificates added) {
  TRY(ForEachNotIn(added, removed, [&](const IndexedCertificate& certificate) -> Result<void> {
    auto holder = TRY(transaction.FindSerial(certificate.serial));
    if (!holder || holder->certificate != certificate.fingerprint) return {};
    --holder->files;
    return transaction.PutSerial(certificate.serial, *holder);
  }));
  return ForEachNotIn(removed, added, [&](const IndexedCertificate& certificate) -> Result<void> {
    const auto& [fingerprint, serial] = certificate;
    auto holder = TRY(transaction.FindSerial(serial)).value_or(SerialHolder{fingerprint, 0});
    if (holder.certificate != fingerprint) return {};
    ++holder.files;
    return transaction.PutSerial(serial, holder);
  });
}

}  // namespace certfs
