// How plans and outcomes are shown: to people, and as JSON to programs.
//
// Thread-safety: free functions over their arguments.

#pragma once

#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "tools/certificate_manager/execution.h"
#include "tools/certificate_manager/services.h"

namespace certfs {

void PrintPlan(const Plan& plan, std::span<const Service* const> services, std::ostream& out);

// What stands behind the last line of progress: what failed, and what else happened.
void PrintOutcome(const Outcome& outcome, std::ostream& out);

// One object, tools/README.md; `outcome` is null for a dry run.
Json ReportJson(const Plan& plan, std::span<const Service* const> services, const Outcome* outcome);

// "Status : 85% Completed [Reloading services...]", as it has always been written.
std::string StatusLine(int percent, std::string_view doing);

}  // namespace certfs
