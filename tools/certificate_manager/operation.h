// The eight operations of certificate-manager, as they have always been numbered.
//
// Thread-safety: pure functions over constants.

#pragma once

#include <span>
#include <string_view>

#include "crypto/base/result.h"

namespace certfs {

// The numbers are those of the menu; scripts know them.
enum class Operation : int {
  kMachineSslCustom = 1,
  kRootCustom = 2,
  kMachineSsl = 3,
  kRootNew = 4,
  kSolutionUsersCustom = 5,
  kSolutionUsers = 6,
  kRevert = 7,
  kResetAll = 8,
};

struct OperationRow {
  Operation operation;
  std::string_view name;   // For command lines, and for the keystore's record of the last operation.
  std::string_view title;  // As the menu has it.
  std::string_view doing;  // "Replacing Machine SSL certificate": what a line of progress says.
};

std::span<const OperationRow> Operations();
const OperationRow& RowOf(Operation operation);

// Reads a number or a name. kInvalidArgument, with those that there are.
Result<Operation> ParseOperation(std::string_view text);

// Says whether it makes the authority another root, and has everything re-issued by that.
bool ReplacesRoot(Operation operation);

// Says whether it brings certificates and keys from elsewhere.
bool TakesPairs(Operation operation);

}  // namespace certfs
