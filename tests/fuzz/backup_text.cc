#include "store/authority_archive.h"
#include "store/backup_manifest.h"
#include "tests/fuzz/targets.h"

namespace certfs::fuzz {

// The texts in a backup: its manifest, the authority, the lines of its ledger. There is one text for each
// value of the last two, and what is read is written as it was.
int FuzzBackupText(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = AsText(BytesView(data, size));
  const auto manifest = DecodeBackupManifest(text);
  if (manifest.has_value()) {
    const auto again = DecodeBackupManifest(EncodeBackupManifest(manifest.value()));
    PROPERTY(manifest.value().format != 2 || (again.has_value() && again.value() == manifest.value()));
  }
  const auto authority = ParseAuthorityJson(text);
  if (authority.has_value()) PROPERTY(AuthorityJson(authority.value()) == text);
  std::string lines;
  const auto parsed = ParseLines(BytesView(data, size), [&](ArchivedLine line) -> Result<void> {
    lines += AsText(LineText(line).Reveal());
    return {};
  });
  if (parsed.has_value()) PROPERTY(lines == text);
  if (manifest.has_value() || authority.has_value() || parsed.has_value()) NoteRead();
  return 0;
}

}  // namespace certfs::fuzz
