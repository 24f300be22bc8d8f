#include "store/backup_manifest.h"

#include <algorithm>

#include "store/backup_layout.h"
#include "store/bounded_json.h"

namespace certfs {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortTextMax = 64;

Error NoManifest() { return {ErrorCode::kMalformed, "manifest.json is not a backup's"}; }

Result<std::uint64_t> NumberIn(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return NoManifest();
  return found->get<std::uint64_t>();
}

// Short, printable ASCII: it is going to be shown.
Result<std::string> TextIn(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return NoManifest();
  std::string text = found->get<std::string>();
  const bool plain = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  if (text.empty() || text.size() > kShortTextMax || !plain) return NoManifest();
  return text;
}

Result<StoreId> IdIn(const Json& object, const char* name) {
  const std::string text = TRY(TextIn(object, name));
  StoreId id{};
  if (text.size() != 2 * id.size()) return NoManifest();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = std::string_view("0123456789abcdef").find(text[i]);
    if (digit == std::string_view::npos) return NoManifest();
    id[i / 2] = static_cast<std::uint8_t>(id[i / 2] << 4 | digit);
  }
  return id;
}

}  // namespace

std::string EncodeBackupManifest(const BackupManifest& manifest) {
  Json object{{"format", manifest.format},
              {"certfs", manifest.version},
              {"keystore", ToHex(manifest.keystore)},
              {"commit", manifest.commit},
              {"time", manifest.time},
              {"stores", manifest.counts.stores},
              {"entries", manifest.counts.entries},
              {"files", manifest.counts.files},
              {"bytes", manifest.counts.bytes}};
  if (manifest.format >= 2) object["issued"] = manifest.counts.issued;
  return object.dump(2) + "\n";
}

Result<BackupManifest> DecodeBackupManifest(std::string_view text) {
  const Json object = ParseBoundedJson<Json>(text);
  if (!object.is_object()) return NoManifest();
  const std::uint64_t format = TRY(NumberIn(object, "format"));
  if (format > kBackupFormat) {
    return Error(ErrorCode::kUnsupported, "is a backup of format " + std::to_string(format) +
                                              "; this certfs knows format " + std::to_string(kBackupFormat) +
                                              ": restore it with a newer one");
  }
  if (format == 0) return NoManifest();
  BackupManifest manifest;
  manifest.format = format;
  manifest.version = TRY(TextIn(object, "certfs"));
  manifest.keystore = TRY(IdIn(object, "keystore"));
  manifest.commit = TRY(NumberIn(object, "commit"));
  manifest.time = TRY(TextIn(object, "time"));
  manifest.counts.stores = TRY(NumberIn(object, "stores"));
  manifest.counts.entries = TRY(NumberIn(object, "entries"));
  manifest.counts.files = TRY(NumberIn(object, "files"));
  manifest.counts.bytes = TRY(NumberIn(object, "bytes"));
  if (format >= 2) manifest.counts.issued = TRY(NumberIn(object, "issued"));
  return manifest;
}

}  // namespace certfs
