// Names of stores and entries, checked when made.
//
// 1 to 128 bytes (stores) or 120 (aliases) of valid UTF-8, without `/`, `@` or control characters and without
// a leading dot. Two names that differ only in the case of ASCII letters are the same name, and keep the case
// given.
//
// Thread-safety: values.

#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "crypto/base/result.h"
#include "crypto/base/utf8.h"

namespace certfs {

inline constexpr std::size_t kStoreNameBytesMax = 128;
inline constexpr std::size_t kAliasBytesMax = 120;

// The alias under which BACKUP_STORE keeps a state: "bkp_", the entry's alias, and where two stores hold that
// alias, "@" and the name of the second (KeptName, store/kept_state.h).
inline constexpr std::string_view kKeptPrefix = "bkp_";
inline constexpr std::size_t kKeptAliasBytesMax = 4 + kAliasBytesMax + 1 + kStoreNameBytesMax;

// The name of the directory in which an entry's replacement is staged; `<alias>/next` is the alias of the
// staged entry, which nobody can give, because of its slash.
inline constexpr std::string_view kNextName = "next";

namespace internal {

// Returns kNameTooLong over `bytes_max`, kMalformed for any other name that is not allowed.
Result<void> CheckName(std::string_view name, std::size_t bytes_max, std::string_view forbidden);

}  // namespace internal

// Returns `name` with A-Z as a-z: what decides whether two names are the same.
std::string FoldName(std::string_view name);

template <typename Tag, std::size_t kBytesMax>
class Name {
 public:
  // No name at all; what a value holds until it is given one.
  Name() = default;

  // Returns kNameTooLong or kMalformed, with the reason.
  static Result<Name> Parse(std::string_view text) {
    TRY(internal::CheckName(text, kBytesMax, "/@"));
    return Name(std::string(text));
  }

  // The same for a name that certfs itself may have given: an alias of BACKUP_STORE as well.
  static Result<Name> ParseGiven(std::string_view text) {
    if (!text.starts_with(kKeptPrefix)) return Parse(text);
    TRY(internal::CheckName(text, kKeptAliasBytesMax, "/"));
    return Name(std::string(text));
  }

  // The same for a name that a record holds: a staged entry's as well.
  static Result<Name> ParseStored(std::string_view text) {
    if (!text.ends_with(kNextSuffix)) return ParseGiven(text);
    return TRY(Parse(text.substr(0, text.size() - kNextSuffix.size()))).Next();
  }

  // The alias of what is staged for the entry of this alias.
  Name Next() const { return Name(text_ + std::string(kNextSuffix)); }
  bool is_next() const { return text_.ends_with(kNextSuffix); }

  const std::string& text() const noexcept { return text_; }
  friend bool operator==(const Name&, const Name&) = default;
  friend auto operator<=>(const Name&, const Name&) = default;

 private:
  static constexpr std::string_view kNextSuffix = "/next";

  explicit Name(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

using StoreName = Name<struct StoreNameTag, kStoreNameBytesMax>;
using Alias = Name<struct AliasTag, kAliasBytesMax>;

}  // namespace certfs
