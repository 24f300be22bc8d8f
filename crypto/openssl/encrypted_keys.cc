#include "crypto/openssl/encrypted_keys.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>

#include "crypto/openssl/envelope_recipients.h"
#include "crypto/openssl/error_queue.h"
#include "crypto/openssl/handles.h"

namespace certfs::openssl {

namespace {

using EncryptedKeyHandle = Handle<X509_SIG, X509_SIG_free>;
using Pbes2Handle = Handle<PBE2PARAM, PBE2PARAM_free>;
using Pbkdf2Handle = Handle<PBKDF2PARAM, PBKDF2PARAM_free>;
using PbeHandle = Handle<PBEPARAM, PBEPARAM_free>;
using ScryptHandle = Handle<SCRYPT_PARAMS, SCRYPT_PARAMS_free>;

// N times r times p: eight times what a passphrase of a keystore costs. What OpenSSL gives it of memory, 32
// MiB, bounds none of the time.
constexpr std::uint64_t kScryptWorkMax = std::uint64_t{1} << 23;

template <typename T>
T* Unpack(const X509_ALGOR* algorithm, const ASN1_ITEM* item) {
  return static_cast<T*>(ASN1_TYPE_unpack_sequence(item, algorithm->parameter));
}

// `number`, or more than any bound where it is less than one or has no room in 31 bits.
std::uint64_t CostOf(const ASN1_INTEGER* number) {
  std::int64_t value = 0;
  const bool in_bounds = ASN1_INTEGER_get_int64(&value, number) == 1 && value > 0 && value <= INT32_MAX;
  return in_bounds ? static_cast<std::uint64_t>(value) : std::uint64_t{1} << 32;
}

Result<void> CheckRounds(std::uint64_t rounds) {
  if (rounds <= kStretchRoundsMax) return {};
  return Error(ErrorCode::kUnsupported,
               "its passphrase is stretched by a number of rounds that is none, or over " +
                   std::to_string(kStretchRoundsMax));
}

Result<void> CheckScrypt(const SCRYPT_PARAMS& scrypt) {
  std::uint64_t work = 1;
  for (const ASN1_INTEGER* const each :
       {scrypt.costParameter, scrypt.blockSize, scrypt.parallelizationParameter}) {
    const std::uint64_t cost = CostOf(each);
    if (cost > kScryptWorkMax / work)
      return Error(ErrorCode::kUnsupported,
                   "its passphrase is stretched by more scrypt than takes some seconds");
    work *= cost;
  }
  return {};
}

using KeyInfoHandle = Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

int GivePassword(char* buffer, int size, int /*writing*/, void* secret) {
  const BytesView password = static_cast<const SecretBytes*>(secret)->Reveal();
  if (password.size() > static_cast<std::size_t>(size)) return -1;
  std::copy(password.begin(), password.end(), buffer);
  return static_cast<int>(password.size());
}

}  // namespace

Result<void> CheckStretching(const X509_SIG* encrypted) {
  const EmptyQueue empty;
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(encrypted, &algorithm, nullptr);
  // What cannot be taken apart OpenSSL will not take apart, either.
  if (OBJ_obj2nid(algorithm->algorithm) != NID_pbes2) {
    const PbeHandle parameters(Unpack<PBEPARAM>(algorithm, ASN1_ITEM_rptr(PBEPARAM)));
    return parameters ? CheckRounds(CostOf(parameters->iter)) : Result<void>();
  }
  const Pbes2Handle parameters(Unpack<PBE2PARAM>(algorithm, ASN1_ITEM_rptr(PBE2PARAM)));
  if (!parameters) return {};
  if (OBJ_obj2nid(parameters->keyfunc->algorithm) == NID_id_scrypt) {
    const ScryptHandle scrypt(Unpack<SCRYPT_PARAMS>(parameters->keyfunc, ASN1_ITEM_rptr(SCRYPT_PARAMS)));
    return scrypt ? CheckScrypt(*scrypt) : Result<void>();
  }
  const Pbkdf2Handle derivation(Unpack<PBKDF2PARAM>(parameters->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM)));
  return derivation ? CheckRounds(CostOf(derivation->iter)) : Result<void>();
}

SecretBytes EncodedPkcs8(const PKCS8_PRIV_KEY_INFO* info) {
  const int size = info != nullptr ? i2d_PKCS8_PRIV_KEY_INFO(info, nullptr) : -1;
  SecretBytes out(size > 0 ? static_cast<std::size_t>(size) : 0);
  std::uint8_t* at = out.data();
  if (size > 0) i2d_PKCS8_PRIV_KEY_INFO(info, &at);
  return out;
}

Result<SecretBytes> DecryptKey(const X509_SIG* encrypted, Pkcs12Decryption& decryption) {
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* ciphertext = nullptr;
  X509_SIG_get0(encrypted, &algorithm, &ciphertext);
  SecretBytes pkcs8;
  TRY(decryption.Decrypt(algorithm, ciphertext, [&](BytesView der) {
    const std::uint8_t* at = der.data();
    const KeyInfoHandle info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
    pkcs8 = EncodedPkcs8(info.get());
    return !pkcs8.empty();
  }));
  return pkcs8;
}

Result<SecretBytes> DecryptPkcs8(BytesView der, Pkcs12Decryption& decryption) {
  const EmptyQueue empty;
  const std::uint8_t* at = der.data();
  const EncryptedKeyHandle encrypted(d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!encrypted || at != der.data() + der.size()) {
    return Error(ErrorCode::kMalformed, "an encrypted key that is damaged: " + TakeReason("bad DER"));
  }
  return DecryptKey(encrypted.get(), decryption);
}

Result<SecretBytes> DecryptTraditional(BytesView pem, const SecretBytes& password) {
  const EmptyQueue empty;
  if (password.empty()) return Error(ErrorCode::kPasswordRequired, "a key that needs a password");
  const BioHandle in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const KeyHandle key(
      in ? PEM_read_bio_PrivateKey(in.get(), nullptr, GivePassword, const_cast<SecretBytes*>(&password))
         : nullptr);
  if (!key) return Error(ErrorCode::kAccessDenied, "the password of a key is wrong, or the key is damaged");
  const KeyInfoHandle info(EVP_PKEY2PKCS8(key.get()));
  SecretBytes pkcs8 = EncodedPkcs8(info.get());
  if (pkcs8.empty()) return Error(ErrorCode::kUnsupported, "a key of a kind that has no PKCS#8 encoding");
  return pkcs8;
}

}  // namespace certfs::openssl
