// Notes what a backup holds, while it is read. Private to store/.

#pragma once

#include <utility>

#include "store/backup_reader.h"
#include "store/restore.h"

namespace certfs {

class ContentsCounter : public BackupConsumer {
 public:
  Result<void> Take(const BackupManifest& manifest) override {
    contents_.manifest = manifest;
    return {};
  }
  Result<void> Take(Settings settings) override {
    contents_.export_password = !settings.export_password.empty();
    return {};
  }
  Result<void> Take(const Certificate& recovery) override {
    contents_.recovery.push_back(recovery);
    return {};
  }
  Result<void> Take(const BackupStore& store) override {
    contents_.stores.push_back({store.name, 0, 0});
    return {};
  }
  Result<void> Take(BackupEntry entry) override {
    Count(entry);
    return {};
  }

  Result<void> Take(ArchivedAuthority authority) override {
    contents_.authority = !authority.record.certificates.empty();
    return {};
  }
  Result<void> Take(ArchivedLine) override { return {}; }

  BackupContents Finish() { return std::move(contents_); }

 protected:
  void Count(const BackupEntry& entry) {
    BackupContents::StoreCount& store = contents_.stores.back();
    ++store.entries;
    for (const auto& file : entry.files) store.files += file ? 1 : 0;
  }

 private:
  BackupContents contents_;
};

}  // namespace certfs
