// Reading an archive item by item, by libarchive: what ArchiveWriter writes, and nothing that points out of
// it. Private to store/.
//
// Thread-safety: a reader belongs to one thread. Errors: what the source returns; kMalformed for what is no
// such archive: links, devices, sparse files, other attributes than ours, and whatever libarchive finds odd.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "store/entry.h"

namespace certfs {

// Returns what comes next of an archive, valid until the next call; nothing at the end. Blocks whose sizes
// are multiples of 512 keep libarchive from copying contents into memory of its own.
using ArchiveSource = std::function<Result<BytesView>()>;

struct ArchivedItem {
  std::string path;  // A directory's without its trailing slash.
  bool directory = false;
  std::uint64_t size = 0;
  Attributes attributes;  // ACLs as its extras have them.
  std::map<std::string, std::string, std::less<>> extras;
};

class ArchiveReader {
 public:
  explicit ArchiveReader(ArchiveSource source);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  // The next item; nothing at the end of the archive.
  Result<std::optional<ArchivedItem>> Next();

  // The content of the item that Next returned last.
  Result<SecretBytes> Content();

  // How much of the source the archive took.
  std::uint64_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace certfs
