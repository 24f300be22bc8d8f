#include "crypto/description.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/words.h"

namespace certfs {

namespace {

using RequestHandle = openssl::Handle<X509_REQ, X509_REQ_free>;

void FreeExtensions(STACK_OF(X509_EXTENSION) * stack) noexcept {
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}
using ExtensionsHandle = openssl::Handle<STACK_OF(X509_EXTENSION), FreeExtensions>;

constexpr auto kCannotBePrinted = "(cannot be printed)\n";

std::string TextIn(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

// What `print` writes to a BIO.
template <typename Print>
std::string Printed(Print&& print) {
  const openssl::EmptyQueue empty;
  const openssl::BioHandle out(BIO_new(BIO_s_mem()));
  if (!out || print(out.get()) != 1) return kCannotBePrinted;
  return TextIn(out.get());
}

std::vector<std::string> TextsOf(const GENERAL_NAMES* names) {
  std::vector<std::string> texts;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    std::string text =
        Printed([&](BIO* out) { return GENERAL_NAME_print(out, sk_GENERAL_NAME_value(names, i)); });
    // A name may hold a line break, and would write lines of its own into a report.
    std::replace_if(
        text.begin(), text.end(), [](unsigned char each) { return each < 0x20 || each == 0x7F; }, '?');
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string DescribeKey(EVP_PKEY* key) {
  // The words for it are Key's; a public half of our own shares the object.
  if (key == nullptr || EVP_PKEY_up_ref(key) != 1) return "unknown";
  class Described : public Key {
   public:
    explicit Described(EVP_PKEY* owned) : Key(std::shared_ptr<evp_pkey_st>(owned, EVP_PKEY_free)) {}
  };
  return Described(key).Describe();
}

std::string HexOf(unsigned long hash) {
  std::array<char, 16> text{};
  const int size = std::snprintf(text.data(), text.size(), "%08lx", hash);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

std::vector<std::string> SubjectAltNames(const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  const openssl::NamesHandle names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.handle(), NID_subject_alt_name, nullptr, nullptr)));
  return TextsOf(names.get());
}

std::string CertifiedKey(const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  return DescribeKey(X509_get0_pubkey(certificate.handle()));
}

std::string SignatureAlgorithm(const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  const char* const name = OBJ_nid2ln(X509_get_signature_nid(certificate.handle()));
  return name != nullptr ? name : "unknown";
}

Bytes Sha1Fingerprint(const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  const BytesView der = certificate.der();
  if (EVP_Digest(der.data(), der.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) size = 0;
  digest.resize(size);
  return digest;
}

Bytes PublicKeyInfo(const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  std::uint8_t* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.handle()), &encoded);
  const openssl::DerHandle der(encoded);
  return size > 0 ? Bytes(encoded, encoded + size) : Bytes();
}

Result<Bytes> PublicKeyInfo(const Key& key) {
  const openssl::EmptyQueue empty;
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PUBKEY(key.handle(), &encoded);
  const openssl::DerHandle der(encoded);
  if (size <= 0) return Error(ErrorCode::kInternal, "the public half of a key has no encoding");
  return Bytes(encoded, encoded + size);
}

std::string SubjectHash(const Certificate& certificate) {
  const openssl::EmptyQueue empty;
  return HexOf(X509_subject_name_hash(certificate.handle()));
}

std::string IssuerHash(const RevocationList& list) {
  const openssl::EmptyQueue empty;
  return HexOf(X509_NAME_hash_ex(X509_CRL_get_issuer(list.handle()), nullptr, nullptr, nullptr));
}

std::size_t RevokedCount(const RevocationList& list) {
  const openssl::EmptyQueue empty;
  const int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list.handle()));
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

std::string ListNumber(const RevocationList& list) {
  const openssl::EmptyQueue empty;
  const openssl::NumberHandle number(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list.handle(), NID_crl_number, nullptr, nullptr)));
  return number ? openssl::NumberText(number.get()) : std::string();
}

std::string FullText(const Certificate& certificate) {
  return Printed([&](BIO* out) {
    return X509_print_ex(out, certificate.handle(), XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB, 0);
  });
}

std::string FullText(const RevocationList& list) {
  return Printed([&](BIO* out) {
    return X509_CRL_print_ex(out, list.handle(), XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  });
}

Result<RequestDescription> DescribeRequest(BytesView der) {
  const openssl::EmptyQueue empty;
  const std::uint8_t* at = der.data();
  const RequestHandle request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request || at != der.data() + der.size())
    return Error(ErrorCode::kMalformed, "unreadable", "not a signing request");
  RequestDescription description;
  description.subject = openssl::NameText(X509_REQ_get_subject_name(request.get()));
  description.key = DescribeKey(X509_REQ_get0_pubkey(request.get()));
  const ExtensionsHandle extensions(X509_REQ_get_extensions(request.get()));
  if (extensions) {
    const openssl::NamesHandle names(static_cast<GENERAL_NAMES*>(
        X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
    description.names = TextsOf(names.get());
  }
  return description;
}

}  // namespace certfs
