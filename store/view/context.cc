#include "store/view/context.h"

#include <string_view>

namespace certfs::view {

namespace {

using namespace std::string_view_literals;

// What is derived by these shows in files that others keep: never change or reuse.
constexpr auto kSaltLabel = "certfs/v1/export-salt\0"sv;
constexpr auto kSeedLabel = "certfs/v1/export-seed\0"sv;
constexpr auto kPasswordLabel = "certfs/v1/export-password\0"sv;

constexpr auto kTrustPassword = "changeit"sv;

Error NoPassword() {
  return {ErrorCode::kPasswordRequired, "export-password",
          "no export password is set, and this file bears keys; run: certfs password set KEYSTORE"};
}

}  // namespace

Result<Pkcs12Settings> Context::ExportForm(TableSnapshot& snapshot) {
  const Settings settings = TRY(snapshot.GetSettings());
  if (settings.profile == ExportProfile::kCompatible)
    return Pkcs12Settings{Pkcs12Profile::kCompatible, kPkcs12CompatibleIterations};
  return Pkcs12Settings{Pkcs12Profile::kModern, kPkcs12Iterations};
}

Result<Pkcs12Settings> Context::TrustForm(TableSnapshot& snapshot) {
  Pkcs12Settings form = TRY(ExportForm(snapshot));
  if (form.profile == Pkcs12Profile::kModern) form.iterations = kPkcs12TrustIterations;
  return form;
}

Result<Digest> Context::PasswordDigest(TableSnapshot& snapshot) {
  const Settings settings = TRY(snapshot.GetSettings());
  if (settings.export_password.empty()) return Digest{};
  const std::uint8_t profile = static_cast<std::uint8_t>(settings.profile);
  return HmacSha256(TRY(snapshot.DeriveViewKey()),
                    {AsBytes(kPasswordLabel), {&profile, 1}, settings.export_password.Reveal()});
}

Result<bool> Context::IsReleased(TableSnapshot& snapshot, const Store& store, const Entry& entry) {
  auto released = key_release_.Check(snapshot, store, entry);
  if (released.has_value()) return true;
  if (released.error().code() == ErrorCode::kRevoked) return false;
  return std::move(released).error();
}

Result<SecretBytes> Context::Seed(TableSnapshot& snapshot) {
  const Digest seed = HmacSha256(TRY(snapshot.DeriveViewKey()), {AsBytes(kSeedLabel)});
  return SecretBytes::CopyOf(seed);
}

Result<std::shared_ptr<const Pkcs12Password>> Context::Stretch(TableSnapshot& snapshot, Stretched& kept,
                                                               const SecretBytes& password,
                                                               const Pkcs12Settings& form) {
  const SecretBytes key = TRY(snapshot.DeriveViewKey());
  const std::uint8_t profile = static_cast<std::uint8_t>(form.profile);
  const Digest of = HmacSha256(key, {AsBytes(kPasswordLabel), {&profile, 1}, password.Reveal()});
  // Under the lock: of many that open at once, one stretches, and the others wait for what it gets.
  const std::lock_guard lock(mutex_);
  if (kept.password && kept.of == of) return kept.password;
  const Digest salt = HmacSha256(key, {AsBytes(kSaltLabel), password.Reveal()});
  kept.password = std::make_shared<const Pkcs12Password>(
      TRY(Pkcs12Password::Stretch(form, password, BytesView(salt).first(kPkcs12SaltBytes))));
  kept.of = of;
  return kept.password;
}

Result<std::shared_ptr<const Pkcs12Password>> Context::ExportPassword(TableSnapshot& snapshot) {
  const Settings settings = TRY(snapshot.GetSettings());
  if (settings.export_password.empty()) return NoPassword();
  return Stretch(snapshot, export_, settings.export_password, TRY(ExportForm(snapshot)));
}

Result<std::shared_ptr<const Pkcs12Password>> Context::TrustPassword(TableSnapshot& snapshot) {
  const SecretBytes password = SecretBytes::CopyOf(AsBytes(kTrustPassword));
  return Stretch(snapshot, trust_, password, TRY(TrustForm(snapshot)));
}

}  // namespace certfs::view
