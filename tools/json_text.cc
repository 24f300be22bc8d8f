#include "tools/json_text.h"

#include <iostream>
#include <nlohmann/json.hpp>

namespace certfs {

namespace {

template <typename Json>
std::string TextOf(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string JsonText(const nlohmann::json& json) { return TextOf(json); }
std::string JsonText(const nlohmann::ordered_json& json) { return TextOf(json); }

void PrintJson(const nlohmann::ordered_json& json) { std::cout << JsonText(json); }

}  // namespace certfs
