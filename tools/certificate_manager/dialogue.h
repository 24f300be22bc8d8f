// The questions that certificate-manager asks at a terminal: the menu, and what an operation needs that the
// command line did not give. In the words that its users know.
//
// Thread-safety: main thread only. Ownership: borrows the streams. Errors: kCancelled at the end of input
// (Ctrl-D), which ends it without a change.

#pragma once

#include <istream>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

#include "crypto/base/result.h"
#include "tools/certificate_manager/inputs.h"

namespace certfs {

class Dialogue {
 public:
  Dialogue(std::istream& in, std::ostream& out) : in_(in), out_(out) {}

  // Shows the menu until one of the eight is chosen.
  Result<Operation> ChooseOperation();

  // Asks for the files and values that `operation` takes. `defaults` has the request file, by store, that
  // stands for what the live certificates say; `host` is the name of this machine.
  Result<void> Fill(Operation operation, const std::map<std::string, std::string>& defaults,
                    const std::string& host, ManagerOptions& options);

  // Asks whether to go on: "Continue operation : Option[Y/N] ? :". Only Y is a yes; so is nothing at the end
  // of input a no.
  bool Confirm();

 private:
  Result<std::string> Line(std::string_view prompt);
  Result<bool> YesOrNo(std::string_view question);
  Result<std::string> File(std::string_view what, bool optional);
  Result<std::string> Value(std::string_view key, std::string_view fallback);
  Result<std::string> Config(const std::string& name, const std::string& defaults, const std::string& host);
  Result<void> Pair(const std::string& name, std::string_view label, ManagerOptions& options);
  Result<void> Custom(Operation operation, ManagerOptions& options);
  Result<bool> WantsRequests(std::string_view what, ManagerOptions& options);

  std::istream& in_;
  std::ostream& out_;
};

}  // namespace certfs
