// A keystore that is backed up, changed, and merged into.

#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/store/restore_fixture.h"

namespace certfs {

template <typename Base>
class MergeDoor : public Base {
 protected:
  using Base::clock_;
  using Base::keystore_;

  // Backs up what is there now.
  void BackUp() { backup_ = Must(MakeBackup(*keystore_)).bytes; }
  MergePlan Plan() {
    const BackupOnDisk file(backup_);
    const auto opened = Must(file.Open());
    return Must(PlanMerge(opened, *keystore_));
  }
  Result<MergePlan> Run() {
    const BackupOnDisk file(backup_);
    const auto opened = TRY(file.Open());
    return MergeBackup(opened, *keystore_, kAlice);
  }
  // Merges, and expects that it did what was planned.
  MergePlan Merged() {
    const MergePlan planned = Plan();
    MergePlan done = Must(Run());
    EXPECT_EQ(Lines(planned), Lines(done));
    EXPECT_EQ(planned.same, done.same);
    return done;
  }
  static std::vector<std::string> Lines(const MergePlan& plan) {
    std::vector<std::string> lines;
    for (const MergeStep& step : plan.steps) {
      const char* const action = step.action == MergeAction::kAdd       ? "add "
                                 : step.action == MergeAction::kReplace ? "replace "
                                                                        : "keep ";
      lines.push_back(action + step.name + (step.why.empty() ? "" : ": " + step.why));
    }
    std::ranges::sort(lines);
    return lines;
  }
  std::optional<Entry> Find(std::string_view store, std::string_view alias) {
    return Must(
        Must(keystore_->Snapshot())->FindEntry(Base::StoreNumber(store), Must(Alias::ParseStored(alias))));
  }
  void Remove(std::string_view store, std::string_view alias) {
    const Entry entry = *Find(store, alias);
    for (const Member member : kMembers) {
      if (entry.file(member)) Must(keystore_->RemoveFile(entry.number, member, kRoot));
    }
    Must(keystore_->RemoveEntry(Base::StoreNumber(store), AliasOf(alias), kRoot));
  }

  Populator change_{*keystore_, clock_};
  Bytes backup_;
};

}  // namespace certfs
