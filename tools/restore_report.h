// What restoring has to say: of a backup, and of a plan.
//
// Thread-safety: pure functions but for the stream.

#pragma once

#include <iosfwd>
#include <string>

#include "store/restore.h"

namespace certfs {

// What a backup holds, for people.
void PrintContents(const std::string& file, const BackupContents& contents, std::ostream& out);

// One line a step, and a last one that adds them up.
void PrintPlan(const MergePlan& plan, std::ostream& out);

// The same as one JSON object each.
std::string ContentsJson(const std::string& file, const BackupContents& contents);
std::string PlanJson(const std::string& file, const MergePlan& plan, bool done);

}  // namespace certfs
