// What vecs-cli does, by command: plain file operations on the mount, judged there like anybody's.
//
// Thread-safety: main thread only. Errors: those of the files; NumberOf turns them into the numbers of the
// tool that it is named after.

#pragma once

#include <string>
#include <string_view>

#include "crypto/base/result.h"

namespace certfs::vecs {

struct Options {
  std::string mount;
  std::string server;
  std::string upn;
  std::string store;
  std::string alias;
  std::string cert;
  std::string key;
  std::string output;
  std::string password;
  bool text = false;
  bool aliases = false;
  bool yes = false;
};

// Stores (store_commands.cc).
Result<void> CreateStore(const Options& options);
Result<void> ListStores(const Options& options);
Result<void> DeleteStore(const Options& options);

// Entries (entry_commands.cc, entry_list.cc).
Result<void> CreateEntry(const Options& options);
Result<void> ListEntries(const Options& options);
Result<void> GetCertificate(const Options& options);
Result<void> GetKey(const Options& options);
Result<void> DeleteEntry(const Options& options);

// Asks "Do you wish to continue?" below `warning`, on standard input as this tool always did; kCancelled
// unless the answer is y or Y.
Result<void> AskToContinue(const Options& options, const std::string& warning);

// Rules of vecs-cli's own, for what the code of an Error does not say by itself.
inline constexpr std::string_view kNoSuchObject = "vecs-not-found";
inline constexpr std::string_view kKeyMismatch = "vecs-key-mismatch";
inline constexpr std::string_view kWrongType = "vecs-wrong-type";

}  // namespace certfs::vecs
