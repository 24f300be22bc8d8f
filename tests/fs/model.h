// What a tree of certificate stores means, said a second time in the simplest way: maps of names to bytes.
//
// The model knows what its few contents are by a table, never by parsing; its rules are those of
// fs/README.md. It knows no revisions, nodes, caches or transactions.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/error.h"
#include "fs/volume.h"

namespace certfs::test {

using Outcome = std::optional<ErrorCode>;  // Nothing: it succeeded.

// One thing that the model may write, and what is known of it.
struct Sample {
  std::string name;
  std::string bytes;
  Member kind;              // Of a certificate, key or CRL; anything may be a secret.
  std::string pair;         // Which key a certificate or key is of.
  Outcome refusal;          // What a store with general rules says of it.
  bool authority = false;   // May stand in TRUSTED_ROOTS.
  std::string issuer = {};  // Of a CRL: the sample that must be trusted;
  int number = 0;           // its number;
  bool begins_well = true;  // False: refused by write itself.
};
const std::vector<Sample>& Samples();

struct ModelFile {
  std::string bytes;
  std::uint32_t mode;
  std::uint32_t uid;
};

struct ModelEntry;
using ModelEntryPointer = std::shared_ptr<ModelEntry>;

struct ModelEntry {
  std::string alias;
  std::string store;  // Its name, folded.
  std::uint32_t mode;
  std::map<Member, ModelFile> files;
  bool alive = true;
  int origin = 0;  // In BACKUP_STORE: the id of the store whose entry this was.
  ModelEntryPointer next = {};       // What is staged to replace it,
  std::weak_ptr<ModelEntry> live = {};  // and of that: what it is to replace.
  bool staged() const { return !live.expired(); }
};

struct ModelStore {
  int id;  // Given once.
  std::string name;
  std::uint32_t mode;
  std::map<std::string, ModelEntryPointer> entries;  // By folded alias.
};

// A writer: one handle and what it has staged.
struct ModelWriter {
  ModelEntryPointer entry;
  Member member;
  std::uint32_t uid;   // Who owns it and its mode, should it be new;
  std::uint32_t mode;  // of a file that was there, what it had.
  std::int32_t opener = 0;
  std::int32_t last_writer = 0;
  std::string buffer = {};
  bool dirty = false;
  Outcome refused = {};
};

class Model {
 public:
  Model();

  Outcome MakeStore(const std::string& name);
  Outcome RemoveStore(const std::string& name);
  Outcome RenameStore(const std::string& from, const std::string& to);
  Outcome MakeEntry(const std::string& store, const std::string& alias);
  Outcome RemoveEntry(const std::string& store, const std::string& alias, std::uint32_t uid);
  Outcome RenameEntry(const std::string& store, const std::string& from, const std::string& to,
                      std::uint32_t uid);
  Outcome MakeNext(const ModelEntryPointer& entry);
  static Outcome RemoveNext(const ModelEntryPointer& entry);
  Outcome RemoveFile(const ModelEntryPointer& entry, Member member, std::uint32_t uid);
  Outcome Chmod(const ModelEntryPointer& entry, Member member, std::uint32_t mode);

  Outcome MayCreate(const ModelEntryPointer& entry, Member member) const;
  Outcome Write(ModelWriter& writer, std::int32_t process, std::size_t offset,
                const std::string& bytes) const;
  Outcome Empty(ModelWriter& writer) const;
  Outcome Flush(ModelWriter& writer, std::int32_t process, bool dying);
  Outcome Commit(ModelWriter& writer);
  void Release(ModelWriter& writer);

  std::map<std::string, ModelStore> stores;  // By folded name.
  int went_live = 0;                         // How often a staged pair did.

 private:
  Outcome Judge(const ModelEntry& entry, Member member, const std::string& bytes) const;
  void Keep(const ModelEntry& entry);
  void GoLive(ModelEntry& staged);
  Outcome JudgeList(const ModelEntry& entry, const Sample& list) const;
  bool IsTrusted(const std::string& sample) const;

  int next_id_ = 1;
};

}  // namespace certfs::test
