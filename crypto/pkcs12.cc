#include "crypto/pkcs12.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "crypto/base/utf8.h"
#include "crypto/der.h"
#include "crypto/openssl/pkcs12_keys.h"
#include "crypto/openssl/pkcs12_shape.h"
#include "crypto/sealing.h"

namespace certfs {

namespace {

using namespace pkcs12;

using namespace std::string_view_literals;

// Changing these changes the bytes of every file.
constexpr auto kDeriveLabel = "certfs/v1/pkcs12\0"sv;
constexpr std::uint8_t kKindOfCertificates = 1;
constexpr std::uint8_t kKindOfKey = 2;
constexpr std::uint8_t kKindOfLocalKeyId = 3;

constexpr std::size_t kIvBytes = 16;
constexpr std::size_t kLocalKeyIdBytes = 20;  // As long as the SHA-1 that others put there.
// Far below what lengths and OpenSSL's ints can hold.
constexpr std::size_t kFileBytesMost = std::size_t{1} << 30;

std::size_t PaddedBytes(Pkcs12Profile profile, std::size_t plaintext) {
  const std::size_t block = AlgorithmsOf(profile).block_bytes;
  return (plaintext / block + 1) * block;
}

Result<void> CheckName(std::string_view name) {
  if (!IsUtf8(name)) return Error(ErrorCode::kInvalidArgument, "a name for PKCS#12 that is not UTF-8");
  return {};
}

}  // namespace

// --- Pkcs12Password

struct Pkcs12Password::State {
  Pkcs12Settings settings;
  Bytes salt;
  SecretBytes mac_key;
  SecretBytes encryption_key;  // Of kModern.
  SecretBytes password;        // Of kCompatible, whose bags have a derivation each.
};

Result<Pkcs12Password> Pkcs12Password::Stretch(const Pkcs12Settings& settings, const SecretBytes& password,
                                               BytesView salt) {
  const std::string_view text = AsText(password.Reveal());
  if (text.empty()) return Error(ErrorCode::kInvalidArgument, "an empty password");
  if (!IsUtf8(text) || text.find('\0') != std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument, "a password that is not UTF-8, or has a NUL");
  }
  if (salt.size() != kPkcs12SaltBytes || settings.iterations == 0 ||
      settings.iterations > std::uint32_t{std::numeric_limits<std::int32_t>::max()}) {
    return Error(ErrorCode::kInvalidArgument, "a salt or an iteration count out of bounds");
  }
  const Algorithms& algorithms = AlgorithmsOf(settings.profile);
  State state;
  state.settings = settings;
  state.salt.assign(salt.begin(), salt.end());
  state.password = openssl::Pkcs12PasswordBytes(password);
  state.mac_key = TRY(openssl::DerivePkcs12(algorithms.digest, state.password, salt, IterationsOf(settings),
                                            openssl::Pkcs12Use::kMac, algorithms.digest_bytes));
  if (settings.profile == Pkcs12Profile::kModern) {
    state.encryption_key = TRY(openssl::DerivePbkdf2(algorithms.digest, password.Reveal(), salt,
                                                     settings.iterations, algorithms.key_bytes));
    state.password.clear();
  }
  return Pkcs12Password(std::make_shared<const State>(std::move(state)));
}

const Pkcs12Settings& Pkcs12Password::settings() const noexcept { return state_->settings; }

// --- Pkcs12Builder

Pkcs12Builder::Pkcs12Builder(Pkcs12Password password, const SecretBytes& seed)
    : password_(std::move(password)), seed_(seed.Clone()) {}

Digest Pkcs12Builder::Derived(std::uint8_t kind, std::uint32_t position, BytesView plaintext) const {
  Bytes place;
  Writer writer(place);
  writer.U8(static_cast<std::uint8_t>(password_.settings().profile));
  writer.U8(kind);
  writer.U32(position);
  return HmacSha256(seed_, {AsBytes(kDeriveLabel), place, plaintext});
}

Result<void> Pkcs12Builder::Encrypt(const Digest& derived, BytesView plaintext, Bytes& algorithm,
                                    Bytes& out) const {
  const Pkcs12Password::State& state = *password_.state_;
  const Algorithms& algorithms = AlgorithmsOf(state.settings.profile);
  const BytesView own = BytesView(derived).first(kIvBytes);
  algorithm = EncryptionAlgorithm(state.settings, state.salt, own);
  if (state.settings.profile == Pkcs12Profile::kModern) {
    return openssl::EncryptCbc(algorithms.cipher, state.encryption_key, own, plaintext, out);
  }
  const auto derive = [&](openssl::Pkcs12Use use, std::size_t size) {
    return openssl::DerivePkcs12(algorithms.digest, state.password, own, kPkcs12CompatibleIterations, use,
                                 size);
  };
  const SecretBytes key = TRY(derive(openssl::Pkcs12Use::kKey, algorithms.key_bytes));
  const SecretBytes iv = TRY(derive(openssl::Pkcs12Use::kIv, algorithms.block_bytes));
  return openssl::EncryptCbc(algorithms.cipher, key, iv.Reveal(), plaintext, out);
}

