// Files that are written to be taken: requests dropped into ca/requests/, profiles into ca/profiles/. Until
// then they are scratch, and so are their writers' temporary files. Private to fs/.
//
// Thread-safety: free functions; a DropWriter is guarded by the mutex of the file that it writes.

#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/issuing.h"
#include "fs/volume.h"
#include "store/certificate_authority.h"

namespace certfs {

enum class DropKind {
  kRequest,  // requests/NAME.csr
  kConfig,   // requests/NAME.cfg
  kProfile,  // profiles/NAME.toml
};
struct DropName {
  DropKind kind;
  std::string stem;  // NAME, which may yet end in ".PROFILE".
};

// Whether files are taken from this directory.
bool IsDropDirectory(NodeId directory);
// What a file of that name in `directory` is taken for; nothing where it is not. kMalformed, kNameTooLong for
// a NAME that none can have.
Result<std::optional<DropName>> ParseDropName(NodeId directory, std::string_view name);
// Whether a tool may use `name` there for a temporary file.
bool IsDropScratchName(std::string_view name);

// A handle that writes such a file.
struct DropWriter {
  Caller opener;
  std::int32_t opener_process = 0;
  // The file of ca/profiles/ that it was opened by; empty where the file's own name counts.
  std::string profile;
  bool dirty = false;            // Written since it was opened or taken.
  std::optional<Error> refused;  // Set: nothing goes until it is truncated to 0 or closed.
  std::int32_t writer_thread = 0;
  std::int32_t writer_process = 0;
};

// What requests became, by who dropped them and as what: the same bytes once more, by whichever steps a
// program writes them, are the same request. Remembered for as long as scratch is.
//
// Thread-safety: any thread.
class TakenRequests {
 public:
  // The serial number of what `uid` got for these bytes as `name`; nothing if that is forgotten.
  std::optional<SerialNumber> Find(std::uint32_t uid, const std::string& name, const Digest& bytes,
                                   Instant now);
  void Add(std::uint32_t uid, const std::string& name, const Digest& bytes, const SerialNumber& serial,
           Instant now);
  void DropExpired(Instant now);

 private:
  static constexpr std::size_t kMax = 4096;  // Beyond it all are forgotten.
  struct Taken {
    Digest bytes{};
    SerialNumber serial{};
    Instant when{};
  };
  std::mutex mutex_;
  std::map<std::pair<std::uint32_t, std::string>, Taken> taken_;  // Guarded by mutex_.
};

}  // namespace certfs
