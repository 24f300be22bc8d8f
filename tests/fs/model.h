// What a tree of certificate stores means, said a second time in the simplest way: maps of names to bytes.
//
// The model knows what its few contents are by a table, never by parsing; its rules are those of
// fs/README.md. It knows no revisions, nodes, caches or transactions.

#pragma once

#include <chrono>
#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <set>
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

// An empty file that its creator alone sees.
struct ModelPlaceholder {
  Member member;
  std::uint32_t uid;
  friend auto operator<=>(const ModelPlaceholder&, const ModelPlaceholder&) = default;
};

struct ModelEntry {
  std::string alias;
  std::string store;  // Its name, folded.
  std::uint32_t mode;
  std::map<Member, ModelFile> files;
  bool alive = true;
  int origin = 0;                       // In BACKUP_STORE: the id of the store whose entry this was,
  int id = 0;                           // and one of its own.
  ModelEntryPointer next = {};          // What is staged to replace it,
  std::weak_ptr<ModelEntry> live = {};  // and of that: what it is to replace.
  int changes = 0;                      // How often its content became another.
  std::set<ModelPlaceholder> placeholders = {};
  bool staged() const { return !live.expired(); }
};

struct ModelStore {
  int id;  // Given once, in order.
  std::string name;
  std::uint32_t mode;
  std::map<std::string, ModelEntryPointer> entries;  // By folded alias.
};

// What a change displaced in BACKUP_STORE.
struct ModelKept {
  ModelEntryPointer place = nullptr;  // Null: nothing.
  bool was_there = false;
  std::map<Member, ModelFile> files = {};
  int origin = 0;   // Of that place, before,
  int changes = 0;  // and its changes since.
};

// What one process removed, and may be about to replace.
struct ModelRemoval {
  std::int32_t process;
  ModelEntryPointer entry;
  Member member;
  ModelFile file;
  ModelKept kept;
  int changes;  // Of the entry since.
  std::chrono::milliseconds when;
};

// A writer: one handle and what it has staged.
struct ModelWriter {
  ModelEntryPointer entry;
  Member member;
  std::uint32_t uid;   // Who owns it and its mode, should it be new;
  std::uint32_t mode;  // of a file that was there, what it had.
  std::int32_t opener = 0;
  std::uint32_t uid_of_opener = 0;
  std::int32_t last_writer = 0;
  std::string buffer = {};
  bool dirty = false;
  Outcome refused = {};
  bool created = false;  // There was no file to replace.
  bool committed = false;
  bool placeholder = false;                  // It left one.
  std::optional<ModelRemoval> removed = {};  // What returns unless it succeeds.
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
  Outcome RemoveFile(const ModelEntryPointer& entry, Member member, const Caller& caller);
  // A writer of that file, should the entry take it.
  ModelWriter Open(const ModelEntryPointer& entry, Member member, const Caller& caller, bool edit);
  Outcome Chmod(const ModelEntryPointer& entry, Member member, std::uint32_t mode);

  Outcome MayCreate(const ModelEntryPointer& entry, Member member) const;
  Outcome Write(ModelWriter& writer, std::int32_t process, std::size_t offset, const std::string& bytes);
  Outcome Empty(ModelWriter& writer) const;
  Outcome Flush(ModelWriter& writer, std::int32_t process, bool dying);
  Outcome Commit(ModelWriter& writer);
  void Release(ModelWriter& writer);

  std::map<std::string, ModelStore> stores;  // By folded name.
  int went_live = 0;                         // How often a staged pair did,
  int brought_back = 0;                      // and what was removed returned.
  std::chrono::milliseconds now{};

 private:
  Outcome Judge(const ModelEntry& entry, Member member, const std::string& bytes) const;
  ModelKept Keep(const ModelEntry& entry, bool removes = false);
  ModelEntryPointer PlaceToKeep(const ModelEntry& entry, bool removes, bool& was_there);
  void Undo(ModelWriter& writer);
  void BringBack(ModelWriter& writer);
  void Replaced(const ModelEntryPointer& entry, Member member);
  void GoLive(ModelEntry& staged);
  Outcome JudgeList(const ModelEntry& entry, const Sample& list) const;
  bool IsTrusted(const std::string& sample) const;

  int next_id_ = 1;
  std::vector<ModelRemoval> removals_;
};

}  // namespace certfs::test
