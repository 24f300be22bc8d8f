#include "store/serial_numbers.h"

#include <algorithm>

namespace certfs {

namespace {

IssuedSerial SerialOf(const Certificate& certificate) {
  const BytesView issuer = certificate.issuer_der();
  return {{issuer.begin(), issuer.end()}, certificate.serial_der()};
}

bool Holds(std::span<const Certificate> certificates, const Digest& fingerprint) {
  return std::any_of(certificates.begin(), certificates.end(),
                     [&](const Certificate& each) { return each.fingerprint() == fingerprint; });
}

// Calls `change` with each certificate of `these` that is not among `others`, once.
template <typename Change>
Result<void> ForEachNotIn(std::span<const Certificate> others, std::span<const Certificate> these,
                          Change&& change) {
  for (std::size_t i = 0; i < these.size(); ++i) {
    const Digest& fingerprint = these[i].fingerprint();
    if (Holds(others, fingerprint) || Holds(these.first(i), fingerprint)) continue;
    TRY(change(these[i]));
  }
  return {};
}

}  // namespace

Result<std::vector<std::size_t>> FindReusedSerials(TableSnapshot& table, std::span<const Certificate> removed,
                                                   std::span<const Certificate> added) {
  std::vector<std::size_t> reused;
  std::vector<IssuedSerial> serials;
  for (std::size_t i = 0; i < added.size(); ++i) {
    const Digest& fingerprint = added[i].fingerprint();
    const IssuedSerial& serial = serials.emplace_back(SerialOf(added[i]));
    bool other = false;
    for (std::size_t before = 0; before < i; ++before) {
      other = other || (serials[before] == serial && added[before].fingerprint() != fingerprint);
    }
    if (const auto holder = TRY(table.FindSerial(serial)); holder && holder->certificate != fingerprint) {
      other = other || holder->files > (Holds(removed, holder->certificate) ? 1U : 0U);
    }
    if (other) reused.push_back(i);
  }
  return reused;
}

Result<void> CountSerials(TableTransaction& transaction, std::span<const Certificate> removed,
                          std::span<const Certificate> added) {
  TRY(ForEachNotIn(added, removed, [&](const Certificate& certificate) -> Result<void> {
    const IssuedSerial serial = SerialOf(certificate);
    auto holder = TRY(transaction.FindSerial(serial));
    if (!holder || holder->certificate != certificate.fingerprint()) return {};
    --holder->files;
    return transaction.PutSerial(serial, *holder);
  }));
  return ForEachNotIn(removed, added, [&](const Certificate& certificate) -> Result<void> {
    const IssuedSerial serial = SerialOf(certificate);
    auto holder = TRY(transaction.FindSerial(serial)).value_or(SerialHolder{certificate.fingerprint(), 0});
    if (holder.certificate != certificate.fingerprint()) return {};
    ++holder.files;
    return transaction.PutSerial(serial, holder);
  });
}

}  // namespace certfs
