// LMDB without certfs: what somebody with the files but without the key can do to them. For tests alone.

#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "crypto/base/bytes.h"

struct MDB_env;

namespace certfs {

// No table may be open on the directory meanwhile: LMDB allows one environment a process.
class RawLmdb {
 public:
  explicit RawLmdb(const std::filesystem::path& directory);
  ~RawLmdb();
  RawLmdb(const RawLmdb&) = delete;
  RawLmdb& operator=(const RawLmdb&) = delete;

  std::map<Bytes, Bytes> ReadAll(const std::string& table);
  Bytes Get(const std::string& table, const Bytes& key);
  void Put(const std::string& table, const Bytes& key, const Bytes& value);
  // Changes a bit in the middle of a record; twice is as if never.
  void Flip(const std::string& table, const Bytes& key) {
    Bytes bytes = Get(table, key);
    bytes[bytes.size() / 2] ^= 1;
    Put(table, key, bytes);
  }
  void Remove(const std::string& table, const Bytes& key);

 private:
  template <typename Use>
  void Within(const std::string& table, Use&& use);
  MDB_env* env_ = nullptr;
};

}  // namespace certfs
