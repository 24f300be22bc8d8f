#include "crypto/openssl/pkcs12_decryption.h"

#include <openssl/provider.h>

#include <algorithm>
#include <array>
#include <optional>

#include "crypto/base/utf8.h"
#include "crypto/der.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"
#include "crypto/openssl/pkcs12_keys.h"

namespace certfs::openssl {

namespace {

using Pbes2Handle = Handle<PBE2PARAM, PBE2PARAM_free>;
using Pbkdf2Handle = Handle<PBKDF2PARAM, PBKDF2PARAM_free>;
using PbeHandle = Handle<PBEPARAM, PBEPARAM_free>;

constexpr ObjectIdentifier kPbmac1("1.2.840.113549.1.5.14");
constexpr std::string_view kReexport =
    "; where it was made, export it again with AES-256 (openssl pkcs12 -legacy -in OLD -nodes | openssl "
    "pkcs12 "
    "-export -out NEW)";

BytesView ViewOf(const ASN1_OCTET_STRING* text) {
  return {ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string NameOf(const ASN1_OBJECT* object) {
  std::array<char, 80> text{};
  OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 0);
  return text.data();
}

Error Malformed() { return {ErrorCode::kMalformed, "the parameters of its encryption are damaged"}; }

Error Unknown(const ASN1_OBJECT* algorithm) {
  return {ErrorCode::kUnsupported,
          "encrypted with " + NameOf(algorithm) + ", which certfs does not know" + std::string(kReexport)};
}

// `number` as an iteration count; 0 if it is none, or beyond what anybody counts to.
std::uint32_t CountOf(const ASN1_INTEGER* number) {
  std::int64_t value = 0;
  if (ASN1_INTEGER_get_int64(&value, number) != 1 || value < 0 || value > INT32_MAX) return 0;
  return static_cast<std::uint32_t>(value);
}

// The ciphers of PBES2 (RFC 8018, B.2) that are met in PKCS#12.
struct Pbes2Cipher {
  int nid;
  const char* name;
  std::size_t key_bytes;
  std::size_t iv_bytes;
};
constexpr Pbes2Cipher kPbes2Ciphers[] = {{NID_aes_128_cbc, "AES-128-CBC", 16, 16},
                                         {NID_aes_192_cbc, "AES-192-CBC", 24, 16},
                                         {NID_aes_256_cbc, "AES-256-CBC", 32, 16},
                                         {NID_des_ede3_cbc, "DES-EDE3-CBC", 24, 8}};

// The pseudo-random functions of PBKDF2 (RFC 8018, B.1).
struct Prf {
  int nid;
  const char* digest;
};
constexpr Prf kPrfs[] = {{NID_hmacWithSHA1, "SHA1"},
                         {NID_hmacWithSHA224, "SHA224"},
                         {NID_hmacWithSHA256, "SHA256"},
                         {NID_hmacWithSHA384, "SHA384"},
                         {NID_hmacWithSHA512, "SHA512"}};

// The schemes of RFC 7292, appendix C.
struct OldScheme {
  int nid;
  const char* cipher;
  std::size_t key_bytes;
  std::size_t iv_bytes;
  bool legacy;
};
constexpr OldScheme kOldSchemes[] = {{NID_pbe_WithSHA1And3_Key_TripleDES_CBC, "DES-EDE3-CBC", 24, 8, false},
                                     {NID_pbe_WithSHA1And2_Key_TripleDES_CBC, "DES-EDE-CBC", 16, 8, false},
                                     {NID_pbe_WithSHA1And128BitRC2_CBC, "RC2-CBC", 16, 8, true},
                                     {NID_pbe_WithSHA1And40BitRC2_CBC, "RC2-40-CBC", 5, 8, true},
                                     {NID_pbe_WithSHA1And128BitRC4, "RC4", 16, 0, true},
                                     {NID_pbe_WithSHA1And40BitRC4, "RC4-40", 5, 0, true}};

template <typename Row, std::size_t N>
const Row* FindRow(const Row (&rows)[N], int nid) {
  const Row* const found = std::find_if(rows, rows + N, [&](const Row& row) { return row.nid == nid; });
  return found == rows + N ? nullptr : found;
}

template <typename T>
T* Unpack(const X509_ALGOR* algorithm, const ASN1_ITEM* item) {
  return static_cast<T*>(ASN1_TYPE_unpack_sequence(item, algorithm->parameter));
}

Result<EncryptionScheme> OldSchemeOf(const OldScheme& row, const X509_ALGOR* algorithm) {
  const PbeHandle parameters(Unpack<PBEPARAM>(algorithm, ASN1_ITEM_rptr(PBEPARAM)));
  if (!parameters) return Malformed();
  const BytesView salt = ViewOf(parameters->salt);
  return EncryptionScheme{false,
                          "SHA1",
                          Bytes(salt.begin(), salt.end()),
                          CountOf(parameters->iter),
                          row.cipher,
                          row.key_bytes,
                          row.iv_bytes,
                          {},
                          row.legacy};
}

Result<EncryptionScheme> Pbes2SchemeOf(const X509_ALGOR* algorithm) {
  const Pbes2Handle parameters(Unpack<PBE2PARAM>(algorithm, ASN1_ITEM_rptr(PBE2PARAM)));
  if (!parameters) return Malformed();
  const X509_ALGOR* const encryption = parameters->encryption;
  const Pbes2Cipher* const cipher = FindRow(kPbes2Ciphers, OBJ_obj2nid(encryption->algorithm));
  if (cipher == nullptr) return Unknown(encryption->algorithm);
  if (OBJ_obj2nid(parameters->keyfunc->algorithm) != NID_id_pbkdf2)
    return Unknown(parameters->keyfunc->algorithm);
  const Pbkdf2Handle derivation(Unpack<PBKDF2PARAM>(parameters->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM)));
  if (!derivation || derivation->salt->type != V_ASN1_OCTET_STRING || encryption->parameter == nullptr ||
      encryption->parameter->type != V_ASN1_OCTET_STRING) {
    return Malformed();
  }
  const int prf_nid = derivation->prf != nullptr ? OBJ_obj2nid(derivation->prf->algorithm) : NID_hmacWithSHA1;
  const Prf* const prf = FindRow(kPrfs, prf_nid);
  if (prf == nullptr) return Unknown(derivation->prf->algorithm);
  std::int64_t key_bytes = static_cast<std::int64_t>(cipher->key_bytes);
  const bool given = derivation->keylength != nullptr;
  const BytesView iv = ViewOf(encryption->parameter->value.octet_string);
  if ((given && ASN1_INTEGER_get_int64(&key_bytes, derivation->keylength) != 1) ||
      key_bytes != static_cast<std::int64_t>(cipher->key_bytes) || iv.size() != cipher->iv_bytes) {
    return Malformed();
  }
  const BytesView salt = ViewOf(derivation->salt->value.octet_string);
  return EncryptionScheme{true,
                          prf->digest,
                          Bytes(salt.begin(), salt.end()),
                          CountOf(derivation->iter),
                          cipher->name,
                          cipher->key_bytes,
                          cipher->iv_bytes,
                          Bytes(iv.begin(), iv.end()),
                          false};
}

Result<EncryptionScheme> SchemeOf(const X509_ALGOR* algorithm) {
  const int nid = OBJ_obj2nid(algorithm->algorithm);
  if (nid == NID_pbes2) return Pbes2SchemeOf(algorithm);
  const OldScheme* const row = FindRow(kOldSchemes, nid);
  if (row == nullptr) return Unknown(algorithm->algorithm);
  return OldSchemeOf(*row, algorithm);
}

// Every byte of `password` as a character of its own.
SecretBytes AsLatin1(const SecretBytes& password) {
  SecretBytes text;
  for (const std::uint8_t byte : password.Reveal()) {
    if (byte < 0x80) {
      text.push_back(byte);
    } else {
      text.push_back(static_cast<std::uint8_t>(0xC0 | byte >> 6));
      text.push_back(static_cast<std::uint8_t>(0x80 | (byte & 0x3F)));
    }
  }
  return text;
}

std::vector<PasswordForm> FormsOf(const SecretBytes& password) {
  std::vector<PasswordForm> forms;
  if (IsUtf8(AsText(password.Reveal()))) {
    forms.push_back({password.Clone(), false, password.Clone()});
    // NSS gave PBKDF2, too, the BMPString.
    forms.push_back({password.Clone(), false, Pkcs12PasswordBytes(password)});
  }
  // OpenSSL before 1.1 took bytes for characters; so does whoever types in another character set than UTF-8.
  SecretBytes latin1 = AsLatin1(password);
  if (latin1.size() != password.size()) forms.push_back({std::move(latin1), false, password.Clone()});
  if (password.empty()) forms.push_back({{}, true, {}});
  return forms;
}

// Plaintext of any size, which locked memory has no room for; most of it is certificates.
class Plaintext {
 public:
  explicit Plaintext(std::size_t size) : bytes_(size) {}
  ~Plaintext() { Wipe(bytes_); }
  Plaintext(const Plaintext&) = delete;
  Plaintext& operator=(const Plaintext&) = delete;
  std::span<std::uint8_t> span() { return bytes_; }

