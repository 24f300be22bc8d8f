#include "tools/entry_name.h"

#include <string_view>

namespace certfs {

Result<EntryName> ParseEntryName(const std::string& text) {
  const auto usage = [&](const std::string& words) {
    return Error(ErrorCode::kInvalidArgument, text + ": " + words);
  };
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return usage("an entry is named STORE/ALIAS");
  const auto store = StoreName::Parse(std::string_view(text).substr(0, slash));
  const auto alias = Alias::Parse(std::string_view(text).substr(slash + 1));
  if (!store.has_value()) return usage(store.error().message());
  if (!alias.has_value()) return usage(alias.error().message());
  return EntryName{store.value(), alias.value()};
}

}  // namespace certfs
