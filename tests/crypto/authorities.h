// Makes authorities, subjects and what they are asked by, for the tests of issuing.

#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/issuing.h"
#include "crypto/pem.h"
#include "crypto/profile.h"
#include "tests/support/must.h"
#include "tests/support/vectors.h"

namespace certfs::test {

inline constexpr std::chrono::sys_seconds kNow = kVectorTime;

// A key of the kinds that profiles name ("ec-p256", "ed25519", "rsa-2048"), also of "dsa", "x25519" and
// "rsa-1024". Keys of RSA are made once a kind, because it takes long.
inline PrivateKey NewKey(const std::string& kind) {
  static std::map<std::string, PrivateKey> kept;
  if (const auto found = kept.find(kind); found != kept.end()) return found->second;
  EVP_PKEY* made = nullptr;
  if (kind == "ec-p256") made = EVP_EC_gen("P-256");
  if (kind == "ec-p384") made = EVP_EC_gen("P-384");
  if (kind == "ec-p521") made = EVP_EC_gen("P-521");
  if (kind == "ec-p224") made = EVP_EC_gen("P-224");
  if (kind == "ed25519") made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (kind == "ed448") made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448");
  if (kind.starts_with("rsa-")) made = EVP_RSA_gen(static_cast<unsigned>(std::stoul(kind.substr(4))));
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> owner(made, EVP_PKEY_free);
  EXPECT_NE(made, nullptr) << kind;
  unsigned char* der = nullptr;
  const int size = i2d_PrivateKey(made, &der);
  PrivateKey key = Must(PrivateKey::FromDer({der, static_cast<std::size_t>(size)}));
  OPENSSL_free(der);
  if (kind.starts_with("rsa-")) kept.emplace(kind, key);
  return key;
}

inline Profile BuiltIn(std::string_view name) {
  for (const BuiltInProfile& each : BuiltInProfiles()) {
    if (each.name == name) return Must(Profile::Parse(name, AsBytes(each.toml)));
  }
  ADD_FAILURE() << "no profile " << name;
  return {};
}

inline Profile ProfileOf(const std::string& toml) { return Must(Profile::Parse("test", AsBytes(toml))); }

inline RequestConfig Config(const std::string& text) { return Must(RequestConfig::Parse(AsBytes(text))); }

inline Bytes NameOf(const std::string& common_name) {
  return Must(DistinguishedName(Config("Name = " + common_name + "\nOrganization = Example\n")));
}

inline CertificateSubject Subject(const std::string& config, const PrivateKey& key) {
  return Must(SubjectOf(Config(config), Must(PublicKey::Of(key))));
}

// An issuer whose chain is a new root; `root` is what the root is to be besides its name.
inline std::shared_ptr<const Issuer> RootIssuer(const std::string& kind, RootOptions root = {}) {
  std::shared_ptr<const Signer> signer = Must(MakeSigner(NewKey(kind)));
  if (root.name.empty()) root.name = NameOf("Test Root " + kind);
  Certificate certificate = Must(MakeRoot(root, Must(RandomSerialNumber()), kNow, *signer));
  return Must(Issuer::Make(certificate, {}, signer));
}

// Issues with what is usual.
inline Result<Certificate> IssueBy(const Issuer& issuer, const CertificateSubject& subject,
                                   const Profile& profile) {
  return issuer.Issue(subject, profile, Must(RandomSerialNumber()),
                      ValidityOf(profile, kNow, {}, issuer.certificate()));
}

// An issuer beneath `above`, under `profile`.
inline std::shared_ptr<const Issuer> IntermediateIssuer(const Issuer& above, const std::string& kind,
                                                        const Profile& profile,
                                                        const std::string& name = "Test Issuing CA") {
  const PrivateKey key = NewKey(kind);
  const Certificate certificate = Must(IssueBy(above, Subject("Name = " + name, key), profile));
  std::vector<Certificate> chain{above.certificate()};
  chain.insert(chain.end(), above.chain().begin(), above.chain().end());
  return Must(Issuer::Make(certificate, chain, Must(MakeSigner(key))));
}

inline std::string Pem(const Certificate& certificate) {
  return std::string(AsText(WritePem("CERTIFICATE", certificate.der()).Reveal()));
}

}  // namespace certfs::test
