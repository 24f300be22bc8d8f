// A history of changes through the door, each of them one commit, which is the same whenever it is played;
// and everything that a keystore holds, in one string. For the suites that interrupt it.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/certificate_authority.h"
#include "tests/store/keystore_fixture.h"

namespace certfs {

// What makes its own randomness cannot be played twice to the same end.
enum class Making { kRepeatable, kWithAuthority };

class ScriptedHistory {
 public:
  // Seeds differ in what they write and how large it is.
  explicit ScriptedHistory(unsigned seed, Making making = Making::kRepeatable);

  std::size_t size() const { return steps_.size(); }
  bool is_repeatable() const { return making_ == Making::kRepeatable; }
  // Whether it takes a file away.
  bool is_removal(std::size_t step) const {
    return std::string_view(name(step)) == "a file goes" || std::string_view(name(step)) == "a secret goes";
  }
  const char* name(std::size_t step) const { return steps_[step].name; }
  // Takes one step: all before it were taken, perhaps by another process.
  Result<void> Take(std::size_t step, Keystore& keystore);
  // Stands still but for Take.
  Keystore::Clock clock() { return clock_.get(); }

  // Two keystores hold the same if and only if these are the same.
  static std::string StateOf(Keystore& keystore);

 private:
  struct Step {
    const char* name;
    std::function<Result<void>(Keystore&)> take;
  };
  void AddTrust();
  void AddPair();
  void AddSecrets(unsigned seed);
  void AddNames();
  void AddAuthority();

  Making making_;
  FixedClock clock_;
  Time began_ = clock_.now();
  std::vector<Step> steps_;
};

// A keystore that history begins with, closed; and copies of it.
class Template {
 public:
  Template();
  // Puts a copy into `directory`, instead of what is there.
  void CopyTo(const std::filesystem::path& directory) const;
  const std::filesystem::path& path() const { return directory_; }

 private:
  TemporaryDirectory parent_;
  std::filesystem::path directory_ = parent_.path() / "keystore";
};

}  // namespace certfs