 private:
  Bytes bytes_;
};

// A library context with the legacy provider in it, which both end with the last owner; null where it is not
// installed.
std::shared_ptr<OSSL_LIB_CTX> OpenLegacy() {
  OSSL_LIB_CTX* const library = OSSL_LIB_CTX_new();
  OSSL_PROVIDER* const provider = library != nullptr ? OSSL_PROVIDER_load(library, "legacy") : nullptr;
  if (provider == nullptr) {
    OSSL_LIB_CTX_free(library);
    return nullptr;
  }
  return {library, [provider](OSSL_LIB_CTX* opened) {
            OSSL_PROVIDER_unload(provider);
            OSSL_LIB_CTX_free(opened);
          }};
}

}  // namespace

Pkcs12Decryption::Pkcs12Decryption(const SecretBytes& password, const Pkcs12Limits& limits)
    : forms_(FormsOf(password)), empty_(password.empty()), limits_(limits) {}

Result<void> Pkcs12Decryption::Spend(std::int64_t iterations) {
  if (iterations == 0 || iterations > limits_.iterations) {
    return Error(ErrorCode::kUnsupported,
                 "asks for an iteration count that is none, or over " + std::to_string(limits_.iterations));
  }
  work_ += iterations;
  if (work_ > limits_.work) {
    return Error(ErrorCode::kUnsupported, "its key derivations take more than " +
                                              std::to_string(limits_.work) + " iterations together");
  }
  return {};
}

Error Pkcs12Decryption::WrongPassword() const {
  if (opened_) {
    return {ErrorCode::kAccessDenied,
            "a part of it has another password than the file (with keytool: -keypasswd gives both the same)"};
  }
  if (empty_) return {ErrorCode::kPasswordRequired, "needs a password"};
  return {ErrorCode::kAccessDenied, "the password is wrong, or the file is damaged"};
}

Result<void> Pkcs12Decryption::CheckMac(PKCS12* file) {
  const EmptyQueue empty;
  if (PKCS12_mac_present(file) != 1) return {};
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_INTEGER* iterations = nullptr;
  const ASN1_OCTET_STRING* salt = nullptr;
  PKCS12_get0_mac(nullptr, &algorithm, &salt, &iterations, file);
  if (kPbmac1.Is({OBJ_get0_data(algorithm->algorithm), OBJ_length(algorithm->algorithm)})) {
    return Error(ErrorCode::kUnsupported,
                 "its MAC is PBMAC1 (RFC 9579), which OpenSSL knows only from 3.4; export it again without "
                 "(openssl 3.4: "
                 "openssl pkcs12 -export without -pbmac1_pbkdf2)");
  }
  const std::uint32_t count = iterations == nullptr ? 1 : CountOf(iterations);
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    // Two forms may differ in what PBKDF2 gets alone.
    if (i > 0 && !forms_[i].none && EqualSecrets(forms_[i].text.Reveal(), forms_[0].text.Reveal())) continue;
    TRY(Spend(count));
    const BytesView text = forms_[i].text.Reveal();
    const char* const password = forms_[i].none ? nullptr : text.empty() ? "" : AsText(text).data();
    if (PKCS12_verify_mac(file, password, static_cast<int>(text.size())) != 1) continue;
    std::swap(forms_[0], forms_[i]);
    opened_ = true;
    return {};
  }
  return WrongPassword();
}

