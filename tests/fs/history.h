// A history of random operations by several users and processes, writers and readers interleaved, played on a
// world and on the model; the whole tree compared again and again. One seed, one history.

#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/fs/world.h"

namespace certfs::test {

inline std::string Show(const Outcome& outcome) {
  return outcome ? std::string(ToString(*outcome)) : "success";
}

// What all histories together came to, so that none of it is left out for ever.
struct Coverage {
  std::map<std::string, int> outcomes;  // "rejected"
  int went_live = 0;                    // Staged pairs that did.
  int brought_back = 0;                 // Removals that were undone,
  int renamed = 0;                      // scratch files that went live,
  int placeholders = 0;                 // and empty files that were seen.
  std::map<std::string, int> live;      // "trusted_roots root": seen live in that store.
};

class History {
 public:
  History(unsigned seed, World& world, Coverage& coverage)
      : random_(seed), world_(world), coverage_(coverage) {}

  // Plays it; the test has failed if anything was not as the model says.
  void Run();

 private:
  struct Writer {
    ModelWriter model;
    World::Handle real;
  };
  struct Reader {
    World::Handle handle;
    std::string bytes;
  };

  unsigned Below(unsigned end) { return std::uniform_int_distribution<unsigned>(0, end - 1)(random_); }
  Caller AnyCaller();
  Member AnyMember();
  const Sample& AnySample(Member member);
  ModelStore* StoreNamed(const std::string& name);
  ModelEntryPointer AnyEntry();
  std::string PathOf(const ModelEntry& entry);

  void Expect(const std::string& what, const Outcome& real, const Outcome& model);

  void Step();
  void ChangeStores();
  void MakeEntry();
  void ChangeEntry();
  void ChangeNext();
  void RemoveFile();
  void Chmod();
  void OpenReader();
  void CloseReader(std::size_t at);
  void OpenWriter();
  void UseWriter(Writer& writer);
  void WriteSample(Writer& writer, const Caller& caller, const std::string& name);
  void CloseWriter(std::size_t at);
  void Advance(std::chrono::milliseconds by);
  void ReplaceInTwoHalves();
  void ReplaceByRename();

  void Compare();
  void CompareEntry(const std::string& path, const ModelEntry& entry);

  std::mt19937 random_;
  World& world_;
  Coverage& coverage_;
  Model model_;
  std::vector<Writer> writers_;
  std::vector<Reader> readers_;
  std::vector<std::string> log_;
};

}  // namespace certfs::test
