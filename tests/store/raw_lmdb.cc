#include "tests/store/raw_lmdb.h"

#include <gtest/gtest.h>
#include <lmdb.h>

namespace certfs {

namespace {

MDB_val ValueOf(const Bytes& bytes) { return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())}; }

Bytes BytesOf(const MDB_val& value) {
  const auto* const data = static_cast<const std::uint8_t*>(value.mv_data);
  return {data, data + value.mv_size};
}

}  // namespace

RawLmdb::RawLmdb(const std::filesystem::path& directory) {
  EXPECT_EQ(mdb_env_create(&env_), 0);
  EXPECT_EQ(mdb_env_set_mapsize(env_, std::size_t{256} << 20), 0);
  EXPECT_EQ(mdb_env_set_maxdbs(env_, 8), 0);
  EXPECT_EQ(mdb_env_open(env_, directory.c_str(), MDB_NOSYNC, 0600), 0);
}

RawLmdb::~RawLmdb() { mdb_env_close(env_); }

template <typename Use>
void RawLmdb::Within(const std::string& table, Use&& use) {
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_txn_begin(env_, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, table.c_str(), 0, &dbi), 0);
  use(txn, dbi);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
}

std::map<Bytes, Bytes> RawLmdb::ReadAll(const std::string& table) {
  std::map<Bytes, Bytes> all;
  Within(table, [&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_cursor* cursor = nullptr;
    ASSERT_EQ(mdb_cursor_open(txn, dbi, &cursor), 0);
    MDB_val key;
    MDB_val value;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) all[BytesOf(key)] = BytesOf(value);
    mdb_cursor_close(cursor);
  });
  return all;
}

Bytes RawLmdb::Get(const std::string& table, const Bytes& key) { return ReadAll(table).at(key); }

void RawLmdb::Put(const std::string& table, const Bytes& key, const Bytes& value) {
  Within(table, [&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_val name = ValueOf(key);
    MDB_val data = ValueOf(value);
    ASSERT_EQ(mdb_put(txn, dbi, &name, &data, 0), 0);
  });
}

void RawLmdb::Remove(const std::string& table, const Bytes& key) {
  Within(table, [&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_val name = ValueOf(key);
    ASSERT_EQ(mdb_del(txn, dbi, &name, nullptr), 0);
  });
}

}  // namespace certfs
