// What a history of random operations is played on: the volume itself, or a mount of it.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/fs/model.h"

namespace certfs::test {

class World {
 public:
  using Handle = std::uint64_t;
  struct Opened {
    Outcome outcome;
    Handle handle = 0;
  };
  struct Status {
    std::uint64_t size;
    std::uint32_t mode;
    std::uint32_t uid;
  };

  virtual ~World() = default;

  // Whether an outcome is what the model says. A mount knows errnos alone.
  virtual bool Agree(const Outcome& real, const Outcome& model) const = 0;
  // Whether callers are invented: may be anybody, flush each other's writers, and be killed.
  virtual bool HasInventedCallers() const = 0;

  virtual void Advance(std::chrono::milliseconds by) = 0;
  // Paths begin below the root: "stores/machine/web".
  virtual Outcome MakeDirectory(const std::string& path) = 0;
  virtual Outcome RemoveDirectory(const Caller& caller, const std::string& path) = 0;
  virtual Outcome Rename(const Caller& caller, const std::string& from, const std::string& to) = 0;
  virtual Outcome Unlink(const Caller& caller, const std::string& path) = 0;
  virtual Outcome Chmod(const std::string& path, std::uint32_t mode) = 0;

  virtual Opened OpenToRead(const std::string& path) = 0;
  // All of what a reader opened, read now; and what stat of it says of its size.
  virtual std::string Read(Handle reader) = 0;
  virtual std::uint64_t SizeOf(Handle reader) = 0;
  virtual void CloseReader(Handle reader) = 0;

  virtual Opened OpenToWrite(const Caller& caller, const std::string& path, bool edit) = 0;
  virtual Outcome Write(const Caller& caller, Handle writer, std::size_t offset,
                        const std::string& bytes) = 0;
  virtual Outcome Empty(const Caller& caller, Handle writer) = 0;
  virtual Outcome Flush(const Caller& caller, Handle writer, bool dying) = 0;
  virtual Outcome Sync(const Caller& caller, Handle writer) = 0;
  // The last close.
  virtual void Release(Handle writer) = 0;

  // Fills a scratch file beside the live file `path`, and renames it to that; the outcome is that of the
  // first call that fails.
  virtual Outcome ReplaceByRename(const Caller& caller, const std::string& path,
                                  const std::string& bytes) = 0;

  virtual std::vector<std::string> Names(const std::string& path) = 0;
  virtual std::optional<Status> StatusOf(const std::string& path) = 0;
  virtual std::string ReadFile(const std::string& path) = 0;
};

}  // namespace certfs::test
