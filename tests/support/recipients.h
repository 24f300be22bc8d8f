// Makes self-signed certificates with their keys, of every kind that an envelope can be encrypted to.

#pragma once

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "tests/support/must.h"

namespace certfs::test {

struct Recipient {
  Certificate certificate;
  PrivateKey key;
};

// `kind` is "RSA-2048" or the like, or the name of a curve, or "ED25519".
inline Recipient MakeRecipient(const std::string& kind, const std::string& name) {
  EVP_PKEY* key = nullptr;
  if (kind.starts_with("RSA-")) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(std::stoul(kind.substr(4))));
  } else if (kind == "ED25519") {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  } else {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str());
  }
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_owner(key, EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 4711);
  ASN1_TIME_set_string(X509_getm_notBefore(certificate.get()), "20260101000000Z");
  ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), "20360101000000Z");
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), key, kind == "ED25519" ? nullptr : EVP_sha256());

  const auto encode = [](auto* object, auto encoder) {
    unsigned char* der = nullptr;
    const int size = encoder(object, &der);
    Bytes bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
  };
  return {Must(Certificate::FromDer(encode(certificate.get(), i2d_X509))),
          Must(PrivateKey::FromDer(encode(key, i2d_PrivateKey)))};
}

}  // namespace certfs::test
