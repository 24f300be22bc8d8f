// Owners of OpenSSL heap objects. Include this only under crypto/.

#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>

namespace certfs::openssl {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const noexcept {
    static_cast<void>(Free(object));
  }
};

template <typename T, auto Free>
using Handle = std::unique_ptr<T, FreeWith<Free>>;

// Frees the stack and the certificates in it: this handle owns both.
inline void FreeCertificateStack(STACK_OF(X509) * stack) noexcept { sk_X509_pop_free(stack, X509_free); }
inline void FreeOpensslText(char* text) noexcept { OPENSSL_free(text); }
inline void FreeDer(unsigned char* der) noexcept { OPENSSL_free(der); }

using AlgorithmHandle = Handle<X509_ALGOR, X509_ALGOR_free>;
using BioHandle = Handle<BIO, BIO_free>;
using CertificateHandle = Handle<X509, X509_free>;
using CertificateStackHandle = Handle<STACK_OF(X509), FreeCertificateStack>;
using CipherContextHandle = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using CrlHandle = Handle<X509_CRL, X509_CRL_free>;
using KeyHandle = Handle<EVP_PKEY, EVP_PKEY_free>;
using KeyContextHandle = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using StoreHandle = Handle<X509_STORE, X509_STORE_free>;
using VerifyContextHandle = Handle<X509_STORE_CTX, X509_STORE_CTX_free>;
using NumberHandle = Handle<ASN1_INTEGER, ASN1_INTEGER_free>;
using EnumeratedHandle = Handle<ASN1_ENUMERATED, ASN1_ENUMERATED_free>;
using BignumHandle = Handle<BIGNUM, BN_free>;
using AuthorityKeyHandle = Handle<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using NameConstraintsHandle = Handle<NAME_CONSTRAINTS, NAME_CONSTRAINTS_free>;
using NamesHandle = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;
using DerHandle = Handle<unsigned char, FreeDer>;
using DigestContextHandle = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using TextHandle = Handle<char, FreeOpensslText>;

}  // namespace certfs::openssl
