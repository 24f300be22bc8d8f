// What the tests of tables share: a directory that goes away, keys that are always the same, and values to
// put in.

#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "store/entry_table.h"
#include "store/header.h"
#include "tests/support/must.h"

namespace certfs {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "certfs-store-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Returns why `result` is none.
template <typename T>
ErrorCode CodeOf(const Result<T>& result) {
  if (!result.has_value()) return result.error().code();
  ADD_FAILURE() << "no error where one was expected";
  return ErrorCode::kInternal;
}

inline SecretBytes SecretOf(std::string_view text) { return SecretBytes::CopyOf(AsBytes(text)); }

inline RootKeys TestKeys() {
  RootKeys keys{{}, SecretOf("manifest key of thirty-two bytes")};
  keys.store_id.fill(0x5A);
  return keys;
}

inline StoreName NameOf(std::string_view text) { return Must(StoreName::Parse(text)); }
inline Alias AliasOf(std::string_view text) { return Must(Alias::Parse(text)); }

inline Attributes AttributesOf(std::uint32_t seed) {
  Attributes attributes;
  attributes.uid = seed;
  attributes.gid = seed + 1;
  attributes.mode = 0640;
  attributes.atime = Time(std::chrono::nanoseconds(-5));
  attributes.mtime = Time(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  attributes.ctime = Time(std::chrono::nanoseconds(seed));
  return attributes;
}

inline Store NewStore(std::string_view name) {
  Store store;
  store.name = NameOf(name);
  store.attributes = AttributesOf(7);
  return store;
}

inline Entry NewEntry(Number store, std::string_view alias) {
  Entry entry;
  entry.store = store;
  entry.alias = AliasOf(alias);
  entry.attributes = AttributesOf(9);
  return entry;
}

// Puts an entry with one file, of `text`, in a transaction.
inline Number PutEntryWithFile(TableTransaction& transaction, Number store, std::string_view alias,
                               std::string_view text) {
  Entry entry = NewEntry(store, alias);
  entry.number = Must(transaction.PutEntry(entry));
  Must(transaction.PutFile(entry, Member::kKey, AsBytes(text)));
  entry.file(Member::kKey)->attributes = AttributesOf(3);
  entry.revision = 1;
  return Must(transaction.PutEntry(entry));
}

inline std::string ReadText(TableSnapshot& snapshot, const Entry& entry, Member member = Member::kKey) {
  return std::string(AsText(Must(snapshot.ReadFile(entry, member)).Reveal()));
}

}  // namespace certfs