Result<void> Pkcs12Builder::AddKey(std::string_view name, BytesView pkcs8,
                                   std::span<const BytesView> certificates) {
  TRY(CheckName(name));
  const BytesView leaf = certificates.empty() ? BytesView() : certificates.front();
  // By position as well, so that a pair that is there twice is two pairs.
  const Digest identity = Derived(kKindOfLocalKeyId, count_, leaf);
  const std::vector<Bytes> joined = PairAttributes(name, BytesView(identity).first(kLocalKeyIdBytes));
  Bytes algorithm;
  Bytes ciphertext;
  TRY(Encrypt(Derived(kKindOfKey, count_, pkcs8), pkcs8, algorithm, ciphertext));
  PutKeyBag(keys_, algorithm, BytesView(ciphertext), joined);
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    PutCertificateBag(certificates_, certificates[i], i == 0 ? joined : std::vector<Bytes>());
  }
  ++count_;
  return {};
}

Result<void> Pkcs12Builder::AddTrusted(std::string_view name, BytesView certificate) {
  TRY(CheckName(name));
  PutCertificateBag(certificates_, certificate, TrustedAttributes(name));
  return {};
}

Result<Bytes> Pkcs12Builder::Finish() {
  const Pkcs12Password::State& state = *password_.state_;
  if (certificates_.size() + keys_.size() > kFileBytesMost) {
    return Error(ErrorCode::kTooLarge, "a PKCS#12 file of more than a GiB");
  }
  const bool has_certificates = !certificates_.empty();
  Bytes algorithm;
  Bytes ciphertext;
  if (has_certificates) {
    DerWriter<Bytes>(certificates_).Enclose(kDerSequence, 0);
    TRY(Encrypt(Derived(kKindOfCertificates, 0, certificates_), certificates_, algorithm, ciphertext));
  }
  Bytes safes;
  PutSafes(safes, algorithm, BytesView(ciphertext), BytesView(keys_), has_certificates, !keys_.empty());
  const Bytes mac = TRY(openssl::MacOf(AlgorithmsOf(state.settings.profile).digest, state.mac_key, safes));
  Bytes file;
  PutFile(file, state.settings, BytesView(safes), mac, state.salt);
  return file;
}

// --- Pkcs12Measure

Pkcs12Measure::Pkcs12Measure(const Pkcs12Settings& settings)
    : settings_(settings),
      algorithm_(EncryptionAlgorithm(settings, Bytes(kPkcs12SaltBytes), Bytes(kIvBytes))) {}

void Pkcs12Measure::AddKey(std::string_view name, std::size_t pkcs8_bytes,
                           std::span<const std::size_t> certificate_bytes) {
  const std::vector<Bytes> joined = PairAttributes(name, std::array<std::uint8_t, kLocalKeyIdBytes>{});
  ByteCount keys;
  PutKeyBag(keys, algorithm_, PaddedBytes(settings_.profile, pkcs8_bytes), joined);
  keys_ += keys.size();
  ByteCount certificates;
  for (std::size_t i = 0; i < certificate_bytes.size(); ++i) {
    PutCertificateBag(certificates, certificate_bytes[i], i == 0 ? joined : std::vector<Bytes>());
  }
  certificates_ += certificates.size();
}

void Pkcs12Measure::AddTrusted(std::string_view name, std::size_t certificate_bytes) {
  ByteCount certificates;
  PutCertificateBag(certificates, certificate_bytes, TrustedAttributes(name));
  certificates_ += certificates.size();
}

std::size_t Pkcs12Measure::size() const {
  const std::size_t ciphertext = PaddedBytes(settings_.profile, DerBytes(certificates_));
  ByteCount safes;
  PutSafes(safes, algorithm_, ciphertext, keys_, certificates_ > 0, keys_ > 0);
  ByteCount file;
  const Bytes mac(AlgorithmsOf(settings_.profile).digest_bytes);
  PutFile(file, settings_, safes.size(), mac, Bytes(kPkcs12SaltBytes));
  return file.size();
}

}  // namespace certfs