Result<OSSL_LIB_CTX*> Pkcs12Decryption::Library(const EncryptionScheme& scheme) {
  if (!scheme.legacy) return static_cast<OSSL_LIB_CTX*>(nullptr);
  if (!legacy_) legacy_ = OpenLegacy();
  if (legacy_) return legacy_.get();
  return Error(ErrorCode::kUnsupported, "encrypted with " + std::string(scheme.cipher) +
                                            ", for which OpenSSL's legacy provider is not installed here" +
                                            std::string(kReexport));
}

Result<SecretBytes> Pkcs12Decryption::Derive(const EncryptionScheme& scheme, const PasswordForm& form,
                                             Bytes& iv) {
  if (!scheme.pbkdf2) {
    // Once for the key, once for the IV.
    TRY(Spend(scheme.iterations));
    TRY(Spend(scheme.iterations));
    const SecretBytes password = form.none ? SecretBytes() : Pkcs12PasswordBytes(form.text);
    const auto derive = [&](Pkcs12Use use, std::size_t size) {
      return DerivePkcs12(scheme.digest, password, scheme.salt, scheme.iterations, use, size);
    };
    if (scheme.iv_bytes > 0) {
      const SecretBytes derived = TRY(derive(Pkcs12Use::kIv, scheme.iv_bytes));
      iv.assign(derived.Reveal().begin(), derived.Reveal().end());
    }
    return derive(Pkcs12Use::kKey, scheme.key_bytes);
  }
  iv = scheme.iv;
  Bytes of;
  Writer writer(of);
  writer.Raw(AsBytes(scheme.digest));
  writer.U32(scheme.iterations);
  writer.U32(static_cast<std::uint32_t>(scheme.key_bytes));
  writer.U64(reinterpret_cast<std::uintptr_t>(form.raw.Reveal().data()));  // Which form it is.
  writer.Raw(scheme.salt);
  if (of != derived_of_) {
    TRY(Spend(scheme.iterations));
    derived_of_.clear();
    derived_ =
        TRY(DerivePbkdf2(scheme.digest, form.raw.Reveal(), scheme.salt, scheme.iterations, scheme.key_bytes));
    derived_of_ = std::move(of);
  }
  return derived_.Clone();
}

Result<void> Pkcs12Decryption::Decrypt(const X509_ALGOR* algorithm, const ASN1_OCTET_STRING* ciphertext,
                                       const std::function<bool(BytesView)>& accept) {
  const EmptyQueue empty;
  const EncryptionScheme scheme = TRY(SchemeOf(algorithm));
  OSSL_LIB_CTX* const library = TRY(Library(scheme));
  const BytesView bytes = ViewOf(ciphertext);
  Plaintext plaintext(bytes.size() + kCipherSlack);
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    Bytes iv;
    const SecretBytes key = TRY(Derive(scheme, forms_[i], iv));
    const auto size = openssl::Decrypt(library, scheme.cipher, key, iv, bytes, plaintext.span());
    if (!size.has_value() && size.error().code() != ErrorCode::kAccessDenied) return size.error();
    if (!size.has_value() || !accept(plaintext.span().first(size.value()))) continue;
    std::swap(forms_[0], forms_[i]);
    opened_ = true;
    return {};
  }
  return WrongPassword();
}

}  // namespace certfs::openssl
