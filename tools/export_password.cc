#include "tools/export_password.h"

#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/base/utf8.h"
#include "store/settings.h"
#include "tools/unlock.h"

namespace certfs {

namespace {

Error Refused(std::string reason) {
  return {ErrorCode::kRejected, "the export password is refused: " + std::move(reason)};
}

}  // namespace

Result<std::size_t> CheckExportPassword(const SecretBytes& password) {
  std::string_view text = AsText(password.Reveal());
  if (text.size() > kExportPasswordBytesMax)
    return Refused("it is longer than " + std::to_string(kExportPasswordBytesMax) + " bytes");
  if (!IsUtf8(text)) return Refused("it is not valid UTF-8");
  if (HasControl(text)) return Refused("it has a control character in it");
  std::size_t characters = 0;
  for (; !text.empty(); text.remove_prefix(Utf8Length(text))) ++characters;
  if (characters < kExportPasswordCharactersMin) {
    return Refused("it has " + std::to_string(characters) + " characters, and needs " +
                   std::to_string(kExportPasswordCharactersMin));
  }
  return characters;
}

Result<SecretBytes> ReadExportPassword(const std::filesystem::path& file,
                                       const std::filesystem::path& keystore) {
  UnlockSecret given =
      TRY(file.empty() ? AskTwice("New export password for " + keystore.string()) : ReadPassphraseFile(file));
  const std::size_t characters = TRY(CheckExportPassword(given.bytes));
  if (characters < kExportPasswordCharactersGood) {
    std::cerr << "certfs: warning: the export password has " << characters
              << " characters; who has an export can guess as fast as he computes: use "
              << kExportPasswordCharactersGood << " or more\n";
  }
  return std::move(given.bytes);
}

}  // namespace certfs
