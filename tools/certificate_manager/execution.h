// Carrying a plan out: first it is judged as a whole, then done in one commit (a replacement of the root: in
// steps, each a commit), then the services are told; if something fails, all of it is taken back.
//
// Thread-safety: main thread only.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "tools/certificate_manager/plan.h"

namespace certfs {

// What is around an operation.
struct Surroundings {
  AuthorityCommand ask;
  // Reloads the services that use one of the entries. The Error names those that were not reloaded.
  std::function<Result<void>(std::span<const std::string> changed)> reload;
  std::function<void(int percent, std::string_view doing)> progress;
  std::function<bool()> interrupted;  // Whether somebody wants it to end, as soon as it can be resumed.
};

struct Outcome {
  bool done = false;         // All of it, services included; with `kept`, all but these.
  bool rolled_back = false;  // It failed, and everything is as it was.
  bool resumable = false;    // A replacement of the root stands where it was interrupted.
  std::optional<Error> failure;
  std::vector<std::string> notes;  // What else happened.
};

// Asks the authority what it would say to `plan`, and fills that in. Changes nothing. Errors: its refusal.
Result<void> Validate(Plan& plan, const Situation& situation, const AuthorityCommand& ask);

// Does it. With `keep` a service that was not reloaded is no reason to take it back.
Outcome Execute(const Plan& plan, const Surroundings& around, bool keep);

}  // namespace certfs
