#include "crypto/openssl/key_chains.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "crypto/openssl/handles.h"
#include "crypto/private_key.h"
#include "crypto/sealing.h"

namespace certfs::openssl {

namespace {

constexpr std::size_t kChainMax = 10;
constexpr std::size_t kCandidatesMax = 16;  // Of one localKeyID, or of one issuer's name.

// SHA-256 over the encoding of a public key, which this function takes over; nothing where there is none.
std::optional<Digest> DigestOf(std::uint8_t* encoded, int size) {
  const DerHandle der(encoded);
  if (size <= 0) return std::nullopt;
  return Sha256({BytesView(encoded, static_cast<std::size_t>(size))});
}
std::optional<Digest> IdentityOf(const PrivateKey& key) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PUBKEY(key.handle(), &encoded);
  return DigestOf(encoded, size);
}
// As it stands there: decoding the keys of all certificates takes longer than everything else.
std::optional<Digest> IdentityOf(const Certificate& certificate) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.handle()), &encoded);
  return DigestOf(encoded, size);
}

std::string SubjectDer(const Certificate& certificate) {
  const std::uint8_t* name = nullptr;
  std::size_t size = 0;
  if (X509_NAME_get0_der(X509_get_subject_name(certificate.handle()), &name, &size) != 1) return {};
  return std::string(AsText({name, size}));
}

// Joins keys and certificates. A file may hold many thousand of each: nobody walks through all of them for
// one.
class Joiner {
 public:
  explicit Joiner(const std::vector<CertificateBag>& certificates) : certificates_(certificates) {
    for (std::size_t i = 0; i < certificates.size(); ++i) {
      const CertificateBag& bag = certificates[i];
      if (!bag.local_key_id.empty()) by_id_.emplace(bag.local_key_id, i);
      if (const auto identity = IdentityOf(bag.certificate)) {
        by_key_.emplace(*identity, i);
      }
      // A hundred copies of one certificate make one issuer.
      if (known_.insert(bag.certificate.fingerprint()).second) {
        by_subject_.emplace(SubjectDer(bag.certificate), i);
      }
    }
  }

  // The certificate of a key and what issued it; nothing where there is none.
  std::vector<Certificate> ChainOf(const KeyBag& bag) {
    std::vector<Certificate> chain;
    const auto leaf = LeafOf(bag);
    if (!leaf) return chain;
    chain.push_back(certificates_[*leaf].certificate);
    used_.insert(chain.back().fingerprint());
    while (chain.size() < kChainMax && !IsRoot(chain.back())) {
      const auto issuer = IssuerOf(chain.back());
      if (!issuer || IsRoot(*issuer)) break;
      if (std::any_of(chain.begin(), chain.end(),
                      [&](const Certificate& each) { return each.fingerprint() == issuer->fingerprint(); })) {
        break;
      }
      used_.insert(issuer->fingerprint());
      chain.push_back(*issuer);
    }
    return chain;
  }

  // Whether a certificate is in none of the chains so far and was not asked about.
  bool Claim(const Certificate& certificate) { return used_.insert(certificate.fingerprint()).second; }

 private:
  // As its issuer would be told from its names: its signature is for the verdict, not for us.
  static bool IsRoot(const Certificate& certificate) {
    return X509_check_issued(certificate.handle(), certificate.handle()) == X509_V_OK;
  }

  std::optional<std::size_t> LeafOf(const KeyBag& bag) const {
    const auto key = PrivateKey::FromDer(bag.pkcs8.Reveal());
    const auto [first, last] = by_id_.equal_range(bag.local_key_id);
    std::size_t looked_at = 0;
    for (auto at = first; at != last && looked_at < kCandidatesMax; ++at, ++looked_at) {
      if (!key.has_value() || key.value().Matches(certificates_[at->second].certificate)) return at->second;
    }
    const auto identity = key.has_value() ? IdentityOf(key.value()) : std::nullopt;
    const auto found = identity ? by_key_.find(*identity) : by_key_.end();
    if (found == by_key_.end()) return std::nullopt;
    return found->second;
  }

  std::optional<Certificate> IssuerOf(const Certificate& certificate) const {
    const auto [first, last] = by_subject_.equal_range(std::string(AsText(certificate.issuer_der())));
    std::size_t looked_at = 0;
    for (auto at = first; at != last && looked_at < kCandidatesMax; ++at, ++looked_at) {
      const Certificate& issuer = certificates_[at->second].certificate;
      if (X509_check_issued(issuer.handle(), certificate.handle()) == X509_V_OK) return issuer;
    }
    return std::nullopt;
  }

  const std::vector<CertificateBag>& certificates_;
  std::multimap<Bytes, std::size_t> by_id_;
  std::multimap<Digest, std::size_t> by_key_;
  std::multimap<std::string, std::size_t> by_subject_;
  std::set<Digest> known_;
  std::set<Digest> used_;
};

}  // namespace

Pkcs12Contents Join(Pkcs12Bags bags) {
  Joiner joiner(bags.certificates);
  Pkcs12Contents contents;
  contents.skipped = std::move(bags.skipped);
  for (KeyBag& key : bags.keys) {
    std::vector<Certificate> chain = joiner.ChainOf(key);
    contents.items.push_back({std::move(key.name), std::move(key.pkcs8), std::move(chain), false});
  }
  for (CertificateBag& bag : bags.certificates) {
    if (!joiner.Claim(bag.certificate) && !bag.trusted) continue;
    contents.items.push_back({std::move(bag.name), {}, {bag.certificate}, bag.trusted});
  }
  return contents;
}

}  // namespace certfs::openssl
