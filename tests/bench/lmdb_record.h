// One record in an LMDB of its own, with the durability that LMDB has by default: the least that a durable
// change costs on a disk.
//
// Thread-safety: none.

#pragma once

#include <lmdb.h>

#include <string>

#include "tests/bench/samples.h"

namespace certfs::bench {

inline void Check(int code, const char* what) {
  if (code != 0) Die(what, mdb_strerror(code));
}

class LmdbRecord {
 public:
  LmdbRecord(const char* directory, std::size_t bytes) : bytes_(bytes) {
    constexpr std::size_t kMapBytes = std::size_t{64} << 20;
    Check(mdb_env_create(&environment_), "mdb_env_create");
    Check(mdb_env_set_mapsize(environment_, kMapBytes), "mdb_env_set_mapsize");
    Check(mdb_env_open(environment_, directory, 0, 0600), directory);
  }
  ~LmdbRecord() { mdb_env_close(environment_); }
  LmdbRecord(const LmdbRecord&) = delete;
  LmdbRecord& operator=(const LmdbRecord&) = delete;

  void Commit(char fill) {
    std::string bytes(bytes_, fill);
    char name = 'r';
    MDB_val key{sizeof name, &name};
    MDB_val value{bytes.size(), bytes.data()};
    MDB_txn* transaction = nullptr;
    MDB_dbi table = 0;
    Check(mdb_txn_begin(environment_, nullptr, 0, &transaction), "mdb_txn_begin");
    Check(mdb_dbi_open(transaction, nullptr, 0, &table), "mdb_dbi_open");
    Check(mdb_put(transaction, table, &key, &value, 0), "mdb_put");
    Check(mdb_txn_commit(transaction), "mdb_txn_commit");
  }

 private:
  MDB_env* environment_ = nullptr;
  std::size_t bytes_;
};

}  // namespace certfs::bench
