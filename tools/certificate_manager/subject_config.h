// Request files (certool.cfg) made of what is there already: of a certificate, to be issued once more, and of
// one file for several entries.
//
// Thread-safety: pure functions.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "crypto/certificate.h"

namespace certfs {

// A request file that asks for what `certificate` certifies: its subject, its names, and a new key of the
// kind of its own. kUnsupported where a request file cannot say that: another kind of name, an attribute
// that certool.cfg has no key for, a comma in a value that may be a list.
Result<std::string> ConfigOf(const Certificate& certificate);

// The same of its parts: the subject as RFC 2253 writes it, the names as SubjectAltNames has them, the key as
// CertifiedKey does.
Result<std::string> ConfigOf(std::string_view subject, const std::vector<std::string>& names,
                             std::string_view key);

// Returns `config` with `value` in the place of what it says of `key`, added where it says nothing. The other
// lines keep their numbers.
std::string WithValue(std::string_view config, std::string_view key, std::string_view value);

// What `config` says, by the keys of certool.cfg in lower case; for people to look over. What is wrong with a
// line is said where it is parsed.
std::map<std::string, std::string> ValuesOf(std::string_view config);

}  // namespace certfs
