// Every operation of the volume, as something that is done to a FaultedVolume.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/fs/faulted_volume.h"

namespace certfs::test {

struct FaultedOperation {
  std::string name;  // Of a command of ca/control, as it is written there.
  // Without faults, on a volume of which nobody has used anything.
  std::function<void(FaultedVolume&)> prepare;
  // Does it. Where it fails, it has given back what it took. What it returns is what it read.
  std::function<Result<std::string>(FaultedVolume&)> act;
  enum class Effect {
    kReads,    // Nothing changes, and what it reads is the same each time.
    kTells,    // Nothing changes; what it reads does, as it tells of refusals or of the time.
    kChanges,  // The tree is another one afterwards.
  } effect = Effect::kChanges;
  // A failure, too, uses up what was prepared, or leaves some of what it reads at hand: each call fails on a
  // volume of its own.
  bool once = false;
  std::size_t stride = 1;  // Of what takes long only every so many calls fail.
  bool removes = false;    // From a keystore that is full something goes without a state that is kept.
  // Which entries it changes each by itself: one that is damaged stays as it is, and the others go on.
  std::vector<std::string> entries = {};
};

std::vector<FaultedOperation> FaultedOperations();

// Its parts: what reads, files, names and attributes, the authority, what is generated, and what is live no
// more or was somebody else's.
void AddReading(std::vector<FaultedOperation>& operations);
void AddWriting(std::vector<FaultedOperation>& operations);
void AddNaming(std::vector<FaultedOperation>& operations);
void AddAuthority(std::vector<FaultedOperation>& operations);
void AddGenerated(std::vector<FaultedOperation>& operations);
void AddRevisions(std::vector<FaultedOperation>& operations);

// A pair and its issuers in the stores, a secret, and a state in BACKUP_STORE.
void Furnish(FaultedVolume& at);

// With an export password besides.
void SetPassword(FaultedVolume& at);

// A vector of the store's tests.
std::string StoreText(const std::string& name);

// For operations that return nothing.
inline Result<std::string> Done(Result<void> result) {
  if (!result.has_value()) return std::move(result).error();
  return std::string();
}

}  // namespace certfs::test
