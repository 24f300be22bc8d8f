// The numbers that vecs-cli's failures have had since before certfs: those of Windows, and VECS's own from
// 90000 on. One table gives each its symbolic name and the small number that the shell gets for it.
//
// Thread-safety: constants and pure functions.

#pragma once

#include <span>
#include <string_view>

#include "crypto/base/error.h"
#include "tools/control_client.h"

namespace certfs::vecs {

struct ErrorRow {
  int exit_code;  // Scripts depend on it: never change or reuse.
  int number;     // "vecs-cli failed. Error 4312: …"
  std::string_view name;
  std::string_view when;
};

// All rows, by exit code from 1 on. The last column is what --help says.
std::span<const ErrorRow> ErrorRows();

// The row of a failure: by its rule where it has one of those below, else by its code.
const ErrorRow& RowOf(const Error& error);

// What a file lacks that the command line names is not what the mount lacks: kNotFound gets the rule
// kNoSuchFile.
Error AboutFile(const Error& error);

// {"error": {"name", "number", "exit_code", "message"}}
Json ErrorJson(const Error& error);

// Rules of vecs-cli's own, for what the code of an Error does not say by itself.
inline constexpr std::string_view kNoSuchObject = "vecs-not-found";
inline constexpr std::string_view kKeyMismatch = "vecs-key-mismatch";
inline constexpr std::string_view kNoMount = "vecs-no-mount";
inline constexpr std::string_view kNoSuchUser = "vecs-no-such-user";
inline constexpr std::string_view kNoSuchFile = "vecs-no-such-file";
inline constexpr std::string_view kWrongPassword = "vecs-wrong-password";
inline constexpr std::string_view kNotOwner = "vecs-not-owner";
inline constexpr std::string_view kInvalidState = "vecs-invalid-state";

// Of a failure that stands in the object that --json printed, so that there is no second one.
inline constexpr std::string_view kToldInObject = "vecs-told";

}  // namespace certfs::vecs
