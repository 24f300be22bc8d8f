// Makes certification requests, good and bad ones, with libcrypto.

#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "crypto/certification_request.h"
#include "crypto/pem.h"
#include "crypto/private_key.h"

namespace certfs::test {

// What a request is to be; made by Der().
struct RequestShape {
  PrivateKey key;
  std::vector<std::pair<std::string, std::string>> subject = {{"CN", "www.example.com"}};
  int subject_type = MBSTRING_UTF8;  // Or V_ASN1_*.
  // Extensions as openssl.cnf writes them: {"subjectAltName", "DNS:www.example.com"}.
  std::vector<std::pair<std::string, std::string>> extensions = {};
  bool twice = false;                  // The attribute with the extensions stands twice.
  const EVP_MD* digest = nullptr;      // SHA-256 where it is null, none for Edwards keys.
  const PrivateKey* signer = nullptr;  // Another key than that in the request.

  Bytes Der() const;
};

inline Bytes RequestShape::Der() const {
  const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(X509_REQ_new(), X509_REQ_free);
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  X509_NAME* const name = X509_REQ_get_subject_name(request.get());
  for (const auto& [field, value] : subject) {
    EXPECT_EQ(X509_NAME_add_entry_by_txt(name, field.c_str(), subject_type,
                                         reinterpret_cast<const unsigned char*>(value.data()),
                                         static_cast<int>(value.size()), -1, 0),
              1)
        << field;
  }
  X509_REQ_set_pubkey(request.get(), key.handle());
  STACK_OF(X509_EXTENSION)* const stack = sk_X509_EXTENSION_new_null();
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, nullptr, request.get(), nullptr, 0);
  X509V3_set_nconf(&context, nullptr);
  for (const auto& [id, value] : extensions) {
    X509_EXTENSION* const extension = X509V3_EXT_nconf(nullptr, &context, id.c_str(), value.c_str());
    EXPECT_NE(extension, nullptr) << id << "=" << value;
    if (extension != nullptr) sk_X509_EXTENSION_push(stack, extension);
  }
  if (!extensions.empty()) X509_REQ_add_extensions(request.get(), stack);
  if (twice) X509_REQ_add_extensions_nid(request.get(), stack, NID_ms_ext_req);
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  EVP_PKEY* const signing = (signer != nullptr ? *signer : key).handle();
  const bool edwards = EVP_PKEY_is_a(signing, "ED25519") == 1 || EVP_PKEY_is_a(signing, "ED448") == 1;
  EXPECT_GT(X509_REQ_sign(request.get(), signing,
                          edwards             ? nullptr
                          : digest != nullptr ? digest
                                              : EVP_sha256()),
            0);
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

inline Bytes RequestPem(const RequestShape& shape) {
  const SecretBytes pem = WritePem("CERTIFICATE REQUEST", shape.Der());
  return {pem.Reveal().begin(), pem.Reveal().end()};
}

}  // namespace certfs::test
