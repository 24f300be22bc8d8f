// A request file (certool.cfg) as text, with values of the command line in the place of its own.
//
// The lines keep their numbers, so that what is wrong with the file is said of the line that its author sees;
// what is wrong with a value of the command line is said of its option.
//
// Thread-safety: a value. Errors: kInvalidArgument where a file cannot be read; those of RequestConfig.

#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "crypto/base/result.h"
#include "crypto/request_config.h"

namespace certfs {

// The keys of certool.cfg, which are options of certool as well.
inline constexpr std::array<const char*, 10> kRequestKeys{
    "Country", "Name",     "DomainComponent", "Organization", "OrgUnit",
    "State",   "Locality", "IPAddress",       "Email",        "Hostname"};

class RequestText {
 public:
  RequestText() = default;
  // Reads `path`.
  static Result<RequestText> Read(const std::string& path);

  // Puts `value` in the place of what the file says of `key`; `option` is how the user said it ("--Name").
  void Set(std::string_view key, std::string_view value, std::string_view option);

  bool empty() const noexcept { return text_.empty(); }
  const std::string& text() const noexcept { return text_; }

  // What it asks for. A line `Profile = NAME` is no part of that: the authority reads it.
  Result<RequestConfig> Parse() const;

 private:
  std::string path_;
  std::string text_;
  std::map<std::size_t, std::string> options_;  // By the number of the line, from 1.
};

}  // namespace certfs
