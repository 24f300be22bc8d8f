// An EntryTable that several keystores have at once, as processes have one on disk.

#pragma once

#include <memory>
#include <utility>

#include "store/entry_table.h"

namespace certfs::test {

// A table that several keystores share as processes do. The test counts what is foreign to whom.
class SharedTable final : public EntryTable {
 public:
  SharedTable(std::shared_ptr<EntryTable> real, const std::uint64_t& foreign)
      : real_(std::move(real)), foreign_(foreign) {}

  Result<std::unique_ptr<TableSnapshot>> Snapshot() override { return real_->Snapshot(); }
  Result<std::unique_ptr<TableTransaction>> BeginTransaction(Room room) override {
    return real_->BeginTransaction(room);
  }
  Usage GetUsage() override { return real_->GetUsage(); }
  Result<std::uint64_t> ForeignCommits() override { return foreign_; }
  Result<bool> Grow(Room room) override { return real_->Grow(room); }

 private:
  std::shared_ptr<EntryTable> real_;
  const std::uint64_t& foreign_;
};

}  // namespace certfs::test
