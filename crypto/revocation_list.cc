#include "crypto/revocation_list.h"

#include <algorithm>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/words.h"
#include "crypto/sealing.h"

namespace certfs {

namespace {

bool IsCanonical(X509_CRL* list, BytesView der) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509_CRL(list, &encoded);
  const openssl::DerHandle owner(encoded);
  return size > 0 && std::ranges::equal(BytesView(encoded, static_cast<std::size_t>(size)), der);
}

}  // namespace

struct RevocationList::State {
  openssl::CrlHandle handle;
  Bytes der;
  Digest fingerprint;
  openssl::NumberHandle number;           // Null where the list has none.
  openssl::AuthorityKeyHandle authority;  // Null where the list has none.
};

Result<RevocationList> RevocationList::FromDer(BytesView der) {
  const openssl::EmptyQueue empty;
  const std::uint8_t* at = der.data();
  openssl::CrlHandle handle(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  if (!handle) {
    return Error(ErrorCode::kMalformed, "unreadable", "not a CRL: " + openssl::TakeReason("bad DER"));
  }
  if (at != der.data() + der.size())
    return Error(ErrorCode::kMalformed, "trailing-data", "bytes after the CRL");
  X509_CRL* const crl = handle.get();
  if (!IsCanonical(crl, der)) return Error(ErrorCode::kMalformed, "unreadable", "not in DER");
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl);
  if (!openssl::IsTime(X509_CRL_get0_lastUpdate(crl)) || (next != nullptr && !openssl::IsTime(next))) {
    return Error(ErrorCode::kMalformed, "unreadable", "a date of the CRL is none");
  }
  // Sorts the revoked entries now, so that the object never changes again whoever reads it.
  X509_REVOKED* ignored = nullptr;
  const openssl::NumberHandle zero(ASN1_INTEGER_new());
  static_cast<void>(X509_CRL_get0_by_serial(crl, &ignored, zero.get()));
  State state{std::move(handle), Bytes(der.begin(), der.end()), Sha256({der}),
              openssl::NumberHandle(
                  static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, NID_crl_number, nullptr, nullptr))),
              openssl::AuthorityKeyHandle(static_cast<AUTHORITY_KEYID*>(
                  X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, nullptr, nullptr)))};
  return RevocationList(std::make_shared<const State>(std::move(state)));
}

BytesView RevocationList::der() const noexcept { return state_->der; }
const Digest& RevocationList::fingerprint() const noexcept { return state_->fingerprint; }
X509_crl_st* RevocationList::handle() const noexcept { return state_->handle.get(); }
std::string RevocationList::issuer() const { return openssl::NameText(X509_CRL_get_issuer(handle())); }

std::chrono::sys_seconds RevocationList::this_update() const {
  return openssl::TimeValue(X509_CRL_get0_lastUpdate(handle()));
}

std::optional<std::chrono::sys_seconds> RevocationList::next_update() const {
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(handle());
  if (next == nullptr) return std::nullopt;
  return openssl::TimeValue(next);
}

std::optional<std::uint64_t> RevocationList::number() const {
  const openssl::EmptyQueue empty;
  std::uint64_t value = 0;
  if (!state_->number || ASN1_INTEGER_get_uint64(&value, state_->number.get()) != 1) return std::nullopt;
  return value;
}

std::vector<RevokedSerial> RevocationList::revoked() const {
  const openssl::EmptyQueue empty;
  constexpr long kRemoveFromCrl = 8;
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(handle());
  std::vector<RevokedSerial> revoked;
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
    const auto serial = openssl::SerialOf(X509_REVOKED_get0_serialNumber(entry));
    const openssl::EnumeratedHandle code(
        static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
    const long number = code ? ASN1_ENUMERATED_get(code.get()) : 0;
    if (!serial || number == kRemoveFromCrl) continue;
    // A reason that does not exist is still a revocation.
    const auto reason = ParseRevocationReason(std::to_string(number));
    revoked.push_back({*serial, openssl::TimeValue(X509_REVOKED_get0_revocationDate(entry)),
                       reason.value_or(RevocationReason::kUnspecified)});
  }
  std::sort(revoked.begin(), revoked.end(),
            [](const RevokedSerial& a, const RevokedSerial& b) { return a.serial < b.serial; });
  return revoked;
}

bool RevocationList::SameAuthority(const RevocationList& other) const {
  if (X509_NAME_cmp(X509_CRL_get_issuer(handle()), X509_CRL_get_issuer(other.handle())) != 0) return false;
  const auto key = [](const RevocationList& list) -> const ASN1_OCTET_STRING* {
    return list.state_->authority ? list.state_->authority->keyid : nullptr;
  };
  const ASN1_OCTET_STRING* const mine = key(*this);
  const ASN1_OCTET_STRING* const theirs = key(other);
  if (mine == nullptr || theirs == nullptr) return mine == theirs;
  return ASN1_OCTET_STRING_cmp(mine, theirs) == 0;
}

bool RevocationList::NamesKey() const noexcept { return state_->authority && state_->authority->keyid; }

std::weak_ordering RevocationList::CompareAge(const RevocationList& other) const {
  if (state_->number && other.state_->number) {
    return ASN1_INTEGER_cmp(state_->number.get(), other.state_->number.get()) <=> 0;
  }
  return this_update() <=> other.this_update();
}

bool RevocationList::SignedBy(const Certificate& issuer) const {
  const openssl::EmptyQueue empty;
  if (X509_NAME_cmp(X509_get_subject_name(issuer.handle()), X509_CRL_get_issuer(handle())) != 0) return false;
  EVP_PKEY* const key = X509_get0_pubkey(issuer.handle());
  return key != nullptr && X509_CRL_verify(handle(), key) == 1;
}

bool RevocationList::NamesIssuerOf(const Certificate& certificate) const {
  const openssl::EmptyQueue empty;
  if (X509_NAME_cmp(X509_get_issuer_name(certificate.handle()), X509_CRL_get_issuer(handle())) != 0)
    return false;
  const ASN1_OCTET_STRING* const mine = state_->authority ? state_->authority->keyid : nullptr;
  const ASN1_OCTET_STRING* const named = X509_get0_authority_key_id(certificate.handle());
  return mine == nullptr || named == nullptr || ASN1_OCTET_STRING_cmp(mine, named) == 0;
}

bool RevocationList::Revokes(const Certificate& certificate) const {
  const openssl::EmptyQueue empty;
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_cert(handle(), &entry, certificate.handle()) == 1;
}

}  // namespace certfs
