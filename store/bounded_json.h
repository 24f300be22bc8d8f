// JSON from outside. Private to store/.
//
// The library reads any depth, but copies and compares by recursion: a file that nests without end would end
// the process.
//
// Thread-safety: a free function.

#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace certfs {

// No document of ours nests deeper.
inline constexpr int kJsonDepthMax = 16;

// Returns what `text` says; discarded (is_discarded()) if that is no JSON or nests deeper than kJsonDepthMax.
template <typename Json>
Json ParseBoundedJson(std::string_view text) {
  bool bounded = true;
  const auto look = [&](int depth, typename Json::parse_event_t, Json&) {
    bounded = bounded && depth <= kJsonDepthMax;
    return bounded;
  };
  Json json = Json::parse(text, look, false);
  if (!bounded) return Json(Json::value_t::discarded);
  return json;
}

}  // namespace certfs
