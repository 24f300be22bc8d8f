// What tests of restoring share: states described by names alone, backups as files, and archives made by
// hand.

#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "crypto/envelope_writer.h"
#include "store/restore.h"
#include "tests/store/backup_fixture.h"

namespace certfs {

// Everything of a state that a backup keeps: two keystores hold the same if and only if these are equal.
inline std::string DescribeByName(TableSnapshot& snapshot) {
  std::map<Number, std::string> names;
  for (Cursor at = 0; const auto store = Must(snapshot.NextStore(at, nullptr));) {
    at = store->at;
    names[store->item.number] = store->item.name.text();
  }
  const auto acls = [](const Attributes& attributes) {
    return " acl " + ToHex(attributes.access_acl.Encode()) + " " + ToHex(attributes.default_acl.Encode());
  };
  std::set<std::string> lines;
  for (Cursor at = 0; const auto store = Must(snapshot.NextStore(at, nullptr));) {
    at = store->at;
    const std::string in_store = store->item.name.text() + "/";
    lines.insert(in_store + " " + Describe(store->item.attributes) + acls(store->item.attributes) +
                 " holds " + std::to_string(store->item.entry_count));
    for (Cursor after = 0;
         const auto listed = Must(snapshot.NextEntry(store->item.number, after, nullptr));) {
      after = listed->at;
      const Entry& entry = listed->item;
      std::ostringstream line;
      line << in_store << entry.alias.text() << " r" << entry.revision << ' ' << Describe(entry.attributes)
           << acls(entry.attributes);
      if (entry.changed)
        line << " by " << entry.changed->uid << ' ' << entry.changed->at.time_since_epoch().count();
      if (store->item.name.text() == kBackupStore) line << " from " << names[entry.origin];
      if (entry.is_staged()) line << " for " << Must(snapshot.FindEntryByNumber(entry.origin))->alias.text();
      for (const Member member : kMembers) {
        const auto& file = entry.file(member);
        if (!file) continue;
        line << "\n    " << FileName(member) << ' ' << Describe(file->attributes) << acls(file->attributes)
             << (file->dated ? " dated " : " ") << file->size << ' ' << ReadText(snapshot, entry, member);
      }
      lines.insert(line.str());
    }
  }
  const Settings settings = Must(snapshot.GetSettings());
  std::string all = "password " + std::string(AsText(settings.export_password.Reveal())) + " profile " +
                    std::to_string(static_cast<int>(settings.profile)) + "\n";
  for (const std::string& line : lines) all += line + "\n";
  return all;
}
inline std::string DescribeByName(Keystore& keystore) { return DescribeByName(*Must(keystore.Snapshot())); }

// A backup as a file in a directory that goes away.
class BackupOnDisk {
 public:
  explicit BackupOnDisk(BytesView bytes) { Write(bytes); }
  void Write(BytesView bytes) {
    std::ofstream file(path(), std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  std::filesystem::path path() const { return directory_.path() / "keystore.cms"; }
  Result<BackupFile> Open(const EnvelopeKey& key = PasswordKey()) const {
    return BackupFile::Open(path(), key);
  }

 private:
  TemporaryDirectory directory_;
};

// One item of an archive, as anybody may make it.
struct RawItem {
  std::string path;
  unsigned type = AE_IFREG;
  unsigned mode = 0644;
  std::string content;
  std::map<std::string, std::string> extras{};
  std::string link{};
  std::int64_t uid = 0;
};

inline Bytes MakeTar(const std::vector<RawItem>& items) {
  Bytes tar;
  const auto take = [](archive*, void* to, const void* bytes, std::size_t size) {
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    static_cast<Bytes*>(to)->insert(static_cast<Bytes*>(to)->end(), from, from + size);
    return static_cast<la_ssize_t>(size);
  };
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(),
                                                                       archive_write_free);
  archive_write_set_format_pax(writer.get());
  archive_write_set_format_option(writer.get(), "pax", "xattrheader", "SCHILY");
  archive_write_set_bytes_per_block(writer.get(), 0);
  archive_write_open(writer.get(), &tar, nullptr, take, nullptr);
  for (const RawItem& item : items) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    archive_entry_set_pathname(entry.get(), item.path.c_str());
    archive_entry_set_filetype(entry.get(), item.type);
    archive_entry_set_perm(entry.get(), item.mode);
    archive_entry_set_uid(entry.get(), item.uid);
    archive_entry_set_mtime(entry.get(), 1, 5);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(item.content.size()));
    if (item.type == AE_IFLNK) archive_entry_set_symlink(entry.get(), item.link.c_str());
    if (item.type == AE_IFREG && !item.link.empty())
      archive_entry_set_hardlink(entry.get(), item.link.c_str());
    for (const auto& [name, value] : item.extras)
      archive_entry_xattr_add_entry(entry.get(), name.c_str(), value.data(), value.size());
    archive_write_header(writer.get(), entry.get());
    archive_write_data(writer.get(), item.content.data(), item.content.size());
  }
  archive_write_close(writer.get());
  return tar;
}

// An envelope around whatever somebody wants to pass for a backup.
inline Bytes SealAsBackup(BytesView message) {
  Bytes out;
  const EnvelopeRecipients recipients{SecretOf(kExportPassword), {}, kFewRounds};
  auto writer = Must(EnvelopeWriter::Begin(Must(SealRecipients(recipients)), message.size(),
                                           [&](BytesView bytes) -> Result<void> {
                                             out.insert(out.end(), bytes.begin(), bytes.end());
                                             return {};
                                           }));
  Must(writer.Write(message));
  Must(writer.Finish());
  return out;
}

}  // namespace certfs
