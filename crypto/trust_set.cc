#include "crypto/trust_set.h"

#include <algorithm>

#include "crypto/issuer_link.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs {

namespace {

constexpr int kChainCertificatesMax = 8;

// Collects every fault of a chain: returning 1 makes the verifier go on.
int CollectFault(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  auto* const faults = static_cast<std::vector<ChainFault>*>(X509_STORE_CTX_get_app_data(context));
  const int code = X509_STORE_CTX_get_error(context);
  faults->push_back({code, static_cast<std::size_t>(std::max(0, X509_STORE_CTX_get_error_depth(context))),
                     X509_verify_cert_error_string(code)});
  return 1;
}

const Certificate* Find(std::span<const Certificate> certificates, const X509* handle) {
  const auto found = std::find_if(certificates.begin(), certificates.end(),
                                  [&](const Certificate& each) { return each.handle() == handle; });
  return found == certificates.end() ? nullptr : &*found;
}

bool HasIssued(const Certificate& issuer, const Certificate& certificate) {
  if (!NamesAsIssuer(certificate, issuer)) return false;
  const openssl::EmptyQueue empty;
  EVP_PKEY* const key = X509_get0_pubkey(issuer.handle());
  return key != nullptr && X509_verify(certificate.handle(), key) == 1;
}

}  // namespace

struct TrustSet::State {
  std::vector<Certificate> authorities;
  std::vector<RevocationList> lists;
  openssl::StoreHandle store;
};

TrustSet::TrustSet(std::vector<Certificate> authorities, std::vector<RevocationList> lists) {
  const openssl::EmptyQueue empty;
  openssl::StoreHandle store(X509_STORE_new());
  for (const Certificate& authority : authorities) X509_STORE_add_cert(store.get(), authority.handle());
  state_ = std::make_shared<const State>(State{std::move(authorities), std::move(lists), std::move(store)});
}

const std::vector<Certificate>& TrustSet::authorities() const noexcept { return state_->authorities; }
const std::vector<RevocationList>& TrustSet::lists() const noexcept { return state_->lists; }

ChainResult TrustSet::Verify(const Certificate& leaf, std::span<const Certificate> intermediates,
                             Purpose purpose, std::chrono::sys_seconds when) const {
  const openssl::EmptyQueue empty;
  ChainResult result{{}, {}, false};
  const openssl::CertificateStackHandle untrusted(sk_X509_new_null());
  for (const Certificate& each : intermediates) {
    X509_up_ref(each.handle());
    sk_X509_push(untrusted.get(), each.handle());
  }
  const openssl::VerifyContextHandle context(X509_STORE_CTX_new());
  if (!context ||
      X509_STORE_CTX_init(context.get(), state_->store.get(), leaf.handle(), untrusted.get()) != 1) {
    result.faults.push_back({X509_V_ERR_UNSPECIFIED, 0, "the verifier could not be made"});
    return result;
  }
  X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  X509_VERIFY_PARAM_set_time(param, when.time_since_epoch().count());
  X509_VERIFY_PARAM_set_depth(param, kChainCertificatesMax - 2);  // OpenSSL counts neither leaf nor anchor.
  X509_VERIFY_PARAM_set_auth_level(param, 0);                     // Strength is the rules table's.
  if (purpose != Purpose::kAny) {
    X509_STORE_CTX_set_purpose(
        context.get(), purpose == Purpose::kServer ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  }
  X509_STORE_CTX_set_app_data(context.get(), &result.faults);
  X509_STORE_CTX_set_verify_cb(context.get(), CollectFault);
  // Without a fault it fails where there is no memory, say.
  if (X509_verify_cert(context.get()) != 1 && result.faults.empty())
    result.faults.push_back({X509_V_ERR_UNSPECIFIED, 0, "the chain could not be verified"});

  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    // The verifier chains the very objects that it was given.
    const X509* const link = sk_X509_value(chain, i);
    if (link == leaf.handle()) {
      result.chain.push_back(leaf);
    } else if (const Certificate* const hint = Find(intermediates, link)) {
      result.chain.push_back(*hint);
    } else if (const Certificate* const authority = Find(state_->authorities, link)) {
      result.chain.push_back(*authority);
    }
  }
  result.reaches_anchor =
      !result.chain.empty() &&
      std::any_of(state_->authorities.begin(), state_->authorities.end(), [&](const Certificate& authority) {
        return authority.fingerprint() == result.chain.back().fingerprint();
      });
  return result;
}

std::optional<Certificate> TrustSet::SignerOf(const RevocationList& list) const {
  for (const Certificate& authority : state_->authorities) {
    if (list.SignedBy(authority)) return authority;
  }
  return std::nullopt;
}

// Two authorities may have one name, and lists need not say which key signed them.
bool TrustSet::OfOneAuthority(const RevocationList& one, const RevocationList& other) const {
  const openssl::EmptyQueue empty;
  if (!one.SameAuthority(other)) return false;
  const auto signer = SignerOf(one);
  const auto other_signer = SignerOf(other);
  if (!signer || !other_signer) return true;
  return EVP_PKEY_eq(X509_get0_pubkey(signer->handle()), X509_get0_pubkey(other_signer->handle())) == 1;
}

std::optional<RevocationList> TrustSet::RevokedBy(const Certificate& certificate,
                                                  const Certificate& issuer) const {
  for (const RevocationList& list : state_->lists) {
    if (list.Revokes(certificate) && list.SignedBy(issuer)) return list;
  }
  return std::nullopt;
}

std::optional<RevocationList> TrustSet::RevokedBy(const Certificate& certificate) const {
  for (const RevocationList& list : state_->lists) {
    if (!list.Revokes(certificate)) continue;
    bool has_signer = false;
    for (const Certificate& authority : state_->authorities) {
      if (!list.SignedBy(authority)) continue;
      if (HasIssued(authority, certificate)) return list;
      has_signer = true;
    }
    if (!has_signer && list.NamesIssuerOf(certificate)) return list;
  }
  return std::nullopt;
}

std::vector<Certificate> TrustSet::IssuersOf(const Certificate& certificate) const {
  std::vector<Certificate> issuers;
  for (const Certificate& authority : state_->authorities) {
    if (HasIssued(authority, certificate)) issuers.push_back(authority);
  }
  return issuers;
}

}  // namespace certfs
