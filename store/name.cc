#include "store/name.h"

#include <algorithm>

namespace certfs {

namespace internal {

Result<void> CheckName(std::string_view name, std::size_t bytes_max, std::string_view forbidden) {
  const auto refuse = [](std::string reason) { return Error(ErrorCode::kMalformed, std::move(reason)); };
  if (name.size() > bytes_max) {
    return Error(ErrorCode::kNameTooLong, "a name is at most " + std::to_string(bytes_max) + " bytes");
  }
  if (name.empty()) return refuse("a name is at least one byte");
  if (name.front() == '.') return refuse("a name does not begin with a dot");
  if (name.find_first_of(forbidden) != std::string_view::npos) return refuse("a name has no '/' and no '@'");
  if (!IsUtf8(name)) return refuse("a name is valid UTF-8");
  if (HasControl(name)) return refuse("a name has no control characters");
  return {};
}

}  // namespace internal

std::string FoldName(std::string_view name) {
  std::string folded(name);
  std::transform(folded.begin(), folded.end(), folded.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return folded;
}

}  // namespace certfs
