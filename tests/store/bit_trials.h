// Trials of files in which one bit is another one: which bits, each in a child process that is seen to die,
// and what a small keystore shows then. For tests alone.

#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "store/examiner.h"
#include "tests/store/small_keystore.h"
#include "tests/support/rounds.h"

namespace certfs {

enum Outcome : std::uint8_t { kNotRun, kUnaffected, kBeside, kRefused, kWrong, kCrashed, kOutcomes };

inline bool IsSoak() { return std::getenv("CERTFS_SOAK") != nullptr; }

// Some `wanted` bits of `bytes`, evenly.
inline std::vector<std::size_t> EvenSample(std::size_t bytes, double wanted) {
  const std::size_t all = 8 * bytes;
  // A stride that is no multiple of a byte goes through all bits of a byte.
  std::size_t stride =
      std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(all) / std::max(wanted, 20.0)));
  if (stride > 1) stride |= 1;
  std::vector<std::size_t> bits;
  for (std::size_t bit = 0; bit < all; bit += stride) bits.push_back(bit);
  return bits;
}

// Bits of `bytes`, evenly: `count` of them and as many times more as CERTFS_ROUNDS asks for; under
// CERTFS_SOAK all, or those that CERTFS_BITS=FROM-TO names, so that they can be met in parts.
inline std::vector<std::size_t> SampleOf(std::size_t bytes, double count) {
  std::vector<std::size_t> bits =
      EvenSample(bytes, IsSoak() ? 8 * static_cast<double>(bytes) : count * RoundsFactor());
  if (const char* const part = std::getenv("CERTFS_BITS")) {
    std::size_t from = 0;
    std::size_t to = 0;
    EXPECT_EQ(std::sscanf(part, "%zu-%zu", &from, &to), 2) << "CERTFS_BITS=" << part;
    std::erase_if(bits, [&](std::size_t bit) { return bit < from || bit > to; });
    EXPECT_FALSE(bits.empty()) << "CERTFS_BITS=" << part;
  }
  return bits;
}

// One trial of so many writes. No divisor of 8, or those that write would meet one bit of a byte alone: the
// stride between two trials is odd.
inline constexpr std::size_t kWritesEvery = 7;

// Runs `trial` on each, in children, of which one that dies is followed by another behind the bit that it
// died of. Expects that none was wrong and none died; returns how many ended how.
template <typename Trial>
std::array<std::size_t, kOutcomes> RunTrials(const std::vector<std::size_t>& bits, Trial&& trial) {
  auto* const outcomes = static_cast<std::uint8_t*>(
      mmap(nullptr, bits.size() + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  EXPECT_NE(outcomes, MAP_FAILED);
  std::array<std::size_t, kOutcomes> counts{};
  std::size_t done = 0;
  while (done < bits.size()) {
    const pid_t child = fork();
    if (child == 0) {
      for (std::size_t i = done; i < bits.size(); ++i) outcomes[i] = trial(bits[i]);
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    while (done < bits.size() && outcomes[done] != kNotRun) ++done;
    if (done == bits.size()) break;
    ADD_FAILURE() << "bit " << bits[done] << ": the process died, status " << status;
    outcomes[done++] = kCrashed;
  }
  for (std::size_t i = 0; i < bits.size(); ++i) {
    ++counts[outcomes[i]];
    EXPECT_NE(outcomes[i], kWrong) << "bit " << bits[i] << ", byte " << bits[i] / 8;
  }
  munmap(outcomes, bits.size() + 1);
  return counts;
}

inline void Print(const std::string& what, const std::array<std::size_t, kOutcomes>& counts) {
  std::cout << what << ": " << counts[kUnaffected] << " unaffected, " << counts[kBeside] << " served beside, "
            << counts[kRefused] << " refused, " << counts[kWrong] << " wrong, " << counts[kCrashed]
            << " crashed\n";
}

class BitTrials : public testing::Test {
 protected:
  BitTrials() : keystore_(directory_.path() / "keystore") { Must(StartExaminer()); }

  // What a child says of what it saw.
  Outcome Judge(const Seen& seen, const std::vector<std::string>& wrong) const {
    for (const std::string& each : wrong) std::cerr << each << "\n";
    if (!wrong.empty()) return kWrong;
    for (const auto& [name, value] : seen.values) {
      const auto good = keystore_.good().find(name);
      if (good != keystore_.good().end() && good->second == value) continue;
      std::cerr << name << ": shown as it never was\n";
      return kWrong;
    }
    const bool whole = seen.refused.empty() && seen.values.size() == keystore_.good().size();
    return whole ? kUnaffected : kBeside;
  }

  // Opens it, looks at everything, and where `writes`, changes it and looks again.
  Outcome Use(const RootKeys& keys, bool writes) const {
    auto opened = OpenSealedTable(keystore_.path(), {keys.store_id, keys.manifest_key.Clone()});
    if (!opened.has_value()) return kRefused;
    std::vector<std::string> wrong;
    Outcome outcome = Look(*opened.value(), wrong);
    if (!writes || outcome == kWrong || outcome == kRefused) return outcome;
    static_cast<void>(Change(*opened.value()).has_value());
    const Outcome after = Look(*opened.value(), wrong);
    return std::max(outcome, after);
  }
  Outcome Look(EntryTable& table, std::vector<std::string>& wrong) const {
    const auto snapshot = table.Snapshot();
    if (!snapshot.has_value()) return kRefused;
    return Judge(keystore_.See(*snapshot.value(), &wrong), wrong);
  }
  // Adds what nobody looks for, and takes it away again.
  static Result<void> Change(EntryTable& table) {
    for (int i = 0; i < 3; ++i) {
      const auto transaction = TRY(table.BeginTransaction());
      Store store = NewStore("changed" + std::to_string(i));
      const Number number = TRY(transaction->PutStore(store));
      Entry entry = NewEntry(number, "entry");
      entry.number = TRY(transaction->PutEntry(entry));
      TRY(transaction->PutFile(entry, Member::kKey, Bytes(6000, 7)));
      TRY(transaction->PutEntry(entry));
      TRY(transaction->RemoveEntry(entry));
      store.number = number;
      TRY(transaction->RemoveStore(store));
      TRY(transaction->Commit());
    }
    return {};
  }

  const QuickPlace place_;
  TemporaryDirectory directory_;
  SmallKeystore keystore_;
};

}  // namespace certfs
