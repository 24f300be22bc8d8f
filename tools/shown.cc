#include "tools/shown.h"

#include <nlohmann/json.hpp>

#include "crypto/base/utf8.h"

namespace certfs {

std::string Shown(const std::string& text) {
  if (IsUtf8(text) && !HasControl(text)) return text;
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace certfs
